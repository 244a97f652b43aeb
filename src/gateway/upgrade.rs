//! From an HTTP request to a WebSocket (RFC 6455, section 4.2).

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use hyper::upgrade::{OnUpgrade, Parts, Upgraded};
use hyper_util::rt::TokioIo;
use tracing::debug;
use tungstenite::handshake::derive_accept_key;

use super::{
    Gateway,
    bearer::{self, Bearer},
    capacity::Seat,
    edge::Peer,
    session,
    stream::Stream,
};
use crate::protocol::{CloseReason, SUBPROTOCOL};

/// `GET /ws`. What a browser may not have is refused after the upgrade, with a close code:
/// JavaScript cannot read a failed handshake.
pub(super) async fn upgrade(
    State(gateway): State<Gateway>,
    mut request: Request,
) -> Response<Body> {
    let headers = request.headers();
    let Some(accept) = accept_key(headers) else {
        let upgrade = [
            (header::UPGRADE, "websocket"),
            (header::SEC_WEBSOCKET_VERSION, "13"),
        ];
        let explanation = "this is a WebSocket endpoint: connect with subprotocol pgbell.v1\n";
        return (StatusCode::UPGRADE_REQUIRED, upgrade, explanation).into_response();
    };
    let (offer, token) = (Offer::of(headers), bearer::of(headers));
    let peer = request.extensions().get::<Peer>();
    let admission = match offer {
        Offer::Others(_) => Err(CloseReason::UnsupportedProtocol),
        Offer::Nothing | Offer::Ours => gateway.admit(peer, request.headers()),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let refusal = admission.as_ref().err().copied();
    let tracker = match refusal {
        None => gateway.sessions.clone(),
        Some(_) => gateway.others.clone(),
    };
    let seat = request.extensions_mut().remove::<Seat>();
    tracker.spawn(async move {
        open(gateway, upgrade, token, refusal).await;
        drop((seat, admission));
    });
    response(&accept, &offer)
}

/// What the client offers to speak.
#[derive(Debug, PartialEq)]
enum Offer {
    Nothing,
    Ours,
    /// Others, of which this is the first.
    Others(String),
}

impl Offer {
    fn of(headers: &HeaderMap) -> Self {
        let offers = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
        let texts = offers.iter().filter_map(|value| value.to_str().ok());
        let protocols: Vec<&str> = texts
            .flat_map(|text| text.split(','))
            .map(str::trim)
            // A token is nothing to be spoken, and never said back.
            .filter(|offer| !offer.starts_with(bearer::IN_PROTOCOL))
            .collect();
        match protocols.first() {
            None => Self::Nothing,
            Some(_) if protocols.contains(&SUBPROTOCOL) => Self::Ours,
            Some(first) => Self::Others((*first).to_owned()),
        }
    }

    /// What the answer names. A browser that is answered with none of its offers fails the handshake
    /// without showing its page why, so others get theirs, and then the close code.
    fn answer(&self) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::Ours => Some(SUBPROTOCOL),
            Self::Others(first) => Some(first),
        }
    }
}

/// The answer to the client's key, if this is a handshake at all.
fn accept_key(headers: &HeaderMap) -> Option<String> {
    let has = |name: HeaderName, token: &str| {
        let values = headers.get_all(name);
        let mut texts = values.iter().filter_map(|value| value.to_str().ok());
        texts.any(|text| {
            text.split(',')
                .any(|part| part.trim().eq_ignore_ascii_case(token))
        })
    };
    let asks = has(header::UPGRADE, "websocket")
        && has(header::CONNECTION, "upgrade")
        && has(header::SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| asks)?;
    Some(derive_accept_key(key.as_bytes()))
}

fn response(accept: &str, offer: &Offer) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(Ok(protocol)) = offer.answer().map(HeaderValue::from_str) {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    response
}

async fn open(
    gateway: Gateway,
    upgrade: OnUpgrade,
    token: Option<Bearer>,
    refusal: Option<CloseReason>,
) {
    match upgrade.await.map(Upgraded::downcast::<TokioIo<Stream>>) {
        Ok(Ok(Parts { io, read_buf, .. })) => {
            let stream = Arc::new(io.into_inner());
            // A copy, because hyper's buffer has room for the largest head and would stay as long
            // as the connection.
            let begun = read_buf.to_vec();
            drop(read_buf);
            session::run(gateway, stream, begun, token, refusal).await;
        }
        Ok(Err(_)) => debug!("an upgraded connection is none of ours"),
        Err(error) => debug!(%error, "a handshake was not finished"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let parse = |(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        lines.iter().map(parse).collect()
    }

    #[test]
    fn a_handshake_is_told_from_a_request() {
        let mut handshake = headers(&[
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]);
        // The example of RFC 6455, section 1.3.
        assert_eq!(
            accept_key(&handshake).as_deref(),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
        handshake.remove("upgrade");
        assert_eq!(accept_key(&handshake), None);
    }

    #[test]
    fn a_client_that_offers_no_protocol_is_served_and_one_that_offers_others_is_not() {
        let offer = |text| Offer::of(&headers(&[("sec-websocket-protocol", text)]));
        assert_eq!(Offer::of(&HeaderMap::new()), Offer::Nothing);
        assert_eq!(offer("bearer.abc, pgbell.v1"), Offer::Ours);
        assert_eq!(offer("pgbell.v9, x"), Offer::Others("pgbell.v9".into()));
        assert_eq!(offer("bearer.abc, x"), Offer::Others("x".into()));
        assert_eq!(offer("bearer.abc"), Offer::Nothing);
    }
}
