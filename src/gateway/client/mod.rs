//! The browser client at `/client.js`, so that a page needs no package manager; and the wire at
//! `/asyncapi.json`, for those who write a client of their own.
//!
//! `/client.js` loads `/client.events.js` by itself, and only where WebSockets do not get through.
//!
//! The scripts beside this file are built by `npm run build` in `client/`, the document by a test (see
//! `src/description/`). They are committed, so that building the daemon takes no Node, and what it serves is of
//! its own version.

use axum::{Router, routing::get};

use super::{Gateway, public_file::PublicFile};

const SCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";

/// Path, content type and content of each file.
const FILES: [(&str, &str, &str); 7] = [
    ("/asyncapi.json", JSON, include_str!("asyncapi.json")),
    ("/client.js", SCRIPT, include_str!("client.js")),
    ("/client.js.map", JSON, include_str!("client.js.map")),
    (
        "/client.events.js",
        SCRIPT,
        include_str!("client.events.js"),
    ),
    (
        "/client.events.js.map",
        JSON,
        include_str!("client.events.js.map"),
    ),
    (
        "/client.global.js",
        SCRIPT,
        include_str!("client.global.js"),
    ),
    (
        "/client.global.js.map",
        JSON,
        include_str!("client.global.js.map"),
    ),
];

/// The client as a module and as a classic script, with their source maps, and the document.
pub(super) fn router() -> Router<Gateway> {
    FILES
        .iter()
        .fold(Router::new(), |router, &(path, content_type, content)| {
            let file = PublicFile::new(content_type, content);
            router.route(path, get(async move |headers| file.answer(&headers)))
        })
}
