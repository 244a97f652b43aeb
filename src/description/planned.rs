//! What clients are made ready for, and this version does not say yet: who the client is, and what it may.

use schemars::JsonSchema;
use serde_json::{Number, Value, json};

use super::schemas::{Schemas, kind, settings};

/// Close codes by number and name.
pub(super) const CLOSES: [(u16, &str, &str); 6] = [
    (4000, "unauthorized", "The token is none, or of nobody."),
    (4003, "bad_request", "The client broke the protocol."),
    (4005, "revoked", "The client may not be here any more."),
    (4101, "overloaded", "The daemon has more to do than it can."),
    (
        4104,
        "auth_timeout",
        "The client did not say who it is in time.",
    ),
    (
        4200,
        "token_expired",
        "The token is too old: come back with a new one.",
    ),
];

#[derive(JsonSchema)]
#[schemars(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "only described")]
enum Message {
    /// Reply to `auth`.
    Authenticated {
        /// The request's.
        id: Option<Number>,
        /// Who the client is.
        user: String,
        /// How long the token is good for.
        expires_in_ms: u64,
    },
    /// The client is in this room no longer, and may not be.
    Revoked {
        /// The room.
        room: String,
        /// Why.
        code: ErrorCode,
    },
    /// A new token is wanted soon.
    TokenExpiring {
        /// How long the token is good for.
        in_ms: u64,
    },
}

/// What an `error` may say besides.
#[derive(JsonSchema)]
#[schemars(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "only described")]
enum More {
    Error {
        /// The room it is about.
        #[schemars(skip_serializing_if = "Option::is_none")]
        room: Option<String>,
    },
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
#[expect(dead_code, reason = "only described")]
enum ErrorCode {
    /// No token, or one of nobody.
    Unauthorized,
    /// The token is too old.
    TokenExpired,
    /// The client may not do this, or there is no such room.
    Forbidden,
    /// The daemon has no database yet.
    NotReady,
    /// The daemon failed.
    Internal,
}

/// Adds all of it to what the daemon says.
pub(super) fn add_to(schemas: &mut Schemas) {
    let generator = || settings().for_serialize().into_generator();
    let mut planned = Schemas::of::<Message>(generator());
    schemas.messages.append(&mut planned.messages);
    let codes = planned.shared["ErrorCode"]["oneOf"].take();
    extend(&mut schemas.shared["ErrorCode"]["oneOf"], codes);

    let more = Schemas::of::<More>(generator()).messages;
    let errors = schemas
        .messages
        .iter_mut()
        .filter(|message| kind(message) == "error");
    for (error, mut more) in errors.zip(more) {
        let room_and_retry = more["properties"].take();
        for (name, property) in room_and_retry.as_object().into_iter().flatten() {
            if name != "type" {
                error["properties"][name] = property.clone();
            }
        }
    }
}

fn extend(list: &mut Value, more: Value) {
    let all = [list.take(), more].map(|list| list.as_array().cloned().unwrap_or_default());
    *list = json!(all.concat());
}
