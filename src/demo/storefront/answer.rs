//! What a request is answered with: JSON, or `{"error": "what to do"}`.

use axum::{
    Json,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// The position that an answer was read at. Whoever subscribes with it as `since` misses nothing.
pub(super) const CURSOR: HeaderName = HeaderName::from_static("pgbell-cursor");
/// The writer's own mark, which comes back with its changes.
pub(super) const ORIGIN: HeaderName = HeaderName::from_static("pgbell-origin");

pub(super) type Answer = Result<Response, Failure>;

/// A document that Postgres has written, and the position that it was read at.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) cursor: String,
    pub(super) json: String,
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, JSON);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(cursor) = HeaderValue::try_from(self.cursor) {
            headers.insert(CURSOR, cursor);
        }
        (headers, self.json).into_response()
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// JSON that is no reading of the shop, and so has no position.
pub(super) fn written(status: StatusCode, json: String) -> Response {
    (status, [(header::CONTENT_TYPE, JSON)], json).into_response()
}

/// Why a request was not done. Then nothing has been written.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    text: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { status, text }
    }

    /// The request itself is wrong.
    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(super) fn missing(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// The request is right, but not now.
    pub(super) fn conflict(text: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, text)
    }

    /// Trying again may help.
    pub(super) fn away(text: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.text }))).into_response()
    }
}

/// Lock timeout, statement timeout, deadlock, and a row that two made at the same time.
const BUSY: [&str; 4] = ["55P03", "57014", "40P01", "23505"];
/// The server ended the connection, or starts.
const RESTARTING: [&str; 4] = ["57P01", "57P02", "57P03", "53300"];

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Protocol, WorkerCrashed};
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        let code = code.as_deref().unwrap_or_default();
        let lost = matches!(
            error,
            Io(_) | PoolClosed | PoolTimedOut | Protocol(_) | WorkerCrashed
        );
        if lost || RESTARTING.contains(&code) {
            tracing::debug!(%error, "the storefront has no database");
            Self::away("the shop has lost its database: try again in a moment")
        } else if BUSY.contains(&code) {
            Self::away("the shop is busy: try again")
        } else if code.starts_with("22") {
            // What Postgres finds wrong with a value, and our own checks did not.
            Self::bad(format!("not possible: {error}"))
        } else {
            tracing::warn!(%error, "a statement of the storefront failed");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Self::new(status, "this failed: the log of the demo says why")
        }
    }
}
