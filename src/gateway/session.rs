//! One client: reads what it says, and drains its outbox when the hub could not.
//!
//! Frames from the client are taken apart by tungstenite, which also answers pings and closes.
//! What the server says was encoded by the hub and does not pass through here while the socket
//! takes it.

use std::{
    io::{self, IoSlice, Read, Write},
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Number;
use tokio::{
    io::Interest,
    net::TcpStream,
    sync::oneshot,
    task::yield_now,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tungstenite::{
    Error as WireError, Message,
    error::{CapacityError, ProtocolError},
    protocol::{Role, WebSocketConfig, WebSocketContext},
};

use super::Gateway;
use crate::{
    hub::{Command, Frame, Outbox, Progress, Request, SessionKey, Wire},
    protocol::{ClientMessage, CloseReason, ConnectionId, ErrorCode, ServerMessage},
    telemetry::{ByReason, Reason},
};

/// What one read may take. Clients say little; a larger message takes more reads.
const READ_BUFFER: usize = 512;
/// Messages of one client after which others get a turn.
const TURN: usize = 32;
/// Longest wait for a position to welcome a client with.
const WELCOME_DEADLINE: Duration = Duration::from_secs(10);
/// Longest time from the decision to close until the socket is dropped.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// Serves a client until one side closes. `begun` is what came right behind the handshake.
pub(super) async fn run(
    gateway: Gateway,
    stream: Arc<TcpStream>,
    begun: Vec<u8>,
    refusal: Option<CloseReason>,
) {
    gateway.metrics.connections.inc();
    let outbox = Arc::new(Outbox::new(
        Box::new(Socket(stream.clone())),
        gateway.outbox,
        Instant::now(),
    ));
    let largest = usize::try_from(gateway.config.max_message_size.as_u64()).unwrap_or(usize::MAX);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(largest))
        .max_frame_size(Some(largest));
    let mut session = Session {
        socket: Duplex { stream, outbox },
        context: WebSocketContext::from_partially_read(begun, Role::Server, Some(config)),
        gateway,
        key: None,
        closed_by_peer: false,
    };
    let reason = match refusal {
        Some(reason) => session.refuse_service(reason),
        None => session.serve().await,
    };
    let patience = Patience::of(reason, refusal.is_some());
    Box::pin(session.end(reason, patience)).await;
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

struct Session {
    gateway: Gateway,
    socket: Duplex,
    context: WebSocketContext,
    key: Option<SessionKey>,
    closed_by_peer: bool,
}

impl Session {
    async fn serve(&mut self) -> CloseReason {
        self.key = self.join().await;
        if self.key.is_none() {
            return self
                .socket
                .outbox
                .ending()
                .unwrap_or(CloseReason::ServerError);
        }
        // What came with the handshake is in the buffer already: no socket will announce it.
        let mut turn = self.read().await;
        while turn.is_continue() {
            turn = self.turn().await;
        }
        turn.break_value().unwrap_or(CloseReason::Normal)
    }

    async fn join(&self) -> Option<SessionKey> {
        let connection: ConnectionId = format!("{:012x}", fastrand::u64(..1 << 48)).into();
        let (key, mut joined) = oneshot::channel();
        let outbox = self.socket.outbox.clone();
        let join = Command::Join {
            connection,
            outbox,
            key,
        };
        let welcome = async {
            self.gateway.hub.send(join).await;
            (&mut joined).await.ok()
        };
        let welcome = timeout(WELCOME_DEADLINE, welcome).await;
        // A key that came at the last moment has to be given back.
        welcome.unwrap_or_else(|_| {
            joined.close();
            joined.try_recv().ok()
        })
    }

    /// Waits for something to do, and does it.
    async fn turn(&mut self) -> ControlFlow<CloseReason> {
        let Ok(interest) = self.drain() else {
            return ControlFlow::Break(CloseReason::Normal);
        };
        if let Some(reason) = self.socket.outbox.ending() {
            return ControlFlow::Break(reason);
        }
        tokio::select! {
            ready = self.socket.stream.ready(interest) => match ready {
                Ok(ready) if ready.is_readable() => self.read().await,
                Ok(_) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(CloseReason::Normal),
            },
            () = self.socket.outbox.woken() => ControlFlow::Continue(()),
        }
    }

    /// Writes what waits, and tells what of the socket to wait for next.
    fn drain(&self) -> io::Result<Interest> {
        if let Some(folding) = self.socket.outbox.fold() {
            folding.count(&self.gateway.metrics);
        }
        Ok(match self.socket.outbox.drain(Instant::now())? {
            Progress::Drained => Interest::READABLE,
            Progress::Blocked => Interest::READABLE | Interest::WRITABLE,
        })
    }

    /// Takes in everything the socket holds.
    async fn read(&mut self) -> ControlFlow<CloseReason> {
        self.socket.outbox.heard(Instant::now());
        for number in 1_usize.. {
            // A client that never stops talking gets its turn, not everybody's.
            if number.is_multiple_of(TURN) {
                if let Some(reason) = self.socket.outbox.ending() {
                    return ControlFlow::Break(reason);
                }
                yield_now().await;
            }
            match self.context.read(&mut self.socket) {
                Ok(Message::Text(text)) => self.hear(&text).await?,
                Ok(Message::Binary(_)) => return ControlFlow::Break(CloseReason::UnsupportedData),
                // The next read sends the answer and ends the loop.
                Ok(Message::Close(_)) => self.closed_by_peer = true,
                Ok(_) => {}
                Err(WireError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return ControlFlow::Continue(());
                }
                Err(error) => return ControlFlow::Break(reason_for(&error)),
            }
        }
        ControlFlow::Continue(())
    }

    async fn hear(&mut self, text: &str) -> ControlFlow<CloseReason> {
        let Some(key) = self.key else {
            return ControlFlow::Break(CloseReason::ServerError);
        };
        let Some((id, request)) = self.understand(text) else {
            return ControlFlow::Continue(());
        };
        let most = self.gateway.config.max_rooms_per_message;
        if request.rooms() > most {
            let advice = format!("a message may name {most} rooms: send several");
            self.refuse(id, ErrorCode::LimitExceeded, &advice);
            return ControlFlow::Continue(());
        }
        if self
            .gateway
            .hub
            .send(Command::Request { key, id, request })
            .await
        {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(CloseReason::ServerError)
        }
    }

    /// What the client asks of the hub; what it asks of this session alone is answered here.
    fn understand(&self, text: &str) -> Option<(Option<Number>, Request)> {
        /// The one part of a request that can be told from one with a mistake in another part.
        #[derive(Deserialize)]
        struct Numbered {
            id: Option<Number>,
        }
        match serde_json::from_str(text) {
            Ok(ClientMessage::Subscribe { id, rooms, since }) => {
                Some((id, Request::Subscribe { rooms, since }))
            }
            Ok(ClientMessage::Unsubscribe { id, rooms }) => {
                Some((id, Request::Unsubscribe { rooms }))
            }
            Ok(ClientMessage::Sync { id, since, rooms }) => {
                Some((id, Request::Sync { since, rooms }))
            }
            Ok(ClientMessage::Ping { id }) => {
                let server_time = Timestamp::now();
                self.say(&ServerMessage::Pong { id, server_time });
                None
            }
            Ok(ClientMessage::Auth { id, .. }) => {
                let advice = "this server checks no tokens: every room is open";
                self.refuse(id, ErrorCode::BadRequest, advice);
                None
            }
            Ok(ClientMessage::Unknown) => None,
            Err(error) => {
                let numbered: Option<Numbered> = serde_json::from_str(text).ok();
                let id = numbered.and_then(|numbered| numbered.id);
                let advice = format!("not a message of pgbell.v1: {error}");
                self.refuse(id, ErrorCode::BadRequest, &advice);
                None
            }
        }
    }

    fn say(&self, message: &ServerMessage<'_>) {
        self.socket
            .outbox
            .send(Frame::message(message), Instant::now());
    }

    fn refuse(&self, id: Option<Number>, code: ErrorCode, message: &str) {
        self.gateway
            .metrics
            .refused_messages
            .get_or_create(&Reason::new(code.as_str()))
            .inc();
        let retryable = code.is_retryable();
        self.say(&ServerMessage::Error {
            id,
            code,
            message,
            retryable,
        });
    }

    /// Leaves the hub, and closes the connection as far as the client plays along.
    async fn end(mut self, reason: CloseReason, patience: Patience) {
        if let Some(key) = self.key.take() {
            self.gateway.hub.send(Command::Leave { key }).await;
        }
        if self.closed_by_peer {
            self.socket.outbox.closed_by_peer();
        }
        self.socket.outbox.close(reason);
        let gateway = self.gateway.clone();
        tokio::select! {
            biased;
            () = self.farewell() => {}
            () = patience.end(&gateway.closing) => {}
        }
        gateway.metrics.connections.dec();
        let count = |family: &ByReason, reason| family.get_or_create(&Reason::new(reason)).inc();
        count(&gateway.metrics.closes, reason.as_str());
        if reason == CloseReason::SlowConsumer {
            count(&gateway.metrics.slow_consumers, "closed");
        }
    }

    /// Tells a client that is sent away when to come back, where it may.
    fn refuse_service(&self, reason: CloseReason) -> CloseReason {
        if reason == CloseReason::Draining {
            let goodbye = Frame::goodbye_within(self.gateway.config.drain);
            self.socket.outbox.send(goodbye, Instant::now());
        }
        reason
    }

    /// Drains the outbox and waits for the client to close its side.
    async fn farewell(&mut self) {
        loop {
            let Ok(interest) = self.drain() else {
                return;
            };
            if self.closed_by_peer && !interest.is_writable() {
                return;
            }
            if self.socket.stream.ready(interest).await.is_err() {
                return;
            }
            // Nothing the client says counts any more, except that it has closed.
            let mut discarded = [0; READ_BUFFER];
            match self.socket.stream.try_read(&mut discarded) {
                Ok(0) => return,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => {}
            }
        }
    }
}

fn reason_for(error: &WireError) -> CloseReason {
    match error {
        WireError::Capacity(CapacityError::MessageTooLong { .. }) => CloseReason::TooBig,
        WireError::Utf8(_) => CloseReason::InvalidText,
        WireError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => CloseReason::Normal,
        WireError::Protocol(_) => CloseReason::ProtocolError,
        _ => CloseReason::Normal,
    }
}

/// The socket as tungstenite sees it: reads come from the stream, and what it writes (answers to
/// pings and closes) goes through the outbox, in order with everything else.
struct Duplex {
    stream: Arc<TcpStream>,
    outbox: Arc<Outbox>,
}

impl Read for Duplex {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.try_read(buffer)
    }
}

impl Write for Duplex {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outbox.send(
            Frame::encoded(Bytes::copy_from_slice(bytes)),
            Instant::now(),
        );
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Socket(Arc<TcpStream>);

impl Wire for Socket {
    fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match parts {
            [part] => self.0.try_write(part),
            parts => self.0.try_write_vectored(parts),
        }
    }
}
