//! What clients are made ready for, and this version does not say yet.

use schemars::JsonSchema;
use serde_json::{Value, json};

use super::schemas::{Schemas, kind, settings};

/// Close codes by number and name.
pub(super) const CLOSES: [(u16, &str, &str); 2] = [
    (4003, "bad_request", "The client broke the protocol."),
    (4101, "overloaded", "The daemon has more to do than it can."),
];

/// What an `error` may say besides.
#[derive(JsonSchema)]
#[schemars(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "only described")]
enum More {
    Error {
        /// The room it is about.
        #[schemars(skip_serializing_if = "Option::is_none")]
        room: Option<String>,
        /// Which error.
        code: ErrorCode,
    },
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
#[expect(dead_code, reason = "only described")]
enum ErrorCode {
    /// The daemon failed.
    Internal,
}

/// Adds all of it to what the daemon says.
pub(super) fn add_to(schemas: &mut Schemas) {
    let generator = || settings().for_serialize().into_generator();
    let mut planned = Schemas::of::<More>(generator());
    let codes = planned.shared["ErrorCode"]["oneOf"].take();
    extend(&mut schemas.shared["ErrorCode"]["oneOf"], codes);

    let errors = schemas
        .messages
        .iter_mut()
        .filter(|message| kind(message) == "error");
    for (error, more) in errors.zip(planned.messages) {
        error["properties"]["room"] = more["properties"]["room"].clone();
    }
}

fn extend(list: &mut Value, more: Value) {
    let all = [list.take(), more].map(|list| list.as_array().cloned().unwrap_or_default());
    *list = json!(all.concat());
}
