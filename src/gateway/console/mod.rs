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
        "/console/operator.js",
        SCRIPT,
        include_str!("page/console/operator.js"),
    ),
    (
        "/console/demo.js",
        SCRIPT,
        include_str!("page/console/demo.js"),
    ),
];

/// Scripts, styles, images and connections from this origin only, nothing written in the page itself, and
/// in no frame.
const TERMS: [(HeaderName, &str); 2] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
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

/// The page, in which there are no secrets.
pub(super) fn page() -> Router<Gateway> {
    FILES
        .iter()
        .fold(Router::new(), |router, &(path, content_type, content)| {
            let file = (TERMS, [(header::CONTENT_TYPE, content_type)], content);
            router.route(path, get(async move || file))
        })
}

/// What it asks for.
pub(super) fn answers() -> Router<Gateway> {
    Router::new().route("/demo.json", get(demo))
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
    fn nothing_runs_that_is_written_in_the_page_itself() {
        for (path, _, content) in FILES
            .iter()
            .filter(|(_, kind, _)| [HTML, SVG].contains(kind))
        {
            let lower = content.to_lowercase();
            for inline in [
                "<style",
                " style=",
                " onclick=",
                " onload=",
                "javascript:",
                "data:",
            ] {
                assert!(!lower.contains(inline), "{inline} in {path}");
            }
            for script in lower.split("<script").skip(1) {
                let tag = script.split('>').next().unwrap_or_default();
                assert!(tag.contains(" src="), "{path}: <script{tag}>");
            }
        }
    }

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
