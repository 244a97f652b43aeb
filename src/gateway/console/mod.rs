//! The page at `/`: a client like any other, which shows the path live.
//!
//! The files of `page/` are part of the binary, so the page works without a network and cannot be
//! of another version than the daemon.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;

use super::Gateway;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Path, content type and content of each file.
const FILES: &[(&str, &str, &str)] = &[
    ("/", HTML, include_str!("page/index.html")),
    ("/console.css", CSS, include_str!("page/console.css")),
    ("/console.js", SCRIPT, include_str!("page/console.js")),
    (
        "/console/panels.css",
        CSS,
        include_str!("page/console/panels.css"),
    ),
    (
        "/console/bell.svg",
        SVG,
        include_str!("page/console/bell.svg"),
    ),
    (
        "/console/socket.js",
        SCRIPT,
        include_str!("page/console/socket.js"),
    ),
    (
        "/console/clock.js",
        SCRIPT,
        include_str!("page/console/clock.js"),
    ),
    (
        "/console/dom.js",
        SCRIPT,
        include_str!("page/console/dom.js"),
    ),
    (
        "/console/pipeline.js",
        SCRIPT,
        include_str!("page/console/pipeline.js"),
    ),
    (
        "/console/ribbon.js",
        SCRIPT,
        include_str!("page/console/ribbon.js"),
    ),
    (
        "/console/folding.js",
        SCRIPT,
        include_str!("page/console/folding.js"),
    ),
    (
        "/console/latency.js",
        SCRIPT,
        include_str!("page/console/latency.js"),
    ),
    (
        "/console/tape.js",
        SCRIPT,
        include_str!("page/console/tape.js"),
    ),
    (
        "/console/rooms.js",
        SCRIPT,
        include_str!("page/console/rooms.js"),
    ),
    (
        "/console/demo.js",
        SCRIPT,
        include_str!("page/console/demo.js"),
    ),
];

/// Scripts, styles and connections from this origin only, in no frame, and never guessed at.
const PROTECTION: [(HeaderName, &str); 3] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-cache"),
];

/// What the page tells about a demo.
#[derive(Clone, Debug, Serialize)]
pub struct DemoPage {
    /// A command line that opens psql on the demo's database.
    pub psql: String,
    /// Rooms worth a look.
    pub rooms: Vec<String>,
}

/// The page and what it needs.
pub(super) fn router() -> Router<Gateway> {
    let page = FILES
        .iter()
        .fold(Router::new(), |router, &(path, content_type, content)| {
            let file = (PROTECTION, [(header::CONTENT_TYPE, content_type)], content);
            router.route(path, get(async move || file))
        });
    page.route("/demo.json", get(demo))
}

/// Nothing to tell is an ordinary answer, not an error that a browser would log.
async fn demo(State(gateway): State<Gateway>) -> Response {
    match &gateway.demo {
        Some(demo) => Json(demo).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_and_style_a_file_names_is_served() {
        let served: Vec<_> = FILES
            .iter()
            .map(|(path, ..)| path.trim_start_matches('/'))
            .collect();
        for (path, _, content) in FILES {
            let folder = if path.starts_with("/console/") {
                "console/"
            } else {
                ""
            };
            for quoted in content
                .split(['"', '\''])
                .filter(|text| text.ends_with(".js") || text.ends_with(".css"))
            {
                let name = quoted.trim_start_matches("./");
                let (name, folder) = name
                    .strip_prefix("../")
                    .map_or((name, folder), |name| (name, ""));
                let wanted = format!("{folder}{name}");
                assert!(served.contains(&wanted.as_str()), "{path} names {wanted}");
            }
        }
    }
}
