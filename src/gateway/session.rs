//! One WebSocket client: reads what it says, and drains its outbox when the hub could not.
//!
//! Frames from the client are taken apart by tungstenite, which also answers pings and closes.
//! What the server says was encoded by the hub and does not pass through here while the socket
//! takes it.

use std::{
    io::{self, Read, Write},
    ops::ControlFlow,
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Number;
use tokio::{net::TcpStream, task::yield_now};
use tungstenite::{
    Error as WireError, Message,
    error::{CapacityError, ProtocolError},
    protocol::{Role, WebSocketConfig, WebSocketContext},
};

#[cfg(feature = "sabotage")]
use super::echo;
use super::{
    Gateway,
    connection::{Connection, READ_BUFFER},
};
use crate::{
    hub::{Form, Frame, Request},
    protocol::{ClientMessage, CloseReason, ErrorCode, ServerMessage, advice_on},
    telemetry::Reason,
};

/// Messages of one client after which others get a turn.
const TURN: usize = 32;

/// Serves a client until one side closes. `begun` is what came right behind the handshake.
pub(super) async fn run(
    gateway: Gateway,
    stream: Arc<TcpStream>,
    begun: Vec<u8>,
    refusal: Option<CloseReason>,
) {
    let largest = usize::try_from(gateway.config.max_message_size.as_u64()).unwrap_or(usize::MAX);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(largest))
        .max_frame_size(Some(largest));
    let mut session = Session {
        connection: Connection::new(gateway, stream, Form::WebSocket),
        context: WebSocketContext::from_partially_read(begun, Role::Server, Some(config)),
    };
    let reason = match refusal {
        Some(reason) => session.connection.refuse(reason),
        None => session.serve().await,
    };
    Box::pin(session.connection.end(reason, refusal.is_some())).await;
}

struct Session {
    connection: Connection,
    context: WebSocketContext,
}

impl Session {
    async fn serve(&mut self) -> CloseReason {
        let mut turn = self.connection.join().await;
        if turn.is_continue() {
            // What came with the handshake is in the buffer already: no socket will announce it.
            turn = self.read().await;
        }
        while turn.is_continue() {
            turn = self.turn().await;
        }
        turn.break_value().unwrap_or(CloseReason::Normal)
    }

    async fn turn(&mut self) -> ControlFlow<CloseReason> {
        match self.connection.turn().await? {
            true => self.read().await,
            false => ControlFlow::Continue(()),
        }
    }

    /// Takes in everything the socket holds.
    async fn read(&mut self) -> ControlFlow<CloseReason> {
        self.connection.outbox.heard(Instant::now());
        for number in 1_usize.. {
            // A client that never stops talking gets its turn, not everybody's.
            if number.is_multiple_of(TURN) {
                if let Some(reason) = self.connection.outbox.ending() {
                    return ControlFlow::Break(reason);
                }
                yield_now().await;
            }
            match self.context.read(&mut self.connection) {
                #[cfg(feature = "sabotage")]
                Ok(message) if echo::is_wanted(&self.connection.gateway, &message) => {
                    echo::say_back(&mut self.connection, &mut self.context, message).await?;
                }
                Ok(Message::Text(text)) => self.hear(&text).await?,
                Ok(Message::Binary(_)) => return ControlFlow::Break(CloseReason::UnsupportedData),
                // The next read sends the answer and ends the loop.
                Ok(Message::Close(_)) => self.connection.closed_by_peer = true,
                Ok(_) => {}
                Err(WireError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return ControlFlow::Continue(());
                }
                Err(error) => return ControlFlow::Break(reason_for(&error)),
            }
        }
        ControlFlow::Continue(())
    }

    async fn hear(&self, text: &str) -> ControlFlow<CloseReason> {
        let Some((id, request)) = self.understand(text) else {
            return ControlFlow::Continue(());
        };
        let most = self.connection.gateway.config.max_rooms_per_message;
        if request.rooms() > most {
            let advice = format!("a message may name {most} rooms: send several");
            self.refuse(id, ErrorCode::LimitExceeded, &advice);
            return ControlFlow::Continue(());
        }
        self.connection.ask(id, request).await
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
                let advice = advice_on(&error);
                self.refuse(id, ErrorCode::BadRequest, &advice);
                None
            }
        }
    }

    fn say(&self, message: &ServerMessage<'_>) {
        let frame = Frame::message(message);
        self.connection.outbox.send(frame, Instant::now());
    }

    fn refuse(&self, id: Option<Number>, code: ErrorCode, message: &str) {
        let metrics = &self.connection.gateway.metrics;
        metrics
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
impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.try_read(buffer)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let answer = Bytes::copy_from_slice(bytes);
        self.outbox.send_raw(answer, Instant::now());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
