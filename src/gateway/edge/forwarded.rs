//! Which address a request comes from, when there may be proxies in front.
//!
//! Each proxy appends the address that it was called from. What stands to the right of the first
//! address we do not trust was written by those we do; everything to its left may be invented.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::{Deserialize, Serialize};

use super::network::Network;

/// In which header the proxies say where a request comes from. Only one is read: a proxy that writes
/// one of them passes the other on as the client has made it up.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: 203.0.113.7, 10.0.0.1`
    #[default]
    XForwardedFor,
    /// `Forwarded: for=203.0.113.7, for=10.0.0.1` (RFC 7239)
    Forwarded,
}

impl ForwardedHeader {
    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => header::FORWARDED,
        }
    }

    /// What the proxies have appended to a line, last first.
    fn hops(self, line: &str) -> Parts<'_> {
        Parts {
            rest: Some(line),
            separator: b',',
            quotes: self == Self::Forwarded,
        }
    }

    fn address_in(self, hop: &str) -> Option<IpAddr> {
        if self == Self::XForwardedFor {
            return address(hop.trim());
        }
        let pairs = Parts {
            rest: Some(hop),
            separator: b';',
            quotes: true,
        };
        let mut callers = pairs.filter_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            name.eq_ignore_ascii_case("for").then_some(value)
        });
        match (callers.next(), callers.next()) {
            (Some(value), None) => address(value.trim_matches('"')),
            _ => None,
        }
    }
}

/// The parts of a text, last first. What stands in quotes separates nothing, where quotes count: a
/// proxy may quote there what a client has said.
struct Parts<'a> {
    rest: Option<&'a str>,
    separator: u8,
    quotes: bool,
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest.take()?;
        let mut is_quoted = false;
        for (at, byte) in text.bytes().enumerate().rev() {
            if byte == b'"' && self.quotes && !is_escaped(text, at) {
                is_quoted = !is_quoted;
            } else if byte == self.separator && !is_quoted {
                self.rest = Some(&text[..at]);
                return Some(&text[at + 1..]);
            }
        }
        Some(text)
    }
}

fn is_escaped(text: &str, at: usize) -> bool {
    let before = text.as_bytes()[..at].iter().rev();
    before.take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// The address that called the first of the proxies we trust; that of the connection where there are
/// none, and that of the last one we can make out where the header makes no sense.
pub(super) fn client(
    peer: IpAddr,
    headers: &HeaderMap,
    header: ForwardedHeader,
    trusted: &[Network],
) -> IpAddr {
    let is_trusted = |address| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    let lines = headers.get_all(header.name()).into_iter().rev();
    let mut hops = lines.flat_map(|line| header.hops(text(line)));
    while is_trusted(client) {
        match hops.next().and_then(|hop| header.address_in(hop)) {
            Some(address) => client = address.to_canonical(),
            None => break,
        }
    }
    client
}

/// The address that a request comes from, by these lines of the header, where `10.0.0.0/8` and `fd00::/8` are
/// trusted: for tests that ask anything. What cannot stand in a header is left out.
#[cfg(feature = "sabotage")]
pub fn client_behind_proxies(peer: IpAddr, header: ForwardedHeader, lines: &[&[u8]]) -> IpAddr {
    let trusted = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().expect("a network"));
    let mut headers = HeaderMap::new();
    let values = lines.iter().map(|line| HeaderValue::from_bytes(line));
    for value in values.flatten() {
        headers.append(header.name(), value);
    }
    client(peer, &headers, header, &trusted)
}

/// What is no text is no address either.
fn text(line: &HeaderValue) -> &str {
    line.to_str().unwrap_or("?")
}

/// An address, or one with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
    text.parse().ok().or_else(bare).or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, header: ForwardedHeader, lines: &[&'static str]) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().expect("a network"));
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header.name(), HeaderValue::from_static(line));
        }
        let peer = peer.parse().expect("an address");
        client(peer, &headers, header, &trusted).to_string()
    }

    #[test]
    fn the_client_is_whom_the_trusted_proxies_were_called_by() {
        for (peer, lines, expected) in [
            ("203.0.113.9", &["1.2.3.4"][..], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", &["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", &["6.6.6.6, 1.2.3.4, 10.9.9.9"], "1.2.3.4"),
            (
                "10.0.0.1",
                &["6.6.6.6", "1.2.3.4", "10.9.9.9,10.9.9.8"],
                "1.2.3.4",
            ),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["1.2.3.4:5678"], "1.2.3.4"),
            ("10.0.0.1", &["[2001:db8::7]:5678"], "2001:db8::7"),
            ("fd00::1", &["2001:db8::7"], "2001:db8::7"),
            ("::ffff:10.0.0.1", &["::ffff:1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", &["1.2.3.4, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["1.2.3.4, "], "10.0.0.1"),
            ("10.0.0.1", &["1.2.3.4, unknown, 10.0.0.2"], "10.0.0.2"),
        ] {
            let found = of(peer, ForwardedHeader::XForwardedFor, lines);
            assert_eq!(found, expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn the_standard_header_is_read_where_it_is_chosen() {
        for (lines, expected) in [
            (&["for=1.2.3.4"][..], "1.2.3.4"),
            (&["For=\"[2001:db8::7]:4711\";proto=https"], "2001:db8::7"),
            (&["for=6.6.6.6, proto=http; for=1.2.3.4;by=x"], "1.2.3.4"),
            (&["for=1.2.3.4, for=_hidden"], "10.0.0.1"),
            (&["by=1.2.3.4"], "10.0.0.1"),
            (&["for=6.6.6.6;for=1.2.3.4"], "10.0.0.1"),
            // What a client says may be quoted by the proxy.
            (&["for=1.2.3.4;host=\"a,for=6.6.6.6\""], "1.2.3.4"),
            (&["host=\"a;for=6.6.6.6\";for=1.2.3.4"], "1.2.3.4"),
            (
                &["for=1.2.3.4;host=\"a\\\",for=6.6.6.6;x=\\\"\""],
                "1.2.3.4",
            ),
            (&["for=\"6.6.6.6, for=1.2.3.4;host=\"a\""], "1.2.3.4"),
            (&["for=1.2.3.4;host=\"a\\\\\", for=10.9.9.9"], "1.2.3.4"),
        ] {
            let found = of("10.0.0.1", ForwardedHeader::Forwarded, lines);
            assert_eq!(found, expected, "{lines:?}");
        }
    }
}
