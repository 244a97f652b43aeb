//! Accepting connections and reading their HTTP requests.

use std::{
    convert::Infallible,
    error::Error,
    io,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
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
use tokio::{
    net::TcpStream,
    select,
    sync::OwnedSemaphorePermit,
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

use super::{
    Capacity, Gateway,
    capacity::{Seat, Seats},
    edge::{Peer, Visitor, Visitors},
    events::Opening,
    listener::Listener,
    router::{Purpose, router},
    stream::Stream,
};
use crate::telemetry::Reason;

/// Largest head of a request: the smallest that hyper takes, and far more than a browser sends.
const MAX_HEAD: usize = 8 * 1024;
/// Most lines of it: a browser behind two proxies sends about thirty.
const MAX_HEADERS: usize = 64;
/// Most connections to a listener of the operator's own.
const OPERATORS: Capacity = Capacity {
    sessions: 0,
    http: 32,
};
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
        router: router(gateway.clone(), Purpose::Clients),
        seats: Seats::new(gateway.capacity),
        visitors: None,
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

/// Accepts connections for the operator until the gateway closes.
pub async fn serve_operator(gateway: Gateway, listener: Listener) {
    let server = Server {
        router: router(gateway.clone(), Purpose::Operator),
        seats: Seats::new(OPERATORS),
        visitors: Some(Visitors::new(OPERATORS.http)),
        gateway,
    };
    select! {
        never = server.accept(&listener) => match never {},
        () = server.gateway.closing.cancelled() => {}
    }
}

struct Server {
    gateway: Gateway,
    router: Router,
    seats: Seats,
    /// Those of a listener where nothing is asked of whoever comes.
    visitors: Option<Visitors>,
}

impl Server {
    async fn accept(&self, listener: &Listener) -> Infallible {
        let mut failing = false;
        loop {
            let Some(places) = self.seats.take(&self.gateway, self.visitors()).await else {
                std::future::pending().await
            };
            match listener.accept().await {
                Ok(accepted) => {
                    if std::mem::take(&mut failing) {
                        info!("connections are accepted again");
                    }
                    self.receive(accepted, places);
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
            let Some(accepted) = listener.accept_waiting() else {
                return;
            };
            self.receive(accepted, places);
        }
    }

    fn visitors(&self) -> &Visitors {
        let edge = &self.gateway.edge;
        self.visitors.as_ref().unwrap_or(&edge.visitors)
    }

    /// Serves a connection, or cuts it off at once: an answer would cost more than it is worth.
    fn receive(&self, (stream, peer): (TcpStream, IpAddr), (seat, place): Places) {
        let now = Instant::now();
        let entered = match &self.visitors {
            Some(visitors) => visitors.enter(None, false, now).ok_or("operator"),
            None => self.gateway.edge.enter(peer, now),
        };
        match entered {
            Ok(visitor) => {
                let caller = Caller {
                    peer,
                    visitor: Arc::new(visitor),
                    seat,
                    is_client: self.visitors.is_none(),
                };
                let (gateway, router) = (self.gateway.clone(), self.router.clone());
                let connection = serve_connection(gateway, router, stream, caller, place);
                self.gateway.others.spawn(connection);
            }
            Err(reason) => {
                debug!(%peer, reason, "a connection was cut off");
                let cut = &self.gateway.metrics.cut_connections;
                cut.get_or_create(&Reason::new(reason)).inc();
            }
        }
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

/// A file for as long as the connection is open, and one of the places of those that speak HTTP.
type Places = (Seat, OwnedSemaphorePermit);

/// Who is at the other end, and what it holds here.
struct Caller {
    peer: IpAddr,
    visitor: Arc<Visitor>,
    seat: Seat,
    /// Not the operator, on a listener of its own.
    is_client: bool,
}

async fn serve_connection(
    gateway: Gateway,
    router: Router,
    stream: TcpStream,
    caller: Caller,
    place: OwnedSemaphorePermit,
) {
    let tuned = stream
        .set_nodelay(true)
        .and_then(|()| SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER));
    if let Err(error) = tuned {
        debug!(%error, "a connection ended before it began");
        return;
    }
    gateway.metrics.http_connections.inc();
    let peer = caller.peer;
    match encrypt(&gateway, stream, &caller).await {
        Ok(stream) => {
            if let Err(error) = speak_http(&gateway, router, stream, caller).await {
                debug!(%peer, %error, "a request was not finished");
            }
        }
        Err(error) => {
            debug!(%peer, %error, "no agreement about TLS");
            let cut = &gateway.metrics.cut_connections;
            cut.get_or_create(&Reason::new("tls")).inc();
        }
    }
    gateway.metrics.http_connections.dec();
    drop(place);
}

/// Agrees about keys, where TLS ends here, as fast as a request has to come.
async fn encrypt(gateway: &Gateway, socket: TcpStream, caller: &Caller) -> io::Result<Stream> {
    let certificates = gateway.certificates.as_ref();
    let Some(certificates) = certificates.filter(|_| caller.is_client) else {
        return Ok(Stream::plain(socket));
    };
    let deadline = gateway.config.header_timeout;
    select! {
        agreed = timeout(deadline, Box::pin(certificates.accept(socket))) => agreed?,
        () = caller.visitor.sent_away() => Err(io::ErrorKind::TimedOut.into()),
        () = gateway.closing.cancelled() => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

/// Answers requests until the client leaves, becomes a session, or has had its time.
async fn speak_http(
    gateway: &Gateway,
    router: Router,
    stream: Stream,
    caller: Caller,
) -> hyper::Result<()> {
    let answered = Arc::new(AtomicBool::new(false));
    let Caller {
        peer,
        visitor,
        seat,
        ..
    } = caller;
    let (asked, place, asking) = (answered.clone(), seat.clone(), visitor.clone());
    let (router, draining) = (TowerToHyperService::new(router), gateway.draining.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        asking.speaks();
        request.extensions_mut().insert(place.clone());
        request.extensions_mut().insert(Peer(peer));
        let (answer, draining) = (router.call(request), draining.clone());
        let asking = asking.clone();
        async move {
            let Ok(mut response) = answer.await;
            if let Some(opening) = response.extensions_mut().remove::<Opening>() {
                return Err(opening.answered(response.headers()));
            }
            asking.listens(Instant::now());
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
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let ended = select! {
        ended = &mut connection => Some(ended),
        () = sleep(HTTP_LIFE) => return Ok(()),
        () = visitor.sent_away() => {
            let cut = &gateway.metrics.cut_connections;
            cut.get_or_create(&Reason::new("silent")).inc();
            return Ok(());
        }
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
