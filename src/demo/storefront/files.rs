//! The page: the files that Vite has built, from a folder that may be filled while the demo runs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use tower_http::services::ServeDir;

/// Where it is in a working copy, as seen from its top.
const IN_WORKING_COPY: &str = "examples/storefront/dist";
/// Where it is beside an installed program, as seen from the folder of the program.
const INSTALLED: &str = "../share/pgbell/storefront";

/// Whoever has it asks whether it is still the same.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
/// The names of these files change with their content.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// What goes with each answer beside the policy.
const PROTECTION: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// The folder to serve when none is named: that of a working copy, unless only the other is there.
pub(super) fn folder() -> PathBuf {
    let installed = || Some(std::env::current_exe().ok()?.parent()?.join(INSTALLED));
    let here = PathBuf::from(IN_WORKING_COPY);
    match installed() {
        Some(installed) if !here.is_dir() && installed.is_dir() => installed,
        _ => here,
    }
}

/// Everything that is no part of the API. `policy` goes with each answer.
pub(super) fn router<S: Clone + Send + Sync + 'static>(
    folder: &Path,
    policy: HeaderValue,
) -> Router<S> {
    let index: Arc<Path> = folder.join("index.html").into();
    let page = get(async move || page(&index).await);
    let assets = ServeDir::new(folder.join("assets"));
    Router::new()
        .nest_service("/assets", assets)
        .fallback_service(ServeDir::new(folder).fallback(page))
        .layer(from_fn(move |request, next| {
            protect(policy.clone(), request, next)
        }))
}

/// Paths of the page's own router, such as `/product/42`, are all the same file.
async fn page(index: &Path) -> Response {
    let html = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    match tokio::fs::read(index).await {
        Ok(page) => (html, page).into_response(),
        Err(_) => (StatusCode::NOT_FOUND, html, include_str!("unbuilt.html")).into_response(),
    }
}

async fn protect(policy: HeaderValue, request: Request, next: Next) -> Response<Body> {
    let is_asset = request.uri().path().starts_with("/assets/");
    let mut response = next.run(request).await;
    let keep = is_asset && response.status().is_success();
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        if keep { FOR_EVER } else { ASK_AGAIN },
    );
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in PROTECTION {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    response
}

/// Everything from here, except that the page may speak to the daemon: at its own port under
/// whatever name this machine is called by, or wherever `ws` says.
pub(super) fn policy(port: u16, ws: Option<&str>) -> HeaderValue {
    let elsewhere = ws.and_then(authority).map(|authority| {
        let schemes = ["ws", "wss", "http", "https"];
        schemes
            .map(|scheme| format!(" {scheme}://{authority}"))
            .concat()
    });
    let elsewhere = elsewhere.unwrap_or_default();
    let policy = format!(
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
         connect-src 'self' ws://*:{port} http://*:{port}{elsewhere}; \
         object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    );
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'self'"))
}

/// Host and port of a URL, if nothing else could hide in them.
fn authority(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    (!authority.is_empty() && authority.chars().all(plain)).then_some(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_daemon_and_nothing_that_a_url_smuggles_in() {
        let text = |ws| policy(8787, ws).to_str().expect("ASCII").to_owned();
        assert!(text(None).contains("ws://*:8787 http://*:8787;"));
        assert!(text(Some("ws://10.0.0.1:99/ws")).contains(" ws://10.0.0.1:99 "));
        assert_eq!(text(Some("ws://x; script-src *")), text(None));
    }
}
