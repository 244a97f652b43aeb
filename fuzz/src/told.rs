//! What clients, pages and triggers say.

use pgbell::{
    capture::read_row,
    cursor::{Cursor, MAX_CURSOR_LENGTH},
    gateway::rooms_asked_for,
    protocol::{ClientMessage, advice_on},
    room::{MAX_ROOM_LENGTH, Room, Target},
};

use super::text;

/// Longest text with which a message is refused: nobody is to be answered at length.
const LONGEST_ADVICE: usize = 1024;
/// Bounds of what a row of the log passes on.
const LONGEST_NAME: usize = 1024;
const MOST_EVENTS: usize = 100;

/// A message of a WebSocket.
pub(crate) fn client_message(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    match serde_json::from_str::<ClientMessage>(text) {
        Ok(_) => {
            // A list of the type and the parts of a message is read as one.
            let message: serde_json::Value = serde_json::from_str(text).expect("JSON");
            let kind = message.get("type").or(message.get(0));
            assert!(
                kind.is_some_and(serde_json::Value::is_string),
                "taken without a type"
            );
        }
        Err(error) => assert!(
            advice_on(&error).len() <= LONGEST_ADVICE,
            "echoed at length"
        ),
    }
}

/// A position that a client says it has seen.
pub(crate) fn cursor(bytes: &[u8]) {
    let Some(Ok(cursor)) = text(bytes).map(str::parse::<Cursor>) else {
        return;
    };
    let shown = cursor.to_string();
    assert!(shown.len() <= MAX_CURSOR_LENGTH);
    let again: Cursor = shown.parse().expect("what is handed out is taken");
    let snapshot = &cursor.snapshot;
    for probe in [
        0,
        snapshot.xmin,
        snapshot.xmax,
        snapshot.xmax.saturating_sub(1),
        u64::MAX,
    ] {
        assert!(
            !again.snapshot.saw(probe) || snapshot.saw(probe),
            "claims more"
        );
    }
    assert_eq!(cursor.meet(&cursor).snapshot, cursor.snapshot);
}

/// The name of a room, or of many.
pub(crate) fn room(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let room = text.parse::<Room>();
    assert_eq!(room.is_err(), Room::is_unusual(text));
    if let Ok(room) = &room {
        assert!(room.as_str() == text && (1..=MAX_ROOM_LENGTH).contains(&text.len()));
        assert!(
            text.bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"*,\"'\\<>&".contains(&byte))
        );
        assert!(text.starts_with(room.kind()) && Target::every().covers(room));
    }
    let Ok(target) = text.parse::<Target>() else {
        assert!(room.is_err());
        return;
    };
    assert_eq!(target.to_string(), text);
    if let Ok(room) = &room {
        assert_eq!(target, Target::Room(room.clone()));
    }
}

/// A row of the log, or a payload that stands for one.
pub(crate) fn log_row(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let reading = read_row(text, None);
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    assert!(is_json || reading.is_malformed, "no JSON is no row");
    let Some(change) = reading.change else {
        assert!(reading.is_malformed, "a row for nobody is a mistake");
        return;
    };
    assert!(!change.targets.is_empty() && change.events.len() <= MOST_EVENTS);
    let names = change
        .events
        .iter()
        .chain([&change.entity, &change.id])
        .chain(&change.origin);
    assert!(names.into_iter().all(|name| name.len() <= LONGEST_NAME));
}

/// The query of a stream of events.
pub(crate) fn sse_query(bytes: &[u8]) {
    let Some(Some(rooms)) = text(bytes).map(rooms_asked_for) else {
        return;
    };
    assert!(!rooms.is_empty());
    assert!(
        rooms
            .iter()
            .all(|room| !room.is_empty() && !room.contains(','))
    );
}
