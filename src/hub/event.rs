//! The same messages as server-sent events (HTML, section 9.2), for browsers that WebSockets do not
//! reach.
//!
//! An event is made of a frame when somebody wants it in this form, so a frame costs nothing more where
//! nobody does.

use std::{borrow::Cow, fmt::Write, time::Duration};

use serde::Deserialize;

use super::frame::{Frame, SHORTEST_RETURN};
use crate::protocol::CloseReason;

/// Where no schedule says more, clients come back within this time.
const LONGEST_RETURN: Duration = Duration::from_secs(30);

/// What a connection takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// Frames of a WebSocket.
    WebSocket,
    /// Server-sent events.
    Events,
}

impl Form {
    /// A frame in this form.
    pub(super) fn of(self, frame: Frame) -> Frame {
        match self {
            Self::WebSocket => frame,
            Self::Events => event(&frame, Id::Told),
        }
    }

    /// What is said last on a connection that ends so.
    pub(super) fn farewell(self, reason: CloseReason) -> Option<Frame> {
        match (self, reason) {
            (Self::WebSocket, _) => Some(Frame::close(reason)),
            // Said goodbye to, or gone.
            (
                Self::Events,
                CloseReason::Draining | CloseReason::TokenExpired | CloseReason::Normal,
            ) => None,
            (Self::Events, _) => {
                let retry_after = LONGEST_RETURN.mul_f64(fastrand::f64()).max(SHORTEST_RETURN);
                Some(self.of(Frame::goodbye(reason, retry_after)))
            }
        }
    }
}

/// Whether a client that is cut off behind an event comes back with the event's position.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Id {
    Told,
    /// It comes back with the one it has: what it missed since is not told yet.
    Withheld,
}

/// What of a message the browser itself wants to know.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    cursor: Option<Cow<'a, str>>,
    retry_after_ms: Option<u64>,
}

/// A frame that holds a message, as an event. A welcome's position is that of the daemon and not of the
/// client, so it is never told as one to come back with.
pub(super) fn event(frame: &Frame, id: Id) -> Frame {
    let text = frame.text();
    let mut event = String::with_capacity(text.len() + 128);
    if let Ok(head) = serde_json::from_str::<Head<'_>>(text) {
        let kind = head.kind;
        let cursor = head.cursor.filter(|_| id == Id::Told && kind != "welcome");
        let written = [
            Some(writeln!(event, "event: {kind}")),
            cursor.map(|cursor| writeln!(event, "id: {cursor}")),
            head.retry_after_ms
                .map(|retry| writeln!(event, "retry: {retry}")),
        ];
        debug_assert!(written.into_iter().flatten().all(|line| line.is_ok()));
    }
    // A line end in JSON is only ever space between its parts, and each line becomes one of the data.
    for line in text.split(['\r', '\n']) {
        event.push_str("data: ");
        event.push_str(line);
        event.push('\n');
    }
    event.push('\n');
    Frame {
        bytes: event.into(),
        about: frame.about.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ServerMessage;

    fn text(frame: &Frame) -> &str {
        std::str::from_utf8(&frame.bytes).expect("a text")
    }

    fn fresh() -> Frame {
        let cursor = "e.1:1:".into();
        Frame::message(&ServerMessage::Fresh { cursor })
    }

    #[test]
    fn an_event_has_the_type_the_position_and_the_same_json() {
        let json = r#"{"type":"fresh","cursor":"e.1:1:"}"#;
        assert_eq!(
            text(&event(&fresh(), Id::Told)),
            format!("event: fresh\nid: e.1:1:\ndata: {json}\n\n")
        );
        assert_eq!(
            text(&event(&fresh(), Id::Withheld)),
            format!("event: fresh\ndata: {json}\n\n")
        );
    }

    #[test]
    fn the_position_of_a_welcome_is_not_that_of_the_client() {
        let welcome = ServerMessage::Welcome {
            protocol: 1,
            connection: "a",
            cursor: "e.1:1:".into(),
            heartbeat_ms: 1,
            server_time: jiff::Timestamp::UNIX_EPOCH,
            user: None,
            limits: crate::protocol::Limits {
                rooms: 1,
                rooms_per_message: 1,
                message_bytes: 1,
            },
        };
        let event = event(&Frame::message(&welcome), Id::Told);
        assert!(text(&event).starts_with("event: welcome\ndata: "));
    }

    #[test]
    fn a_browser_is_told_when_to_come_back() {
        let goodbye = Form::Events.of(Frame::goodbye(
            CloseReason::Draining,
            Duration::from_millis(1_234),
        ));
        let lines: Vec<&str> = text(&goodbye).lines().collect();
        assert_eq!(lines[..2], ["event: goodbye", "retry: 1234"]);
        let slow = Form::Events.farewell(CloseReason::SlowConsumer).unwrap();
        assert!(text(&slow).contains(r#""code":4102,"reason":"slow_consumer""#));
        assert!(Form::Events.farewell(CloseReason::Draining).is_none());
    }

    #[test]
    fn an_event_is_not_ended_by_what_it_tells() {
        let told = |text: &str| {
            let frame = Frame::text_of(text);
            self::text(&event(&frame, Id::Told)).to_owned()
        };
        assert_eq!(
            told("{\"type\":\"x\",\n\n\r\n\"y\":1}"),
            "event: x\ndata: {\"type\":\"x\",\ndata: \ndata: \ndata: \ndata: \"y\":1}\n\n"
        );
    }
}
