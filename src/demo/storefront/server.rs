//! Accepting connections: so many at a time, each with so long to say what it wants.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    sync::Semaphore,
    task::JoinSet,
    time::sleep,
};

/// Further connections wait in the system's backlog.
const MOST_CONNECTIONS: usize = 512;
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause after a failure to accept, which is most likely a lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Answers for as long as it is polled; what was not answered by then is cut off.
pub(super) async fn serve(listener: TcpListener, router: Router) -> Infallible {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return std::future::pending().await;
        };
        let stream = accept(&listener, &mut connections).await;
        let router = router.clone();
        connections.spawn(async move {
            answer(stream, router).await;
            drop(place);
        });
    }
}

async fn accept(listener: &TcpListener, connections: &mut JoinSet<()>) -> TcpStream {
    loop {
        select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => return stream,
                Err(error) => {
                    tracing::debug!(%error, "the storefront cannot accept a connection");
                    sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(stream: TcpStream, router: Router) {
    // Answers are small; without it the last packet of one may wait for the next.
    let _ = stream.set_nodelay(true);
    let answered = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    if let Err(error) = answered {
        tracing::debug!(%error, "a request to the storefront was not finished");
    }
}
