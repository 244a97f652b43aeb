//! Tokens that come with a request, for clients that can say more than a browser: in the header
//! `Authorization: Bearer`, or as a subprotocol `bearer.<base64url>` beside `pgbell.v1`.

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    access::RefusalCode,
    protocol::{CloseReason, ErrorCode},
};

/// How a subprotocol begins that holds a token.
pub(super) const IN_PROTOCOL: &str = "bearer.";

/// A token that is shown to nobody.
#[derive(Clone, PartialEq)]
pub(super) struct Bearer(pub(super) String);

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(redacted)")
    }
}

/// The token of a request, if it has one. Of several that differ none counts, because nobody knows which is
/// meant.
pub(super) fn of(headers: &HeaderMap) -> Option<Bearer> {
    let in_header = headers
        .get_all(header::AUTHORIZATION)
        .iter()
        .filter_map(|value| {
            let (scheme, token) = value.to_str().ok()?.trim().split_once(' ')?;
            let is_bearer = scheme.eq_ignore_ascii_case("bearer");
            is_bearer.then(|| token.trim().to_owned())
        });
    let offers = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let offers = offers
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','));
    let in_protocol = offers.filter_map(|offer| {
        let encoded = offer.trim().strip_prefix(IN_PROTOCOL)?;
        let decoded = URL_SAFE_NO_PAD.decode(encoded).ok();
        // What cannot be read is a token all the same, and is refused as one.
        Some(
            decoded
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .unwrap_or_default(),
        )
    });
    let mut tokens = in_header.chain(in_protocol);
    let first = tokens.next()?;
    match tokens.all(|other| other == first) {
        true => Some(Bearer(first)),
        false => Some(Bearer(String::new())),
    }
}

/// The token of a request with these lines of `Authorization` and `Sec-WebSocket-Protocol`, if it has one: for
/// tests that ask anything. What cannot stand in a header is left out.
#[cfg(feature = "sabotage")]
pub fn token_in(authorization: &[&[u8]], protocols: &[&[u8]]) -> Option<String> {
    let mut headers = HeaderMap::new();
    for (name, lines) in [
        (header::AUTHORIZATION, authorization),
        (header::SEC_WEBSOCKET_PROTOCOL, protocols),
    ] {
        let values = lines
            .iter()
            .map(|line| axum::http::HeaderValue::from_bytes(line));
        values.flatten().for_each(|value| {
            headers.append(&name, value);
        });
    }
    of(&headers).map(|bearer| bearer.0)
}

/// What a refused token is called in messages.
pub(super) fn code_of(refusal: RefusalCode) -> ErrorCode {
    match refusal {
        RefusalCode::Unauthorized => ErrorCode::Unauthorized,
        RefusalCode::TokenExpired => ErrorCode::TokenExpired,
        RefusalCode::NotReady => ErrorCode::NotReady,
    }
}

/// What its bearer is told about it.
pub(super) fn advice_on(refusal: RefusalCode) -> &'static str {
    match refusal {
        RefusalCode::Unauthorized => "this token is not accepted: pgbell token check says why",
        RefusalCode::TokenExpired => "this token is too old: get a newer one",
        RefusalCode::NotReady => "the keys to check this token with cannot be reached now",
    }
}

/// How a connection is closed that came with a refused token.
pub(super) fn close_for(refusal: RefusalCode) -> CloseReason {
    match refusal {
        RefusalCode::Unauthorized => CloseReason::Unauthorized,
        RefusalCode::TokenExpired => CloseReason::TokenExpired,
        RefusalCode::NotReady => CloseReason::ServerError,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn token(authorization: &[&'static str], protocols: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        for value in protocols {
            headers.append(
                header::SEC_WEBSOCKET_PROTOCOL,
                HeaderValue::from_static(value),
            );
        }
        of(&headers).map(|bearer| bearer.0)
    }

    #[test]
    fn a_token_comes_in_a_header_or_beside_the_protocol() {
        assert_eq!(token(&["Bearer a.b.c"], &[]).as_deref(), Some("a.b.c"));
        assert_eq!(token(&["bearer  a.b.c "], &[]).as_deref(), Some("a.b.c"));
        let offers = ["pgbell.v1, bearer.YS5iLmM"];
        assert_eq!(token(&[], &offers).as_deref(), Some("a.b.c"));
        assert_eq!(token(&["Bearer a.b.c"], &offers).as_deref(), Some("a.b.c"));
        assert_eq!(token(&["Basic YTpi"], &["pgbell.v1"]), None);
        assert_eq!(token(&[], &[]), None);
    }

    #[test]
    fn what_cannot_be_read_or_is_two_things_is_a_token_that_nobody_accepts() {
        for (authorization, protocols) in [
            (&[][..], &["bearer.!"][..]),
            (&[], &["bearer."]),
            (&["Bearer x.y.z"], &["bearer.YS5iLmM"]),
            (&["Bearer x.y.z", "Bearer a.b.c"], &[]),
        ] {
            assert_eq!(token(authorization, protocols).as_deref(), Some(""));
        }
    }

    #[test]
    fn a_token_does_not_show() {
        assert_eq!(format!("{:?}", Bearer("a.b.c".into())), "(redacted)");
    }
}
