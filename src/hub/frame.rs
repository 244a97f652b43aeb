//! Frames: messages encoded once, in the bytes that go on every socket.
//!
//! A server's frames are not masked (RFC 6455, section 5.1), so one frame is the same for every
//! subscriber and is shared, header included.

use bytes::Bytes;
use tungstenite::protocol::{
    CloseFrame,
    frame::{
        Frame as WireFrame,
        coding::{CloseCode, Data, OpCode},
    },
};

use crate::{
    invalidation::CursorText,
    protocol::{CloseReason, ServerMessage},
    room::Room,
};

/// An encoded message, cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// What goes on the socket.
    pub(crate) bytes: Bytes,
    /// What may be dropped in exchange for a resync.
    pub(crate) about: About,
}

/// Which rooms a frame tells about.
#[derive(Clone, Debug)]
pub(crate) enum About {
    /// None: a reply or a sign of life, which must arrive.
    Session,
    /// One room, up to a position.
    Room(Room, CursorText),
    /// Every room of the session, up to a position.
    EveryRoom(CursorText),
}

impl Frame {
    /// A message that must arrive.
    pub(crate) fn message(message: &ServerMessage<'_>) -> Self {
        Self::about(About::Session, message)
    }

    /// A message about rooms.
    pub(crate) fn about(about: About, message: &ServerMessage<'_>) -> Self {
        let text = OpCode::Data(Data::Text);
        Self {
            bytes: encode(WireFrame::message(message.to_json(), text, true)),
            about,
        }
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
    pub(crate) fn encoded(bytes: Bytes) -> Self {
        Self {
            bytes,
            about: About::Session,
        }
    }

    fn control(frame: WireFrame) -> Self {
        Self::encoded(encode(frame))
    }
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
        assert_eq!(
            Frame::close(CloseReason::Draining).bytes[..4],
            [0x88, 10, 0x10, 0x69]
        );
    }
}
