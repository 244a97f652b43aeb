//! What every answer says to browsers about itself, and what pages of other origins are told.

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::origins::{Caller, Origins};
use crate::{gateway::Gateway, telemetry::Reason};

/// For what is no page: nothing in it may run, and nobody may put it into one. Those that are more set
/// their own.
const DEFAULTS: [(HeaderName, HeaderValue); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(NO_DEVICES),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Nothing that a browser asks its user about; the clipboard is written to by the console's buttons.
const NO_DEVICES: &str = "camera=(), clipboard-read=(), display-capture=(), fullscreen=(), \
                          geolocation=(), microphone=(), payment=(), usb=()";

/// Adds to an answer what it does not say itself.
pub(in crate::gateway) async fn protect(mut response: Response) -> Response {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        for (name, value) in DEFAULTS {
            response.headers_mut().entry(name).or_insert(value);
        }
    }
    response
}

/// Answers pages of other origins: those that may read what is here are told so, those that may not
/// are refused.
pub(in crate::gateway) async fn pages_that_may(
    State(gateway): State<Gateway>,
    request: Request,
    next: Next,
) -> Response {
    let origins = &gateway.edge.origins;
    let caller = origins.caller(request.headers());
    if caller == Caller::Stranger {
        let refused = &gateway.metrics.refused_requests;
        refused
            .get_or_create(&Reason::new("origin_forbidden"))
            .inc();
        let text = "pages of this origin may not connect: see gateway.origins\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    let mut response = if request.method() == Method::OPTIONS {
        (StatusCode::NO_CONTENT, PREFLIGHT).into_response()
    } else {
        next.run(request).await
    };
    permit(&mut response, origins, caller);
    response
}

/// What such a page may send.
const PREFLIGHT: [(HeaderName, &str); 3] = [
    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST"),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "authorization, cache-control, content-type, last-event-id",
    ),
    (header::ACCESS_CONTROL_MAX_AGE, "600"),
];

fn permit(response: &mut Response, origins: &Origins, caller: Caller) {
    let headers = response.headers_mut();
    let origin = match (origins, caller) {
        (Origins::Any, _) => Some(HeaderValue::from_static("*")),
        (Origins::Listed(_), Caller::Page(origin)) => Some(origin),
        (Origins::Listed(_), _) => None,
    };
    if matches!(origins, Origins::Listed(_)) {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
}
