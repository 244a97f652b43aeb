//! Messages as lines.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

use super::message::{Change, Message, RoomStatus, Rooms};

#[derive(Serialize)]
struct ChangeObject<'a> {
    r#type: &'static str,
    room: &'a str,
    #[serde(flatten)]
    change: &'a Change,
    /// Null for what was missed and told later.
    latency_ms: Option<f64>,
}

/// A change for people: room, entity, events, operation, columns, latency.
pub(super) fn change_line(room: &str, change: &Change, latency_ms: Option<f64>) -> String {
    let latency = latency_ms.map_or("replayed".into(), |latency| format!("{latency:.1} ms"));
    format!("{}  {latency}", change_text(room, change))
}

/// The same without latency.
pub(in crate::cli) fn change_text(room: &str, change: &Change) -> String {
    let mut parts = vec![
        room.to_owned(),
        format!("{} {}", change.entity, change.id),
        change.events.join(" "),
        format!("{} ×{}", change.op, change.count),
    ];
    parts.extend(columns(&shown(&change.old), &shown(&change.new)));
    printable(&parts.join("  "))
}

/// A change for machines.
pub(super) fn change_json(room: &str, change: &Change, latency_ms: Option<f64>) -> String {
    let object = ChangeObject {
        r#type: "change",
        room,
        change,
        latency_ms,
    };
    serde_json::to_string(&object).unwrap_or_default()
}

/// Whether a notice only says that all is well: nothing was missed.
pub(super) fn is_routine(message: &Message) -> bool {
    let Message::Subscribed { rooms, .. } = message else {
        return false;
    };
    rooms
        .iter()
        .all(|room| room.status == "live" || room.status == "replayed")
}

/// Whatever else is worth a line.
pub(in crate::cli) fn notice(message: &Message) -> Option<String> {
    let line = match message {
        Message::Subscribed { rooms, .. } => {
            let rooms: Vec<_> = rooms.iter().map(room_status).collect();
            format!("subscribed  {}", rooms.join("  "))
        }
        Message::Resync { rooms, reason, .. } => format!("resync  {}  {reason}", room_list(rooms)),
        Message::Revoked { room, code } => format!("revoked  {room}  {code}"),
        Message::Stale {} => "stale  the daemon has lost its database".into(),
        Message::Fresh { .. } => "fresh  the daemon has its database back".into(),
        Message::Goodbye { code, reason, .. } => format!("goodbye  {code} {reason}"),
        Message::Error { code, message } => format!("error  {code}  {message}"),
        _ => return None,
    };
    Some(printable(&line))
}

fn room_status(status: &RoomStatus) -> String {
    let RoomStatus { room, status, code } = status;
    let code = code
        .as_ref()
        .map_or(String::new(), |code| format!(" ({code})"));
    format!("{room} {status}{code}")
}

fn room_list(rooms: &Rooms) -> String {
    match rooms {
        Rooms::Every(star) => star.clone(),
        Rooms::These(rooms) => rooms.join(" "),
    }
}

/// Values by column, as they are shown.
pub(in crate::cli) type Shown = IndexMap<String, String>;

/// Each column once, with what it was and what it is.
pub(in crate::cli) fn columns(old: &Shown, new: &Shown) -> Vec<String> {
    let gone = old.keys().filter(|column| !new.contains_key(*column));
    let columns = new.keys().chain(gone);
    let describe = |column: &String| match (old.get(column), new.get(column)) {
        (Some(old), Some(new)) if old == new => format!("{column} {new}"),
        (Some(old), Some(new)) => format!("{column} {old} → {new}"),
        (None, Some(new)) => format!("{column} {new}"),
        (Some(old), None) => format!("{column} was {old}"),
        (None, None) => column.clone(),
    };
    columns.map(describe).collect()
}

fn shown(columns: &IndexMap<String, Value>) -> Shown {
    let bare = |value: &Value| {
        let text = value.as_str().map(str::to_owned);
        text.unwrap_or_else(|| value.to_string())
    };
    let columns = columns.iter();
    columns
        .map(|(column, value)| (column.clone(), bare(value)))
        .collect()
}

/// Values come from tables: a terminal must not obey what somebody typed into one.
pub(in crate::cli) fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_line_that_no_value_can_break() {
        let change: Change = serde_json::from_str(
            r#"{"entity": "product", "id": "1", "op": "update", "count": 2,
                "events": ["product:stock_changed", "stock:low"], "at": "2026-01-02T03:04:05Z",
                "old": {"available": 12}, "new": {"available": 11, "name": "a\u001b[2J\nb"}}"#,
        )
        .expect("a change");
        assert_eq!(
            change_line("product:1", &change, Some(1.26)),
            "product:1  product 1  product:stock_changed stock:low  update ×2  \
             available 12 → 11  name a\u{fffd}[2J\u{fffd}b  1.3 ms"
        );
        let json = change_json("product:1", &change, None);
        assert!(json.starts_with(r#"{"type":"change","room":"product:1","entity":"product""#));
        assert!(json.ends_with(r#""latency_ms":null}"#), "{json}");
    }
}
