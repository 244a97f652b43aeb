//! The wire as a client sees it. Forgiving: whatever the daemon adds later is ignored.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) const SUBPROTOCOL: &str = "pgbell.v1";

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Request<'a> {
    Subscribe {
        id: u32,
        rooms: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<&'a str>,
    },
    Ping {
        id: u32,
    },
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(in crate::cli) enum Message {
    Welcome {
        heartbeat_ms: u64,
    },
    Subscribed {
        cursor: String,
        rooms: Vec<RoomStatus>,
    },
    Invalidate {
        room: String,
        cursor: String,
        changes: Vec<Change>,
        #[serde(default)]
        replayed: bool,
    },
    Resync {
        rooms: Rooms,
        reason: String,
        cursor: String,
    },
    Revoked {
        room: String,
        code: String,
    },
    Heartbeat {
        cursor: String,
    },
    Pong {
        server_time: Timestamp,
    },
    Stale {},
    Fresh {
        cursor: String,
    },
    Goodbye {
        code: u16,
        reason: String,
        retry_after_ms: u64,
    },
    Error {
        code: String,
        message: String,
    },
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
pub(in crate::cli) struct RoomStatus {
    pub(super) room: String,
    pub(super) status: String,
    pub(super) code: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(in crate::cli) enum Rooms {
    Every(String),
    These(Vec<String>),
}

#[derive(Deserialize, Serialize)]
pub(in crate::cli) struct Change {
    pub(super) entity: String,
    pub(super) id: String,
    pub(super) op: String,
    pub(super) events: Vec<String>,
    pub(super) count: u64,
    pub(super) at: Timestamp,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub(super) old: IndexMap<String, Value>,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub(super) new: IndexMap<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) origin: Option<String>,
}
