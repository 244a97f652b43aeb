//! Each message of the daemon once, for tests of clients.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    hold,
    schemas::{Schemas, kind},
};
use crate::{
    change::{Change, Op, ResyncReason},
    invalidation::Folded,
    protocol::{
        CloseReason, ErrorCode, Limits, RoomStatus, Rooms, SUBPROTOCOL, ServerMessage, Standing,
    },
    room::Room,
};

fn moment() -> Timestamp {
    "2026-11-20T11:01:37.237113Z".parse().expect("a moment")
}

fn room(name: &str) -> Room {
    name.parse().expect("a room")
}

/// A change that was folded of two, with a number that a float would spoil.
fn folded() -> Folded {
    let values = |json| serde_json::from_str(json).expect("an object");
    let change = |event: &str, old, new| Change {
        xid: 7,
        at: moment(),
        entity: "product".into(),
        id: "299".into(),
        op: Op::Update,
        events: [event.into()].into(),
        targets: Vec::new(),
        old: Some(values(old)),
        new: Some(values(new)),
        origin: Some("tab-7".into()),
    };
    let mut folded = Folded::new(&change(
        "product:price_changed",
        r#"{"price":55.50}"#,
        r#"{"price":56.50}"#,
    ));
    let name = change(
        "product:updated",
        r#"{"name":"Basket"}"#,
        r#"{"name":"\"Körbchen\" 🧺"}"#,
    );
    folded.absorb(&name);
    folded
}

/// A change with nothing that may be absent.
fn bare() -> Folded {
    Folded::new(&Change {
        xid: 8,
        at: moment(),
        entity: "stock".into(),
        id: "299/blue".into(),
        op: Op::Delete,
        events: ["stock:out".into()].into(),
        targets: Vec::new(),
        old: None,
        new: None,
        origin: None,
    })
}

fn statuses() -> Vec<RoomStatus> {
    vec![
        RoomStatus::joined("product:299".into(), Standing::Live),
        RoomStatus::joined("order:7".into(), Standing::Replayed),
        RoomStatus::unproven(
            "seller:11".into(),
            "the log does not reach back to the position",
        ),
        RoomStatus::denied(
            "bad room".into(),
            ErrorCode::BadRoom,
            "a room name has only letters",
        ),
    ]
}

/// File name, and the message in it.
fn messages<'a>(product: &'a Room, changes: &'a [Folded]) -> Vec<(&'a str, ServerMessage<'a>)> {
    let cursor = || "0db22121bb8c95dc.2843:2843:".into();
    let id = || Some(1.into());
    let resync = |rooms| ServerMessage::Resync {
        rooms,
        reason: ResyncReason::Bulk,
        cursor: cursor(),
        spread_ms: 2_000,
    };
    let limits = Limits {
        rooms: 1_000,
        rooms_per_message: 1_000,
        message_bytes: 65_536,
    };
    vec![
        (
            "welcome",
            ServerMessage::Welcome {
                protocol: 1,
                connection: "a49271f91c1a",
                cursor: cursor(),
                heartbeat_ms: 25_000,
                server_time: moment(),
                user: None,
                limits,
            },
        ),
        (
            "subscribed",
            ServerMessage::Subscribed {
                id: id(),
                cursor: cursor(),
                rooms: statuses(),
            },
        ),
        (
            "unsubscribed",
            ServerMessage::Unsubscribed {
                id: id(),
                rooms: vec!["order:7".into()],
            },
        ),
        (
            "synced",
            ServerMessage::Synced {
                id: id(),
                cursor: cursor(),
                rooms: statuses(),
            },
        ),
        (
            "invalidate",
            ServerMessage::Invalidate {
                room: product,
                cursor: cursor(),
                changes,
                replayed: false,
            },
        ),
        (
            "invalidate-replayed",
            ServerMessage::Invalidate {
                room: product,
                cursor: cursor(),
                changes,
                replayed: true,
            },
        ),
        (
            "authenticated",
            ServerMessage::Authenticated {
                id: id(),
                user: "anna",
                expires_in_ms: 3_599_412,
            },
        ),
        (
            "revoked",
            ServerMessage::Revoked {
                room: product,
                code: ErrorCode::Forbidden,
                retry_after_ms: None,
            },
        ),
        (
            "token-expiring",
            ServerMessage::TokenExpiring { in_ms: 719_882 },
        ),
        (
            "resync",
            resync(Rooms::Named(vec![room("product:299"), room("order:7")])),
        ),
        ("resync-every", resync(Rooms::Every)),
        (
            "heartbeat",
            ServerMessage::Heartbeat {
                cursor: cursor(),
                server_time: moment(),
            },
        ),
        ("stale", ServerMessage::Stale { since: moment() }),
        ("fresh", ServerMessage::Fresh { cursor: cursor() }),
        (
            "pong",
            ServerMessage::Pong {
                id: id(),
                server_time: moment(),
            },
        ),
        (
            "pong-unasked",
            ServerMessage::Pong {
                id: None,
                server_time: moment(),
            },
        ),
        (
            "goodbye",
            ServerMessage::Goodbye {
                code: CloseReason::Draining.code(),
                reason: CloseReason::Draining.as_str(),
                retry_after_ms: 4_503,
            },
        ),
        (
            "error",
            ServerMessage::error(
                id(),
                ErrorCode::LimitExceeded,
                "a message may name 1000 rooms: send several",
            ),
        ),
        (
            "error-retryable",
            ServerMessage::error(
                id(),
                ErrorCode::NotReady,
                "what is needed to check this token cannot be reached now",
            ),
        ),
        (
            "error-rate-limited",
            ServerMessage::Error {
                id: id(),
                code: ErrorCode::RateLimited,
                message: "too much at once: ask again after retry_after_ms",
                retryable: ErrorCode::RateLimited.is_retryable(),
                retry_after_ms: Some(1_250),
            },
        ),
    ]
}

#[test]
fn every_message_is_there_as_the_daemon_writes_it() {
    let (product, changes) = (room("product:299"), [folded(), bare()]);
    let messages = messages(&product, &changes);
    let mut kinds = BTreeSet::new();
    let mut lines = Vec::new();
    for (name, message) in messages {
        let json = message.to_json();
        let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        kinds.insert(value["type"].as_str().expect("a type").to_owned());
        lines.push(format!("\"{name}\": {json}"));
    }
    let described = Schemas::server().messages;
    let described: BTreeSet<String> = described.iter().map(|it| kind(it).to_owned()).collect();
    assert_eq!(kinds, described, "each kind of message of {SUBPROTOCOL}");
    let text = format!("{{\n{}\n}}\n", lines.join(",\n"));
    hold("client/tests/fixtures/messages.json", &text);
}
