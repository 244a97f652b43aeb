//! One WebSocket client: reads what it says, and drains its outbox when the hub could not.
//!
//! Frames from the client are taken apart by tungstenite, which also answers pings and closes.
//! What the server says was encoded by the hub and does not pass through here while the socket
//! takes it.

use std::{
    io::{self, ErrorKind, Read, Write},
    ops::ControlFlow,
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Number;
use tokio::task::yield_now;
use tungstenite::{
    Error as WireError, Message,
    error::{CapacityError, ProtocolError},
    protocol::{Role, WebSocketConfig, WebSocketContext},
};

#[cfg(feature = "sabotage")]
use super::echo;
use super::{
    Gateway,
    bearer::Bearer,
    connection::{Connection, READ_BUFFER},
    edge::Pacing,
    stream::Stream,
};
use crate::{
    hub::{Form, Request},
    protocol::{ClientMessage, CloseReason, ErrorCode, ServerMessage, advice_on},
};

/// Messages of one client after which others get a turn.
const TURN: usize = 32;
/// Reads of one client after which others get a turn, although no message is complete.
const READS_PER_TURN: usize = 64;

/// Serves a client until one side closes. `begun` is what came right behind the handshake.
pub(super) async fn run(
    gateway: Gateway,
    stream: Arc<Stream>,
    begun: Vec<u8>,
    token: Option<Bearer>,
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
        joined: 0,
    };
    let reason = match refusal {
        Some(reason) => session.connection.refuse(reason),
        None => session.serve(token).await,
    };
    Box::pin(session.connection.end(reason, refusal.is_some())).await;
}

struct Session {
    connection: Connection,
    context: WebSocketContext,
    /// In how many rooms it is at most: what a `sync` of all of them costs.
    joined: usize,
}

impl Session {
    async fn serve(&mut self, token: Option<Bearer>) -> CloseReason {
        let mut turn = ControlFlow::Continue(());
        if let Some(token) = token {
            turn = Box::pin(self.connection.admit(&token)).await;
        }
        if turn.is_continue() {
            turn = self.connection.join().await;
        }
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
                self.connection.keep_standing()?;
                yield_now().await;
            }
            let read = self.context.read(&mut self.connection);
            if let Ok(message) = &read
                && self.is_early(message)?
            {
                continue;
            }
            match read {
                #[cfg(feature = "sabotage")]
                Ok(message) if echo::is_wanted(&self.connection.gateway, &message) => {
                    echo::say_back(&mut self.connection, &mut self.context, message).await?;
                }
                Ok(Message::Text(text)) => self.hear(&text).await?,
                Ok(Message::Binary(_)) => return ControlFlow::Break(CloseReason::UnsupportedData),
                // The next read sends the answer and ends the loop.
                Ok(Message::Close(_)) => self.connection.closed_by_peer = true,
                Ok(_) => {}
                Err(WireError::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    return ControlFlow::Continue(());
                }
                // Of a message without end, some has been read: others get a turn.
                Err(WireError::Io(error)) if error.kind() == ErrorKind::Interrupted => {
                    yield_now().await;
                }
                Err(error) => return ControlFlow::Break(reason_for(&error)),
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether a message came too early. It is refused, and in the end the client with it.
    fn is_early(&mut self, message: &Message) -> ControlFlow<CloseReason, bool> {
        let pacing = self.connection.pace.message(Instant::now());
        match (pacing, message) {
            (Pacing::Fine, _) | (_, Message::Close(_)) => ControlFlow::Continue(false),
            (Pacing::Later(wait), Message::Text(text)) => {
                self.connection.put_off(id_of(text), wait);
                ControlFlow::Continue(true)
            }
            (Pacing::Later(_), _) => ControlFlow::Continue(true),
            (Pacing::TooMuch, _) => ControlFlow::Break(CloseReason::RateLimited),
        }
    }

    async fn hear(&mut self, text: &str) -> ControlFlow<CloseReason> {
        let connection = &mut self.connection;
        let most = connection.gateway.config.max_rooms_per_message;
        let heard = serde_json::from_str(text);
        let rooms = heard.as_ref().map_or(0, rooms_in);
        let meant = match &heard {
            Ok(ClientMessage::Sync { rooms: None, .. }) => self.joined,
            _ => rooms,
        };
        if rooms <= most
            && let Pacing::Later(wait) = connection.pace.rooms(meant, Instant::now())
        {
            connection.put_off(id_of(text), wait);
            return ControlFlow::Continue(());
        }
        match heard {
            Ok(_) if rooms > most => {
                let advice = format!("a message may name {most} rooms: send several");
                connection.reject(id_of(text), ErrorCode::LimitExceeded, &advice);
            }
            Ok(ClientMessage::Subscribe { id, rooms, since }) => {
                let most = connection.gateway.config.max_rooms_per_connection;
                self.joined = most.min(self.joined + rooms.len());
                return Box::pin(connection.subscribe(id, rooms, since)).await;
            }
            Ok(ClientMessage::Unsubscribe { id, rooms }) => {
                return connection.ask(id, Request::Unsubscribe { rooms }).await;
            }
            Ok(ClientMessage::Sync { id, since, rooms }) => {
                return connection.ask(id, Request::Sync { since, rooms }).await;
            }
            Ok(ClientMessage::Auth { id, token }) => {
                return Box::pin(connection.authenticate(id, token)).await;
            }
            Ok(ClientMessage::Ping { id }) => {
                let server_time = Timestamp::now();
                connection.say(&ServerMessage::Pong { id, server_time });
            }
            Ok(ClientMessage::Unknown) => {}
            Err(error) => {
                connection.reject(id_of(text), ErrorCode::BadRequest, &advice_on(&error));
            }
        }
        ControlFlow::Continue(())
    }
}

/// How many rooms a message names.
fn rooms_in(message: &ClientMessage) -> usize {
    match message {
        ClientMessage::Subscribe { rooms, .. } | ClientMessage::Unsubscribe { rooms, .. } => {
            rooms.len()
        }
        ClientMessage::Sync { rooms, .. } => rooms.as_ref().map_or(0, Vec::len),
        _ => 0,
    }
}

/// The one part of a request that can be told from one with a mistake in another part.
fn id_of(text: &str) -> Option<Number> {
    #[derive(Deserialize)]
    struct Numbered {
        id: Option<Number>,
    }
    let numbered: Option<Numbered> = serde_json::from_str(text).ok();
    numbered?.id
}

fn reason_for(error: &WireError) -> CloseReason {
    match error {
        WireError::Capacity(CapacityError::MessageTooLong { .. }) => CloseReason::TooBig,
        WireError::Io(error) if error.kind() == ErrorKind::QuotaExceeded => {
            CloseReason::RateLimited
        }
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
        if self.reads == READS_PER_TURN {
            self.reads = 0;
            return Err(ErrorKind::Interrupted.into());
        }
        self.reads += 1;
        let read = self.stream.try_read(buffer)?;
        if self.pace.bytes(read) {
            return Err(ErrorKind::QuotaExceeded.into());
        }
        Ok(read)
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
