//! What every kind of session has: a socket, an outbox, and a place in the hub.

use std::{
    future::pending,
    io::{self, ErrorKind},
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Number;
use tokio::{
    io::Interest,
    sync::oneshot,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Gateway,
    edge::{Pace, UsersPlace},
    standing::Standing,
    stream::Stream,
};
use crate::{
    hub::{Command, Form, Frame, Outbox, Progress, Request, SessionKey, Wire},
    protocol::{CloseReason, ConnectionId, ErrorCode, ServerMessage},
    telemetry::{ByReason, Reason},
};

/// What one read may take. Clients say little; a larger message takes more reads.
pub(super) const READ_BUFFER: usize = 512;
/// Longest wait for a position to welcome a client with.
const WELCOME_DEADLINE: Duration = Duration::from_secs(10);
/// Longest time from the decision to close until the socket is dropped.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// Not the end of a connection.
const PATIENT: [ErrorKind; 2] = [ErrorKind::WouldBlock, ErrorKind::Interrupted];

/// A client's socket, what waits for it, and its place in the hub.
pub(super) struct Connection {
    pub(super) gateway: Gateway,
    pub(super) stream: Arc<Stream>,
    pub(super) outbox: Arc<Outbox>,
    key: Option<SessionKey>,
    pub(super) standing: Standing,
    /// Once it is known whose the session is.
    pub(super) place: Option<UsersPlace>,
    pub(super) closed_by_peer: bool,
    pub(super) pace: Pace,
    /// Reads since others had a turn.
    pub(super) reads: usize,
}

/// How long a client may take to close its side.
#[derive(Clone, Copy, Debug)]
enum Patience {
    /// It has shown no sign of life.
    None,
    /// Until [`CLOSE_DEADLINE`].
    Short,
    /// Until the daemon stops.
    Drain,
}

impl Patience {
    fn of(reason: CloseReason, refused: bool) -> Self {
        match reason {
            CloseReason::NoPong => Self::None,
            CloseReason::Draining if !refused => Self::Drain,
            _ => Self::Short,
        }
    }

    async fn end(self, closing: &CancellationToken) {
        match self {
            Self::None => {}
            Self::Short => sleep(CLOSE_DEADLINE).await,
            Self::Drain => closing.cancelled().await,
        }
    }
}

impl Connection {
    /// Counts a client and gives it an outbox that takes `form`.
    pub(super) fn new(gateway: Gateway, stream: Arc<Stream>, form: Form) -> Self {
        gateway.metrics.connections.inc();
        let pace = Pace::new(gateway.edge.paces, Instant::now());
        let socket = Socket(stream.clone(), form);
        let outbox = Outbox::new(Box::new(socket), gateway.outbox, Instant::now());
        Self {
            gateway,
            stream,
            outbox: Arc::new(outbox),
            key: None,
            standing: Standing::default(),
            place: None,
            closed_by_peer: false,
            pace,
            reads: 0,
        }
    }

    /// Waits until the hub has welcomed the client.
    pub(super) async fn join(&mut self) -> ControlFlow<CloseReason> {
        #[cfg(feature = "sabotage")]
        if self.gateway.echoes {
            return ControlFlow::Continue(());
        }
        let connection: ConnectionId = format!("{:012x}", fastrand::u64(..1 << 48)).into();
        let (key, mut joined) = oneshot::channel();
        let outbox = self.outbox.clone();
        let join = Command::Join {
            connection,
            identity: self.standing.identity().cloned(),
            outbox,
            key,
        };
        let welcome = async {
            self.gateway.hub.send(join).await;
            (&mut joined).await.ok()
        };
        let welcome = timeout(WELCOME_DEADLINE, welcome).await;
        // A key that came at the last moment has to be given back.
        self.key = welcome.unwrap_or_else(|_| {
            joined.close();
            joined.try_recv().ok()
        });
        match self.key {
            Some(_) => {
                let within = self.gateway.guard.auth_timeout();
                self.standing.must_prove(within, Instant::now());
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(self.outbox.ending().unwrap_or(CloseReason::ServerError)),
        }
    }

    /// Asks the hub something on the client's behalf.
    pub(super) async fn ask(
        &self,
        id: Option<Number>,
        request: Request,
    ) -> ControlFlow<CloseReason> {
        let key = self.key()?;
        self.tell(Command::Request { key, id, request }).await
    }

    /// The session's place in the hub.
    pub(super) fn key(&self) -> ControlFlow<CloseReason, SessionKey> {
        match self.key {
            Some(key) => ControlFlow::Continue(key),
            None => ControlFlow::Break(CloseReason::ServerError),
        }
    }

    pub(super) async fn tell(&self, command: Command) -> ControlFlow<CloseReason> {
        match self.gateway.hub.send(command).await {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(CloseReason::ServerError),
        }
    }

    pub(super) fn say(&self, message: &ServerMessage<'_>) {
        self.outbox.send(Frame::message(message), Instant::now());
    }

    /// Says that a request cannot be served.
    pub(super) fn reject(&self, id: Option<Number>, code: ErrorCode, message: &str) {
        let refused = &self.gateway.metrics.refused_messages;
        refused.get_or_create(&Reason::new(code.as_str())).inc();
        self.say(&ServerMessage::error(id, code, message));
    }

    /// Tells the client to ask again, and when.
    pub(super) fn put_off(&self, id: Option<Number>, wait: Duration) {
        let code = ErrorCode::RateLimited;
        let refused = &self.gateway.metrics.refused_messages;
        refused.get_or_create(&Reason::new(code.as_str())).inc();
        self.say(&ServerMessage::Error {
            id,
            code,
            message: "too much at once: ask again after retry_after_ms",
            retryable: true,
            retry_after_ms: Some(1 + wait.as_millis() as u64),
        });
    }

    /// Writes what waits and waits for something to do; tells whether there is something to read.
    pub(super) async fn turn(&mut self) -> ControlFlow<CloseReason, bool> {
        self.keep_standing()?;
        if let Some(recheck) = self.outbox.take_recheck() {
            Box::pin(self.recheck(recheck)).await?;
        }
        let Ok(interest) = self.drain() else {
            return ControlFlow::Break(CloseReason::Normal);
        };
        if let Some(reason) = self.outbox.ending() {
            return ControlFlow::Break(reason);
        }
        let next = self.standing.next(Instant::now(), Timestamp::now());
        tokio::select! {
            ready = self.stream.ready(interest) => match ready {
                Ok(ready) => ControlFlow::Continue(ready.is_readable()),
                Err(_) => ControlFlow::Break(CloseReason::Normal),
            },
            () = self.outbox.woken() => ControlFlow::Continue(false),
            () = after(next) => ControlFlow::Continue(false),
        }
    }

    /// Writes what waits, and tells what of the socket to wait for next.
    pub(super) fn drain(&self) -> io::Result<Interest> {
        if let Some(folding) = self.outbox.fold() {
            folding.count(&self.gateway.metrics);
        }
        Ok(match self.outbox.drain(Instant::now())? {
            Progress::Drained => Interest::READABLE,
            Progress::Blocked => Interest::READABLE | Interest::WRITABLE,
        })
    }

    /// Tells a client that is sent away when to come back, where it may.
    pub(super) fn refuse(&self, reason: CloseReason) -> CloseReason {
        if reason == CloseReason::Draining {
            let goodbye = Frame::goodbye_within(self.gateway.config.drain);
            self.outbox.send(goodbye, Instant::now());
        }
        reason
    }

    /// Leaves the hub, and closes the connection as far as the client plays along.
    pub(super) async fn end(mut self, reason: CloseReason, refused: bool) {
        if let Some(key) = self.key.take() {
            self.gateway.hub.send(Command::Leave { key }).await;
        }
        if self.closed_by_peer {
            self.outbox.closed_by_peer();
        }
        self.outbox.close(reason);
        let gateway = self.gateway.clone();
        tokio::select! {
            biased;
            () = self.farewell() => {}
            () = Patience::of(reason, refused).end(&gateway.closing) => {}
        }
        gateway.metrics.connections.dec();
        let count = |family: &ByReason, reason| family.get_or_create(&Reason::new(reason)).inc();
        count(&gateway.metrics.closes, reason.as_str());
        if reason == CloseReason::SlowConsumer {
            count(&gateway.metrics.slow_consumers, "closed");
        }
    }

    /// Drains the outbox and waits for the client to close its side.
    async fn farewell(&mut self) {
        loop {
            let Ok(interest) = self.drain() else {
                return;
            };
            if !interest.is_writable() {
                if self.closed_by_peer {
                    return;
                }
                self.say_no_more();
            }
            if self.stream.ready(interest).await.is_err() {
                return;
            }
            // Nothing the client says counts any more, except that it has closed.
            if self.discard().is_err() {
                return;
            }
        }
    }

    /// Ends the stream. A client of events has no other sign; one of a WebSocket has read the frame that
    /// says so, and waits for the server to close first (RFC 6455, section 7.1.1).
    fn say_no_more(&self) {
        // Of a connection that is gone already, nothing is left to end.
        let _ = self.stream.say_no_more();
    }

    /// Passes over what the client says.
    ///
    /// # Errors
    /// When it has closed its side, or the connection is gone.
    pub(super) fn discard(&self) -> io::Result<()> {
        match self.stream.try_read(&mut [0; READ_BUFFER]) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if !PATIENT.contains(&error.kind()) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

async fn after(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => pending().await,
    }
}

struct Socket(Arc<Stream>, Form);

impl Wire for Socket {
    fn try_write(&self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write(parts)
    }

    fn form(&self) -> Form {
        self.1
    }
}
