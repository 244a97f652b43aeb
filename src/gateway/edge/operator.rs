//! Who may see what is for the operator: the console, `/health` and `/metrics`.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::Peer;
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

/// Whom the operator's paths are for.
#[derive(Clone, Debug)]
pub(in crate::gateway) enum Operator {
    /// Whoever gets this far.
    Anybody,
    /// Who knows the token.
    Knowing(Secret),
    /// Programs on this machine.
    Local,
}

impl Operator {
    pub(super) fn new(config: &AdminConfig, open: bool) -> Self {
        if !config.token.reveal().is_empty() {
            Self::Knowing(config.token.clone())
        } else if open || config.listen.is_some() {
            Self::Anybody
        } else {
            Self::Local
        }
    }

    /// Whether files without a secret in them are for everybody: a page that asks for the token.
    pub(in crate::gateway) fn is_asked_for_by_page(&self) -> bool {
        matches!(self, Self::Knowing(_))
    }

    fn judge(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), Denial> {
        let (permitted, denial) = match self {
            Self::Anybody => return Ok(()),
            Self::Knowing(token) => (knows(headers, token), Denial::Token),
            Self::Local => (is_local(peer, headers), Denial::Place),
        };
        permitted.then_some(()).ok_or(denial)
    }
}

/// Why somebody may not see it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Denial {
    Token,
    Place,
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
            Self::Place => {
                let text = "this is for the operator, and neither gateway.admin.token nor \
                            gateway.admin.listen is set: only programs on this machine see it, \
                            under an address such as http://127.0.0.1:8787\n";
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
    let peer = request.extensions().get::<Peer>();
    let nowhere = IpAddr::from([0, 0, 0, 0]);
    let peer = peer.map_or(nowhere, |peer| peer.0);
    match gateway.edge.operator.judge(peer, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(denial) => {
            let refused = &gateway.metrics.refused_requests;
            refused
                .get_or_create(&Reason::new("not_the_operator"))
                .inc();
            denial.into_response()
        }
    }
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
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    peer.to_canonical().is_loopback()
        && !FORWARDED.iter().any(|name| headers.contains_key(name))
        && host.is_some_and(names_this_machine)
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

    #[test]
    fn the_token_is_asked_for_wherever_somebody_is() {
        let config = AdminConfig {
            token: Secret::new("correct horse battery"),
            listen: None,
        };
        let operator = Operator::new(&config, true);
        let judge = |lines| operator.judge([127, 0, 0, 1].into(), &headers(lines));
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
            let judged = operator.judge([127, 0, 0, 1].into(), &lines);
            assert_eq!(judged, Err(Denial::Token), "{said:?}");
        }
        assert_eq!(judge(&[]), Err(Denial::Token));
        let twice = ("authorization", "Bearer correct horse battery");
        assert_eq!(judge(&[twice, twice]), Err(Denial::Token));
    }

    #[test]
    fn without_settings_only_programs_on_this_machine_see_what_is_for_the_operator() {
        let operator = Operator::new(&AdminConfig::default(), false);
        let judge = |peer: [u8; 4], lines| operator.judge(peer.into(), &headers(lines));
        for host in [
            "127.0.0.1:8787",
            "localhost",
            "LOCALHOST:1",
            "[::1]:8787",
            "127.1.2.3",
            "pgbell",
        ] {
            let lines = headers(&[("host", host)]);
            assert_eq!(
                operator.judge([127, 0, 0, 1].into(), &lines),
                Ok(()),
                "{host}"
            );
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
    fn an_open_daemon_and_a_listener_of_its_own_are_for_whoever_gets_there() {
        let own = AdminConfig {
            listen: Some(([127, 0, 0, 1], 8788).into()),
            ..AdminConfig::default()
        };
        for operator in [
            Operator::new(&own, false),
            Operator::new(&AdminConfig::default(), true),
        ] {
            assert!(matches!(operator, Operator::Anybody));
        }
    }
}
