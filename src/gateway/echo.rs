//! `GET /echo`: a WebSocket that says back what it hears.
//!
//! What tests conformance to RFC 6455 from outside needs somebody to talk to, and `pgbell.v1` is no small
//! talk. An echo is a session like any other, with the same handshake, framing and bounds, but for its place
//! in the hub: it has none. Compiled in with the feature `sabotage` alone, which nobody ships.

use std::{ops::ControlFlow, time::Instant};

use axum::{Router, routing::get};
use tokio::io::Interest;
use tungstenite::{Message, protocol::WebSocketContext};

use super::{Gateway, connection::Connection, upgrade};
use crate::{hub::Frame, protocol::CloseReason};

/// The path of the echo. Sessions know from their gateway that they are one.
pub(super) fn router(gateway: &Gateway) -> Router<Gateway> {
    let echo = Gateway {
        echoes: true,
        ..gateway.clone()
    };
    let router = Router::new().route("/echo", get(upgrade::upgrade));
    // Only a router that has its state can be a part of one with another.
    Router::new().merge(router.with_state(echo))
}

/// Whether a message is one that this session says back.
pub(super) fn is_wanted(gateway: &Gateway, message: &Message) -> bool {
    gateway.echoes && matches!(message, Message::Text(_) | Message::Binary(_))
}

/// Says a message back, and hears nothing more before the client has taken it. Text goes out as what
/// the hub tells does.
pub(super) async fn say_back(
    connection: &mut Connection,
    context: &mut WebSocketContext,
    message: Message,
) -> ControlFlow<CloseReason> {
    if let Message::Text(text) = &message {
        let frame = Frame::text_of(text);
        connection.outbox.send(frame, Instant::now());
    } else if context.write(connection, message).is_err() {
        return ControlFlow::Break(CloseReason::Normal);
    }
    loop {
        match connection.drain() {
            Ok(Interest::READABLE) => return ControlFlow::Continue(()),
            Ok(_) if connection.stream.ready(Interest::WRITABLE).await.is_ok() => {}
            _ => return ControlFlow::Break(CloseReason::Normal),
        }
    }
}
