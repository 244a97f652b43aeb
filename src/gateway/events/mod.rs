//! `GET /events`: the messages of a WebSocket as server-sent events, for clients that WebSockets do not
//! reach, and for `curl -N`.
//!
//! The URL says it all: which rooms, and since when. The request is read and judged as any other; the
//! connection of one that is served then leaves HTTP behind, as that of a WebSocket does, and becomes
//! a session with the same outbox and the same bounds.

mod session;

use std::{error::Error, fmt, sync::Arc, time::Instant};

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};

use super::{Admission, Gateway, bearer, capacity::Seat, edge::Peer, stream::Stream};
use crate::{
    access::Identity,
    protocol::{ErrorCode, ServerMessage},
    telemetry::Reason,
};

/// The end of the connection is the end of the stream, and nobody on the way holds any of it back.
const STREAM: [(HeaderName, &str); 4] = [
    (header::CONTENT_TYPE, "text/event-stream"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("x-accel-buffering"), "no"),
    (header::CONNECTION, "close"),
];
/// What a browser sends when it comes back by itself.
const LAST_EVENT_ID: &str = "last-event-id";

/// Judges a request. The answer to one that is served carries an [`Opening`].
pub(super) async fn events(State(gateway): State<Gateway>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let asked = match Asked::of(query, request.headers()) {
        Ok(asked) => asked,
        Err(advice) => return refused(&gateway, ErrorCode::BadRequest, advice),
    };
    let most = gateway.config.max_rooms_per_message;
    if asked.rooms.len() > most {
        let advice = format!("a stream may name {most} rooms: open several");
        return refused(&gateway, ErrorCode::LimitExceeded, &advice);
    }
    let mut response = STREAM.into_response();
    if request.method() == Method::HEAD {
        return response;
    }
    let identity = match who(&gateway, &asked, request.headers()).await {
        Ok(identity) => identity,
        Err((code, advice)) => return refused(&gateway, code, advice),
    };
    let peer = request.extensions().get::<Peer>();
    let opening = Opening {
        asked,
        identity,
        head: Bytes::new(),
        admission: Arc::new(gateway.admit(peer, request.headers())),
    };
    response.extensions_mut().insert(opening);
    response
}

/// Who asks: by a ticket, by a token in a header, or nobody in particular.
async fn who(
    gateway: &Gateway,
    asked: &Asked,
    headers: &HeaderMap,
) -> Result<Option<Identity>, (ErrorCode, &'static str)> {
    let guard = &gateway.guard;
    if !guard.wants_tokens() {
        return Ok(None);
    }
    if let Some(ticket) = &asked.ticket {
        let advice =
            "no such ticket, or no longer: each is good once, for half a minute; get another";
        let taken = gateway.tickets.take(ticket, Instant::now());
        return taken.map(Some).ok_or((ErrorCode::Unauthorized, advice));
    }
    let Some(token) = bearer::of(headers) else {
        return Ok(None);
    };
    let identity = guard.identify(&token.0).await;
    identity
        .map(Some)
        .map_err(|refusal| (bearer::code_of(refusal), bearer::advice_on(refusal)))
}

/// An answer to a request that is not served.
pub(super) fn refused(gateway: &Gateway, code: ErrorCode, message: &str) -> Response {
    let metrics = &gateway.metrics;
    metrics
        .refused_messages
        .get_or_create(&Reason::new(code.as_str()))
        .inc();
    let status = match code {
        ErrorCode::Unauthorized | ErrorCode::TokenExpired => StatusCode::UNAUTHORIZED,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    let error = ServerMessage::error(None, code, message);
    (status, Json(error)).into_response()
}

/// What a client asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Asked {
    rooms: Vec<String>,
    since: Option<String>,
    ticket: Option<String>,
}

impl Asked {
    /// A browser that comes back by itself says where it was in `Last-Event-ID`, and repeats the URL it
    /// began with: so the header is newer than `since`.
    fn of(query: &str, headers: &HeaderMap) -> Result<Self, &'static str> {
        let (mut rooms, mut since, mut ticket) = (Vec::new(), None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "rooms" => rooms.extend(value.split(',').map(str::to_owned)),
                "since" => since = Some(value.into_owned()),
                "ticket" => ticket = Some(value.into_owned()),
                _ => {}
            }
        }
        rooms.retain(|room| !room.is_empty());
        if rooms.is_empty() {
            return Err("name the rooms: /events?rooms=product:42,order:7");
        }
        let last = headers.get(LAST_EVENT_ID);
        let last = last.and_then(|last| last.to_str().ok()).map(str::to_owned);
        let since = last.or(since).filter(|since| !since.is_empty());
        Ok(Self {
            rooms,
            since,
            ticket,
        })
    }
}

/// The rooms that a query names, if it can be served: for tests that ask anything.
#[cfg(feature = "sabotage")]
pub fn rooms_asked_for(query: &str) -> Option<Vec<String>> {
    let asked = Asked::of(query, &HeaderMap::new());
    asked.ok().map(|asked| asked.rooms)
}

/// A request that is served, on its way from HTTP to a session: as far as HTTP is concerned an error,
/// because no answer follows.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    asked: Asked,
    identity: Option<Identity>,
    head: Bytes,
    admission: Arc<Admission>,
}

impl Opening {
    /// The same, with the answer that it begins with.
    pub(super) fn answered(mut self, headers: &HeaderMap) -> Self {
        self.head = head(headers);
        self
    }

    /// Serves the client on the connection that it asked on.
    pub(super) fn begin(self, gateway: &Gateway, stream: Stream, seat: Seat) {
        let refusal = self.admission.as_ref().as_ref().err().copied();
        let tracker = match refusal {
            None => &gateway.sessions,
            Some(_) => &gateway.others,
        };
        let (gateway, stream) = (gateway.clone(), Arc::new(stream));
        tracker.spawn(async move {
            session::run(gateway, stream, self, refusal).await;
            drop(seat);
        });
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection becomes a stream of events")
    }
}

impl Error for Opening {}

/// The head of an answer as it goes on the wire. As far as HTTP is concerned nothing follows, and it says how
/// long that is; clients that believed it would see the stream end where it begins.
fn head(headers: &HeaderMap) -> Bytes {
    let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
    let headers = headers.iter();
    let headers = headers.filter(|(name, _)| **name != header::CONTENT_LENGTH);
    let now = DateTimePrinter::new().timestamp_to_rfc9110_string(&Timestamp::now());
    let date = now.ok().and_then(|now| HeaderValue::try_from(now).ok());
    let date = date.as_ref().map(|date| (&header::DATE, date));
    for (name, value) in headers.chain(date) {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str, last: Option<&'static str>) -> Result<Asked, &'static str> {
        let mut headers = HeaderMap::new();
        if let Some(last) = last {
            headers.insert(LAST_EVENT_ID, HeaderValue::from_static(last));
        }
        Asked::of(query, &headers)
    }

    #[test]
    fn rooms_may_stand_as_they_are_or_escaped_or_one_by_one() {
        for query in [
            "rooms=product:42,a/b@c.d-e_f",
            "rooms=product%3A42%2Ca%2Fb%40c.d-e_f",
            "rooms=product:42&x=y&rooms=a/b@c.d-e_f",
            "rooms=,product:42,,a/b@c.d-e_f,",
        ] {
            let rooms = asked(query, None).expect("rooms").rooms;
            assert_eq!(rooms, ["product:42", "a/b@c.d-e_f"], "{query}");
        }
        for query in ["", "rooms=", "rooms=,", "room=a", "since=e.1:1:"] {
            assert!(asked(query, None).is_err(), "{query}");
        }
    }

    #[test]
    fn where_a_browser_was_last_is_newer_than_what_its_url_says() {
        let since = |query, last| asked(query, last).expect("rooms").since;
        assert_eq!(since("rooms=a", None), None);
        assert_eq!(since("rooms=a&since=", None), None);
        assert_eq!(since("rooms=a&since=1", None).as_deref(), Some("1"));
        assert_eq!(since("rooms=a&since=1", Some("2")).as_deref(), Some("2"));
        assert_eq!(since("rooms=a", Some("2")).as_deref(), Some("2"));
    }
}
