//! Who may see what is for the operator: the console, `/health` and `/metrics`.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::{Holder, MOST_ADDRESSES, Peer, Rate, rates::Rates};
use crate::{gateway::Gateway, secret::Secret, telemetry::Reason};

/// The `[gateway.admin]` section: where the operator's paths are, and for whom.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Address and port of a listener of their own; without it they are where clients connect.
    pub listen: Option<SocketAddr>,
    /// What a request for them has to carry, as `Authorization: Bearer`.
    pub token: Secret,
}

/// Wrong tokens of one address: ten at once, and ten a minute.
const GUESSES: Rate = Rate {
    per_second: 10.0 / 60.0,
    burst: 10.0,
};

/// Whom the operator's paths are for.
#[derive(Debug)]
pub(in crate::gateway) enum Operator {
    /// Whoever gets this far.
    Anybody,
    /// Whoever reaches the listener on this machine under an address of this machine, which a page cannot give
    /// another name.
    Neighbours,
    /// Who knows the token, at an address that has not guessed too often.
    Knowing(Secret, Rates<Holder>),
    /// Programs on this machine.
    Local,
}

impl Operator {
    pub(super) fn new(config: &AdminConfig, open: bool) -> Self {
        if !config.token.reveal().is_empty() {
            Self::Knowing(config.token.clone(), Rates::new(GUESSES, MOST_ADDRESSES))
        } else if open {
            Self::Anybody
        } else {
            match config.listen {
                Some(listen) if listen.ip().is_loopback() => Self::Neighbours,
                Some(_) => Self::Anybody,
                None => Self::Local,
            }
        }
    }

    /// Whether files without a secret in them are for everybody: a page that asks for the token.
    pub(in crate::gateway) fn is_asked_for_by_page(&self) -> bool {
        matches!(self, Self::Knowing(..))
    }

    /// Judges a request of `client`, which `peer` has brought.
    fn judge(
        &self,
        peer: IpAddr,
        client: IpAddr,
        headers: &HeaderMap,
        now: Instant,
    ) -> Result<(), Denial> {
        match self {
            Self::Anybody => Ok(()),
            Self::Neighbours if is_here(headers) => Ok(()),
            Self::Neighbours => Err(Denial::Name),
            Self::Local if is_local(peer, headers) => Ok(()),
            Self::Local => Err(Denial::Place),
            Self::Knowing(..) if !headers.contains_key(header::AUTHORIZATION) => Err(Denial::Token),
            Self::Knowing(token, guesses) => {
                let holder = Holder::of(client);
                // Who has none left is not told whether this one would have been right.
                guesses.take(holder, now).map_err(Denial::Guesses)?;
                if !knows(headers, token) {
                    return Err(Denial::Token);
                }
                guesses.give_back(&holder);
                Ok(())
            }
        }
    }
}

/// Why somebody may not see it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Denial {
    Token,
    /// Too many wrong ones; no other is looked at for this long.
    Guesses(Duration),
    Place,
    Name,
}

impl Denial {
    /// As it is counted.
    fn reason(self) -> Reason {
        Reason::new(match self {
            Self::Token | Self::Place | Self::Name => "not_the_operator",
            Self::Guesses(_) => "too_many_guesses",
        })
    }
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        match self {
            Self::Token => {
                let ask = [(header::WWW_AUTHENTICATE, "Bearer realm=\"pgbell\"")];
                let text = "this is for the operator: send gateway.admin.token as \
                            `Authorization: Bearer`\n";
                (StatusCode::UNAUTHORIZED, ask, text).into_response()
            }
            Self::Guesses(wait) => {
                let seconds = wait.as_secs() + 1;
                let later = [(header::RETRY_AFTER, seconds.to_string())];
                let text = "too many wrong tokens came from this address: come back later\n";
                (StatusCode::TOO_MANY_REQUESTS, later, text).into_response()
            }
            Self::Place => {
                let text = "this is for the operator, and neither gateway.admin.token nor \
                            gateway.admin.listen is set: only programs on this machine see it, \
                            under an address such as http://127.0.0.1:8787\n";
                (StatusCode::FORBIDDEN, text).into_response()
            }
            Self::Name => {
                let text = "this is for the operator: without gateway.admin.token it is seen \
                            under an address of this machine alone, such as http://127.0.0.1:8788\n";
                (StatusCode::FORBIDDEN, text).into_response()
            }
        }
    }
}

/// Lets through whom the operator's paths are for.
pub(in crate::gateway) async fn operator_only(
    State(gateway): State<Gateway>,
    request: Request,
    next: Next,
) -> Response {
    match judge(&gateway, &request) {
        Ok(()) => next.run(request).await,
        Err(denial) => {
            let refused = &gateway.metrics.refused_requests;
            refused.get_or_create(&denial.reason()).inc();
            denial.into_response()
        }
    }
}

/// Whether a request is the operator's. A wrong token counts as a guess.
pub(in crate::gateway) fn is_operators(gateway: &Gateway, request: &Request) -> bool {
    judge(gateway, request).is_ok()
}

fn judge(gateway: &Gateway, request: &Request) -> Result<(), Denial> {
    let peer = request.extensions().get::<Peer>();
    let nowhere = IpAddr::from([0, 0, 0, 0]);
    let peer = peer.map_or(nowhere, |peer| peer.0);
    let (edge, headers) = (&gateway.edge, request.headers());
    let client = edge.client(peer, headers);
    edge.operator.judge(peer, client, headers, Instant::now())
}

fn knows(headers: &HeaderMap, token: &Secret) -> bool {
    let mut said = headers.get_all(header::AUTHORIZATION).into_iter();
    let (Some(said), None) = (said.next(), said.next()) else {
        return false;
    };
    let (scheme, said) = said.as_bytes().split_at_checked(7).unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"bearer ")
        && verify_slices_are_equal(said, token.reveal().as_bytes()).is_ok()
}

/// Whether a program on this machine asks, for itself, and by an address of this machine: a proxy
/// asks for others, and so does a browser whose page has given this machine a name of its own.
fn is_local(peer: IpAddr, headers: &HeaderMap) -> bool {
    const FORWARDED: [HeaderName; 4] = [
        header::FORWARDED,
        header::VIA,
        HeaderName::from_static("x-forwarded-for"),
        HeaderName::from_static("x-real-ip"),
    ];
    peer.to_canonical().is_loopback()
        && !FORWARDED.iter().any(|name| headers.contains_key(name))
        && is_here(headers)
}

/// Whether a request is made to an address of this machine.
fn is_here(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    host.is_some_and(names_this_machine)
}

fn names_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    };
    let inner = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    match inner.unwrap_or(name).parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        // Nobody elsewhere can own a name of one word.
        Err(_) => !name.is_empty() && !name.contains('.'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().expect("a value"));
        }
        headers
    }

    fn judged(operator: &Operator, from: [u8; 4], headers: &HeaderMap) -> Result<(), Denial> {
        operator.judge(from.into(), from.into(), headers, Instant::now())
    }

    #[test]
    fn the_token_is_asked_for_wherever_somebody_is() {
        let config = AdminConfig {
            token: Secret::new("correct horse battery"),
            listen: None,
        };
        let operator = Operator::new(&config, true);
        let judge = |lines| judged(&operator, [127, 0, 0, 1], &headers(lines));
        assert_eq!(
            judge(&[("authorization", "Bearer correct horse battery")]),
            Ok(())
        );
        assert_eq!(
            judge(&[("authorization", "bearer correct horse battery")]),
            Ok(())
        );
        for said in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer correct horse batterz",
            "Bearer correct horse",
            "Bearer correct horse battery ",
            "Basic correct horse battery",
            "Bearercorrect horse battery",
        ] {
            let mut lines = HeaderMap::new();
            lines.insert(header::AUTHORIZATION, said.parse().expect("a value"));
            let judged = judged(&operator, [127, 0, 0, 1], &lines);
            assert_eq!(judged, Err(Denial::Token), "{said:?}");
        }
        assert_eq!(judge(&[]), Err(Denial::Token));
        let twice = ("authorization", "Bearer correct horse battery");
        assert_eq!(judge(&[twice, twice]), Err(Denial::Token));
    }

    #[test]
    fn who_guesses_too_often_is_not_listened_to_for_a_while_and_others_are() {
        let config = AdminConfig {
            token: Secret::new("correct horse battery"),
            listen: None,
        };
        let (operator, start) = (Operator::new(&config, false), Instant::now());
        let said = |last: u8, token: &str, seconds| {
            let mut lines = HeaderMap::new();
            let said = format!("Bearer {token}").parse().expect("a value");
            lines.insert(header::AUTHORIZATION, said);
            let (peer, client) = ([10, 0, 0, 1].into(), [192, 0, 2, last].into());
            operator.judge(peer, client, &lines, start + Duration::from_secs(seconds))
        };
        for _ in 0..100 {
            assert_eq!(said(1, "correct horse battery", 0), Ok(()), "no guess");
        }
        for _ in 0..10 {
            assert_eq!(said(1, "wrong", 0), Err(Denial::Token));
        }
        let later = Err(Denial::Guesses(Duration::from_secs(6)));
        assert_eq!(said(1, "wrong", 0), later);
        assert_eq!(said(1, "correct horse battery", 0), later);
        assert_eq!(said(2, "correct horse battery", 0), Ok(()));
        let nothing = HeaderMap::new();
        let (peer, client) = ([10, 0, 0, 1].into(), [192, 0, 2, 1].into());
        assert_eq!(
            operator.judge(peer, client, &nothing, start),
            Err(Denial::Token),
            "nothing was guessed"
        );
        assert_eq!(said(1, "correct horse battery", 7), Ok(()));
        let wrong = (0..1_000).map(|_| said(1, "wrong", 67));
        let looked_at = wrong.filter(|denial| *denial == Err(Denial::Token));
        assert_eq!(looked_at.count(), 10, "as many after a minute");
    }

    #[test]
    fn without_settings_only_programs_on_this_machine_see_what_is_for_the_operator() {
        let operator = Operator::new(&AdminConfig::default(), false);
        let judge = |peer, lines| judged(&operator, peer, &headers(lines));
        for host in [
            "127.0.0.1:8787",
            "localhost",
            "LOCALHOST:1",
            "[::1]:8787",
            "127.1.2.3",
            "pgbell",
        ] {
            let lines = headers(&[("host", host)]);
            assert_eq!(judged(&operator, [127, 0, 0, 1], &lines), Ok(()), "{host}");
        }
        for lines in [
            &[("host", "evil.example:8787")][..],
            &[("host", "127.0.0.1.evil.example")],
            &[("host", "localhost.")],
            &[("host", "10.0.0.1")],
            &[("host", "[2001:db8::1]")],
            &[],
            &[("host", "localhost"), ("x-forwarded-for", "127.0.0.1")],
            &[("host", "localhost"), ("forwarded", "for=127.0.0.1")],
            &[("host", "localhost"), ("x-real-ip", "127.0.0.1")],
            &[("host", "localhost"), ("via", "1.1 proxy")],
        ] {
            assert_eq!(
                judge([127, 0, 0, 1], lines),
                Err(Denial::Place),
                "{lines:?}"
            );
        }
        assert_eq!(
            judge([10, 0, 0, 1], &[("host", "localhost")]),
            Err(Denial::Place)
        );
    }

    #[test]
    fn an_open_daemon_is_for_whoever_gets_there_and_so_is_a_listener_that_others_reach() {
        let listen = |address: [u8; 4]| AdminConfig {
            listen: Some((address, 8788).into()),
            ..AdminConfig::default()
        };
        let renamed = headers(&[("host", "evil.example:8788")]);
        for operator in [
            Operator::new(&listen([10, 0, 0, 1]), false),
            Operator::new(&AdminConfig::default(), true),
        ] {
            assert_eq!(judged(&operator, [10, 0, 0, 2], &renamed), Ok(()));
        }
        let here = Operator::new(&listen([127, 0, 0, 1]), false);
        assert_eq!(judged(&here, [127, 0, 0, 1], &renamed), Err(Denial::Name));
        let named = headers(&[("host", "localhost:8788"), ("x-forwarded-for", "10.0.0.2")]);
        assert_eq!(judged(&here, [127, 0, 0, 1], &named), Ok(()));
    }
}
