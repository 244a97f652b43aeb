//! Accepting connections and reading their HTTP requests.

use std::{
    convert::Infallible,
    error::Error,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request, Response, StatusCode, header},
};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use nix::errno::Errno;
use socket2::SockRef;
use tokio::{net::TcpStream, select, sync::OwnedSemaphorePermit, time::sleep};
use tracing::{debug, info, warn};

use super::{
    Gateway,
    capacity::{Seat, Seats},
    events::Opening,
    listener::Listener,
    router,
};
use crate::telemetry::Reason;

/// Largest head of a request: the smallest that hyper takes, and far more than a browser sends.
const MAX_HEAD: usize = 8 * 1024;
/// What the kernel may hold for a client that does not read. Its own default grows to megabytes.
const SEND_BUFFER: usize = 32 * 1024;
/// Pause after a failure to accept, which is most likely a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a connection may speak HTTP, so that nobody keeps one by not reading an answer.
const HTTP_LIFE: Duration = Duration::from_secs(30);

/// Accepts connections until the gateway closes; on a socket that was handed over, until it drains,
/// because who comes from then on is the successor's.
pub async fn serve(gateway: Gateway, listener: Listener) {
    let server = Server {
        router: router::router(gateway.clone()),
        seats: Seats::new(gateway.capacity),
        gateway,
    };
    let end = if listener.is_handed_over() {
        server.gateway.draining.clone()
    } else {
        server.gateway.closing.clone()
    };
    select! {
        never = server.accept(&listener) => match never {},
        () = end.cancelled() => {}
    }
    if !listener.is_handed_over() {
        server.accept_rest(&listener);
    }
}

struct Server {
    gateway: Gateway,
    router: Router,
    seats: Seats,
}

impl Server {
    async fn accept(&self, listener: &Listener) -> Infallible {
        let mut failing = false;
        loop {
            let Some(places) = self.seats.take(&self.gateway.metrics).await else {
                std::future::pending().await
            };
            match listener.accept().await {
                Ok(stream) => {
                    if std::mem::take(&mut failing) {
                        info!("connections are accepted again");
                    }
                    self.spawn(stream, places);
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        warn!(%error, "cannot accept connections; they wait");
                    }
                    self.count(&error);
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Who has been let in by the system already is not cut off, as far as there are places.
    fn accept_rest(&self, listener: &Listener) {
        while let Some(places) = self.seats.try_take() {
            let Some(stream) = listener.accept_waiting() else {
                return;
            };
            self.spawn(stream, places);
        }
    }

    fn spawn(&self, stream: TcpStream, places: (Seat, OwnedSemaphorePermit)) {
        let connection =
            serve_connection(self.gateway.clone(), self.router.clone(), stream, places);
        self.gateway.others.spawn(connection);
    }

    fn count(&self, error: &io::Error) {
        let reason = match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EMFILE | Errno::ENFILE) => "open_files",
            _ => "error",
        };
        let pauses = &self.gateway.metrics.accept_pauses;
        pauses.get_or_create(&Reason::new(reason)).inc();
    }
}

async fn serve_connection(
    gateway: Gateway,
    router: Router,
    stream: TcpStream,
    (seat, http): (Seat, OwnedSemaphorePermit),
) {
    let tuned = stream
        .set_nodelay(true)
        .and_then(|()| SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER));
    if let Err(error) = tuned {
        debug!(%error, "a connection ended before it began");
        return;
    }
    gateway.metrics.http_connections.inc();
    if let Err(error) = speak_http(&gateway, router, stream, seat).await {
        debug!(%error, "a request was not finished");
    }
    gateway.metrics.http_connections.dec();
    drop(http);
}

/// Answers requests until the client leaves, becomes a session, or has had its time.
async fn speak_http(
    gateway: &Gateway,
    router: Router,
    stream: TcpStream,
    seat: Seat,
) -> hyper::Result<()> {
    let answered = Arc::new(AtomicBool::new(false));
    let (asked, place) = (answered.clone(), seat.clone());
    let (router, draining) = (TowerToHyperService::new(router), gateway.draining.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(place.clone());
        let (answer, draining) = (router.call(request), draining.clone());
        async move {
            let Ok(mut response) = answer.await;
            if let Some(opening) = response.extensions_mut().remove::<Opening>() {
                return Err(opening);
            }
            if draining.is_cancelled() {
                part_after(&mut response);
            }
            Ok(response)
        }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(gateway.config.header_timeout)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let ended = select! {
        ended = &mut connection => Some(ended),
        () = sleep(HTTP_LIFE) => return Ok(()),
        () = gateway.closing.cancelled() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            // Who has been answered may go; who has only just come has a question yet.
            if answered.load(Ordering::Relaxed) {
                Pin::new(&mut connection).graceful_shutdown();
            }
            (&mut connection).await
        }
    };
    let opening = ended.as_ref().err().and_then(Error::source);
    let opening = opening.and_then(|error| error.downcast_ref::<Opening>());
    match (opening, connection.into_parts()) {
        (Some(opening), Some(parts)) => {
            opening.clone().begin(gateway, parts.io.into_inner(), seat);
            Ok(())
        }
        _ => ended,
    }
}

/// Lets the client know that this was the last answer on this connection.
fn part_after(response: &mut Response<Body>) {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
}
