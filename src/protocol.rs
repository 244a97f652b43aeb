//! The wire, `pgbell.v1`: the only definition of what clients and server say to each other.
//!
//! One JSON object per message, tagged by `type`. Receivers ignore unknown fields and types, so
//! that either side can be newer.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Number;

use crate::{
    change::ResyncReason,
    invalidation::{CursorText, Folded},
    room::Room,
};

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "pgbell.v1";

/// What a client says.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Says who the client is.
    Auth {
        /// Carried back in the reply.
        id: Option<Number>,
        /// A JWT.
        token: String,
    },
    /// Joins rooms.
    Subscribe {
        /// Carried back in the reply.
        id: Option<Number>,
        /// Which.
        rooms: Vec<String>,
        /// The newest position the client has seen.
        since: Option<String>,
    },
    /// Leaves rooms.
    Unsubscribe {
        /// Carried back in the reply.
        id: Option<Number>,
        /// Which.
        rooms: Vec<String>,
    },
    /// Asks what was missed, after a sleep or in doubt.
    Sync {
        /// Carried back in the reply.
        id: Option<Number>,
        /// The newest position the client has seen.
        since: String,
        /// Which rooms; all of the client's where absent.
        rooms: Option<Vec<String>>,
    },
    /// Asks for a sign of life.
    Ping {
        /// Carried back in the reply.
        id: Option<Number>,
    },
    /// Something a newer client may say.
    #[serde(other)]
    #[cfg_attr(test, schemars(skip))]
    Unknown,
}

/// Longest part of an error that is told: it may quote what the client said, which is nobody's to repeat.
const MOST_ADVICE: usize = 200;

/// What to tell a client whose message is none.
pub fn advice_on(error: &serde_json::Error) -> String {
    let error = error.to_string();
    let shown: String = error.chars().take(MOST_ADVICE).collect();
    let more = if shown.len() < error.len() { "…" } else { "" };
    format!("not a message of {SUBPROTOCOL}: {shown}{more}")
}

/// What the server says.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage<'a> {
    /// The first message.
    Welcome {
        /// Version of the protocol.
        protocol: u32,
        /// Name of this connection, for logs.
        connection: &'a str,
        /// The position to resume from.
        cursor: CursorText,
        /// A silence of this and 10 s means that the connection is dead.
        heartbeat_ms: u64,
        /// The server's clock.
        server_time: Timestamp,
        /// Who the client is; null while nobody asked.
        user: Option<&'a str>,
        /// What the client may send.
        limits: Limits,
    },
    /// Reply to `subscribe`.
    Subscribed {
        /// The request's.
        id: Option<Number>,
        /// The rooms are live from here on.
        cursor: CursorText,
        /// One per room asked for.
        rooms: Vec<RoomStatus>,
    },
    /// Reply to `unsubscribe`.
    Unsubscribed {
        /// The request's.
        id: Option<Number>,
        /// The rooms asked for.
        rooms: Vec<String>,
    },
    /// Reply to `sync`.
    Synced {
        /// The request's.
        id: Option<Number>,
        /// The rooms are live from here on.
        cursor: CursorText,
        /// One per room asked for.
        rooms: Vec<RoomStatus>,
    },
    /// These entities of this room changed.
    Invalidate {
        /// The room.
        room: &'a Room,
        /// The position to resume from.
        cursor: CursorText,
        /// One per entity.
        changes: &'a [Folded],
        /// Whether these are told again, to a client that came back.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        replayed: bool,
    },
    /// Reply to `auth`.
    Authenticated {
        /// The request's.
        id: Option<Number>,
        /// Who the client is.
        user: &'a str,
        /// How long the connection may stay with this token.
        expires_in_ms: u64,
    },
    /// The client is in this room no longer, and nothing more of it follows.
    Revoked {
        /// The room.
        room: &'a Room,
        /// `forbidden`: it may not be; `not_ready` or `rate_limited`: nobody could tell.
        code: ErrorCode,
        /// When to ask to join again, where nobody could tell.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    /// The connection is closed unless a newer token comes.
    TokenExpiring {
        /// When.
        in_ms: u64,
    },
    /// Refetch everything of these rooms.
    Resync {
        /// Which.
        rooms: Rooms,
        /// Why.
        reason: ResyncReason,
        /// The position to resume from.
        cursor: CursorText,
        /// Wait a random part of this before refetching what is not on screen.
        spread_ms: u64,
    },
    /// A sign of life.
    Heartbeat {
        /// The position to resume from.
        cursor: CursorText,
        /// The server's clock.
        server_time: Timestamp,
    },
    /// The daemon has lost its database.
    Stale {
        /// When.
        since: Timestamp,
    },
    /// The daemon has its database back.
    Fresh {
        /// The position to resume from.
        cursor: CursorText,
    },
    /// Reply to `ping`.
    Pong {
        /// The request's.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Number>,
        /// The server's clock.
        server_time: Timestamp,
    },
    /// A planned close follows.
    Goodbye {
        /// The close code that follows.
        code: u16,
        /// Its name.
        reason: &'a str,
        /// When to come back; differs per connection.
        retry_after_ms: u64,
    },
    /// A request failed; the connection goes on.
    Error {
        /// The request's.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Number>,
        /// Which error.
        code: ErrorCode,
        /// What to do about it.
        message: &'a str,
        /// Whether the same request can succeed later.
        retryable: bool,
        /// When, if that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
}

impl<'a> ServerMessage<'a> {
    /// A request that failed for this reason.
    pub fn error(id: Option<Number>, code: ErrorCode, message: &'a str) -> Self {
        Self::Error {
            id,
            code,
            message,
            retryable: code.is_retryable(),
            retry_after_ms: code.retry_after_ms(),
        }
    }

    /// The JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self)
            .expect("every server message has string keys and no failing part")
    }
}

/// What one connection may send.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Limits {
    /// Most rooms it may be in.
    pub rooms: usize,
    /// Most rooms in one message.
    pub rooms_per_message: usize,
    /// Largest message, in bytes.
    pub message_bytes: u64,
}

/// How a room stands after a `subscribe` or `sync`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RoomStatus {
    /// The room, as asked for.
    pub room: String,
    /// How it stands.
    pub status: Standing,
    /// Why it was denied, or why nothing can be proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When to ask again, where nobody could tell whether the client may join.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// When to ask again where nobody could tell: not all who ask at the same time.
const RETRY_MS: std::ops::Range<u64> = 1_000..4_000;

/// When to ask to join a room again, if `code` says that nobody could tell.
pub(crate) fn retry_after_ms(code: ErrorCode) -> Option<u64> {
    let may_pass = matches!(code, ErrorCode::NotReady | ErrorCode::RateLimited);
    may_pass.then(|| fastrand::u64(RETRY_MS))
}

impl RoomStatus {
    /// A room the client is in.
    pub fn joined(room: String, status: Standing) -> Self {
        Self {
            room,
            status,
            code: None,
            message: None,
            retry_after_ms: None,
        }
    }

    /// A room the client is in, but nobody can tell what it missed.
    pub fn unproven(room: String, message: impl Into<String>) -> Self {
        Self {
            room,
            status: Standing::Resync,
            code: Some(ErrorCode::CursorUnrecoverable),
            message: Some(message.into()),
            retry_after_ms: None,
        }
    }

    /// A room that the client may not join, or that there is not: which of the two is nobody's business.
    pub fn forbidden(room: String) -> Self {
        Self::denied(room, ErrorCode::Forbidden, "no such room for you")
    }

    /// A room of which nobody can tell now whether the client may join it.
    pub fn undecided(room: String, code: ErrorCode) -> Self {
        let message = "nobody can tell now whether you may join: ask again a little later";
        Self::denied(room, code, message)
    }

    /// A room the client may not be in.
    pub fn denied(room: String, code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            room,
            status: Standing::Denied,
            code: Some(code),
            message: Some(message.into()),
            retry_after_ms: retry_after_ms(code),
        }
    }
}

/// How a room stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing was missed.
    Live,
    /// What was missed follows in an `invalidate`.
    Replayed,
    /// What was missed cannot be proven: refetch all of the room.
    Resync,
    /// Not joined.
    Denied,
}

/// Rooms by name, or every room the client is in.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline, untagged))]
pub enum Rooms {
    /// Every room the client is in.
    #[cfg_attr(test, schemars(schema_with = "every"))]
    Every,
    /// These.
    Named(Vec<Room>),
}

impl Serialize for Rooms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Every => serializer.serialize_str("*"),
            Self::Named(rooms) => rooms.serialize(serializer),
        }
    }
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Not a room name.
    BadRoom,
    /// Not a message of this protocol.
    BadRequest,
    /// More than the connection may have.
    LimitExceeded,
    /// What was missed since this position cannot be told.
    CursorUnrecoverable,
    /// No token, or one that is not accepted.
    Unauthorized,
    /// The token is too old: a newer one is needed.
    TokenExpired,
    /// The client may not join this room, or there is no such room.
    Forbidden,
    /// Too much is asked at once.
    RateLimited,
    /// What is needed to answer cannot be reached now.
    NotReady,
}

impl ErrorCode {
    /// Time after which something that cannot be answered now is worth asking again.
    const RETRY_AFTER_MS: u64 = 1_000;

    /// When the same request may succeed, where it may.
    pub fn retry_after_ms(self) -> Option<u64> {
        self.is_retryable().then_some(Self::RETRY_AFTER_MS)
    }

    /// The name on the wire and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRoom => "bad_room",
            Self::BadRequest => "bad_request",
            Self::LimitExceeded => "limit_exceeded",
            Self::CursorUnrecoverable => "cursor_unrecoverable",
            Self::Unauthorized => "unauthorized",
            Self::TokenExpired => "token_expired",
            Self::Forbidden => "forbidden",
            Self::RateLimited => "rate_limited",
            Self::NotReady => "not_ready",
        }
    }

    /// Whether the same request can succeed later without a change.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::RateLimited | Self::NotReady => true,
            Self::BadRoom
            | Self::BadRequest
            | Self::LimitExceeded
            | Self::CursorUnrecoverable
            | Self::Unauthorized
            | Self::TokenExpired
            | Self::Forbidden => false,
        }
    }
}

/// Why the server ends a connection. The range of the code decides what a client does: 4000–4099
/// stop, 4100–4199 back off and resume, 4200–4299 come back soon.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename_all = "snake_case")
)]
pub enum CloseReason {
    /// The peer closed first, or the transport went away.
    Normal,
    /// A binary message came; this protocol is text.
    UnsupportedData,
    /// The client broke RFC 6455.
    ProtocolError,
    /// The client sent text that is no UTF-8.
    InvalidText,
    /// The client's message is larger than allowed.
    TooBig,
    /// The client came with a token that is not accepted.
    Unauthorized,
    /// The page that connects may not, from a browser.
    OriginForbidden,
    /// None of the subprotocols the client offers is spoken here.
    UnsupportedProtocol,
    /// The daemon has as many connections as it may have.
    ConnectionLimit,
    /// Somebody said that the client may not be here any more.
    Revoked,
    /// The daemon failed, or has no database to welcome the client with.
    ServerError,
    /// The client did not read what it was sent.
    SlowConsumer,
    /// The client neither said who it is nor joined a room in time.
    AuthTimeout,
    /// The client says too much, or comes too often.
    RateLimited,
    /// The client did not answer a ping.
    NoPong,
    /// The client's token is too old: it may come back with a newer one.
    TokenExpired,
    /// The daemon is stopping.
    Draining,
}

impl CloseReason {
    /// The code of the close frame.
    pub fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::ProtocolError => 1002,
            Self::UnsupportedData => 1003,
            Self::InvalidText => 1007,
            Self::TooBig => 1009,
            Self::Unauthorized => 4000,
            Self::OriginForbidden => 4001,
            Self::UnsupportedProtocol => 4002,
            Self::ConnectionLimit => 4004,
            Self::Revoked => 4005,
            Self::ServerError => 4100,
            Self::SlowConsumer => 4102,
            Self::AuthTimeout => 4104,
            Self::RateLimited => 4103,
            Self::NoPong => 4105,
            Self::TokenExpired => 4200,
            Self::Draining => 4201,
        }
    }

    /// The text of the close frame, and its name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::ProtocolError => "protocol_error",
            Self::UnsupportedData => "unsupported_data",
            Self::InvalidText => "invalid_text",
            Self::TooBig => "too_big",
            Self::Unauthorized => "unauthorized",
            Self::OriginForbidden => "origin_forbidden",
            Self::UnsupportedProtocol => "unsupported_protocol",
            Self::ConnectionLimit => "connection_limit",
            Self::Revoked => "revoked",
            Self::ServerError => "server_error",
            Self::SlowConsumer => "slow_consumer",
            Self::AuthTimeout => "auth_timeout",
            Self::RateLimited => "rate_limited",
            Self::NoPong => "no_pong",
            Self::TokenExpired => "token_expired",
            Self::Draining => "draining",
        }
    }
}

/// Name of one connection.
pub type ConnectionId = Arc<str>;

#[cfg(test)]
fn every(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "const": "*" })
}
