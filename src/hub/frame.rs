//! Frames: messages encoded once, in the bytes that go on every socket.
//!
//! A server's frames are not masked (RFC 6455, section 5.1), so one frame is the same for every
//! subscriber and is shared, header included.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use tungstenite::protocol::{
    CloseFrame,
    frame::{
        Frame as WireFrame,
        coding::{CloseCode, Data, OpCode},
    },
};

use super::event::Form;
use crate::{
    change::ResyncReason,
    invalidation::{CursorText, Invalidation},
    protocol::{CloseReason, Rooms, ServerMessage},
};

/// Clients come back spread over this time at least.
pub(super) const SHORTEST_RETURN: Duration = Duration::from_secs(1);

/// An encoded message, cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// What goes on the socket.
    pub(crate) bytes: Bytes,
    /// What can be done with it when too much waits.
    pub(crate) about: About,
}

/// What a frame tells, as far as it can be told in fewer bytes.
#[derive(Clone, Debug)]
pub(crate) enum About {
    /// Nothing about rooms: a reply or a sign of life, which must arrive.
    Session,
    /// Which rooms the client is in. Must arrive, and nothing moves from one side of it to the other.
    Membership,
    /// That the client is in a room no longer. Stands where it stands, as [`About::Membership`].
    Revoked,
    /// Changes in one room, up to a position.
    Changes {
        told: Arc<Invalidation>,
        cursor: CursorText,
        /// Whether the client missed them.
        replayed: bool,
    },
    /// Rooms to fetch again, up to a position.
    Resync(Arc<Rooms>, CursorText),
}

impl Frame {
    /// A message that must arrive.
    pub(crate) fn message(message: &ServerMessage<'_>) -> Self {
        let about = match message {
            ServerMessage::Subscribed { .. }
            | ServerMessage::Unsubscribed { .. }
            | ServerMessage::Synced { .. } => About::Membership,
            ServerMessage::Revoked { .. } => About::Revoked,
            _ => About::Session,
        };
        Self::about(about, message)
    }

    /// Changes in one room.
    pub(crate) fn invalidate(told: Arc<Invalidation>, cursor: CursorText) -> Self {
        Self::changes(told, cursor, false)
    }

    /// Changes in one room; `replayed` if the client missed them.
    pub(super) fn changes(told: Arc<Invalidation>, cursor: CursorText, replayed: bool) -> Self {
        let message = ServerMessage::Invalidate {
            room: &told.room,
            cursor: cursor.clone(),
            changes: &told.changes,
            replayed,
        };
        let bytes = encode_text(&message);
        let about = About::Changes {
            told,
            cursor,
            replayed,
        };
        Self { bytes, about }
    }

    /// Rooms to fetch again.
    pub(crate) fn resync(
        rooms: Rooms,
        reason: ResyncReason,
        cursor: CursorText,
        spread_ms: u64,
    ) -> Self {
        let about = About::Resync(Arc::new(rooms.clone()), cursor.clone());
        let message = ServerMessage::Resync {
            rooms,
            reason,
            cursor,
            spread_ms,
        };
        Self::about(about, &message)
    }

    fn about(about: About, message: &ServerMessage<'_>) -> Self {
        let bytes = encode_text(message);
        Self { bytes, about }
    }

    /// A planned close follows, and the client may be back after this time.
    pub(crate) fn goodbye(reason: CloseReason, retry_after: Duration) -> Self {
        Self::message(&ServerMessage::Goodbye {
            code: reason.code(),
            reason: reason.as_str(),
            retry_after_ms: retry_after.as_millis() as u64,
        })
    }

    /// The same to somebody who has no place in a schedule: back at some moment within this time.
    pub(crate) fn goodbye_within(time: Duration) -> Self {
        let retry_after = time.max(SHORTEST_RETURN).mul_f64(fastrand::f64());
        Self::goodbye(CloseReason::Draining, retry_after)
    }

    /// The same to somebody whose token is over: back as soon as there is a new one, but not all at once.
    pub(crate) fn goodbye_for_token() -> Self {
        let retry_after = SHORTEST_RETURN.mul_f64(fastrand::f64());
        Self::goodbye(CloseReason::TokenExpired, retry_after)
    }

    /// A ping; browsers answer it by themselves.
    pub(crate) fn ping() -> Self {
        Self::control(WireFrame::ping(Bytes::new()))
    }

    /// The frame that ends a connection.
    pub(crate) fn close(reason: CloseReason) -> Self {
        Self::control(WireFrame::close(Some(CloseFrame {
            code: CloseCode::from(reason.code()),
            reason: reason.as_str().into(),
        })))
    }

    /// Bytes of a frame that somebody else has encoded.
    pub(super) fn encoded(bytes: Bytes) -> Self {
        Self {
            bytes,
            about: About::Session,
        }
    }

    /// The message inside, of a frame that holds text.
    pub(super) fn text(&self) -> &str {
        // The length is in the second byte, or in the two or eight behind it (RFC 6455, section 5.2).
        let header = match self.bytes.get(1) {
            Some(127) => 10,
            Some(126) => 4,
            _ => 2,
        };
        let text = self.bytes.get(header..).map(std::str::from_utf8);
        text.and_then(Result::ok).unwrap_or_default()
    }

    /// A message in these words.
    #[cfg(any(test, feature = "sabotage"))]
    pub(crate) fn text_of(json: &str) -> Self {
        Self::encoded(encode_json(json.to_owned()))
    }

    fn control(frame: WireFrame) -> Self {
        Self::encoded(encode(frame))
    }
}

/// A frame for many connections, brought into each form when the first of them wants it.
pub(super) struct Shared {
    pub(super) frame: Frame,
    event: OnceLock<Frame>,
}

impl Shared {
    pub(super) fn new(frame: Frame) -> Self {
        let event = OnceLock::new();
        Self { frame, event }
    }

    pub(super) fn event(&self) -> &Frame {
        let event = || Form::Events.of(self.frame.clone());
        self.event.get_or_init(event)
    }
}

fn encode_text(message: &ServerMessage<'_>) -> Bytes {
    encode_json(message.to_json())
}

fn encode_json(json: String) -> Bytes {
    let text = OpCode::Data(Data::Text);
    encode(WireFrame::message(json, text, true))
}

fn encode(frame: WireFrame) -> Bytes {
    let mut bytes = Vec::with_capacity(frame.len());
    frame
        .format(&mut bytes)
        .expect("writing to a Vec cannot fail");
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_waits_costs_little_besides_what_is_shared() {
        assert_eq!(size_of::<Frame>(), 64);
    }

    #[test]
    fn frames_are_unmasked_and_whole() {
        let pong = ServerMessage::Pong {
            id: Some(7.into()),
            server_time: jiff::Timestamp::UNIX_EPOCH,
        };
        let json = pong.to_json();
        let frame = Frame::message(&pong);
        assert_eq!(frame.bytes[0], 0x81, "final text frame");
        assert_eq!(
            usize::from(frame.bytes[1]),
            json.len(),
            "short length, no mask bit"
        );
        assert_eq!(&frame.bytes[2..], json.as_bytes());
        assert_eq!(frame.text(), json);
        assert_eq!(
            Frame::close(CloseReason::Draining).bytes[..4],
            [0x88, 10, 0x10, 0x69]
        );
    }
}
