//! What is believed of somebody who has just come: where from, and as whom.

use std::{
    net::{IpAddr, SocketAddr},
    sync::LazyLock,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use pgbell::{
    access::Identity,
    capture::signed_change,
    gateway::{ForwardedHeader, Tickets, client_behind_proxies, token_in},
};
use sha2::{Digest, Sha256};

use super::{
    access::{TOKEN, identity_of, verified},
    text,
};

const OUTSIDE: &str = "203.0.113.9";

/// The other end of the connection on the first line, lines of the header after it.
pub(crate) fn forwarded(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let peer = lines.next().and_then(text).map(str::parse::<IpAddr>);
    let Some(Ok(peer)) = peer else { return };
    let lines: Vec<&[u8]> = lines.collect();
    for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
        let of = |lines: &[&[u8]]| client_behind_proxies(peer, header, lines);
        let client = of(&lines);
        if !is_trusted(peer) {
            assert_eq!(client, peer.to_canonical(), "a stranger was believed");
            continue;
        }
        let is_named = lines.iter().any(|line| names(line, client));
        assert!(
            client == peer.to_canonical() || is_named,
            "{client} from nowhere"
        );
        let hop = |rest: &str| match header {
            ForwardedHeader::XForwardedFor => OUTSIDE.to_owned(),
            ForwardedHeader::Forwarded => format!("for={OUTSIDE}{rest}"),
        };
        // Whatever came before, and whatever of it the proxy has quoted.
        let said = String::from_utf8_lossy(&lines.concat()).into_owned();
        let said = said.replace('\\', "\\\\").replace('"', "\\\"");
        for appended in [hop(""), hop(&format!(";host=\"{said}\""))] {
            let appended = appended.replace(|c: char| c.is_control() || !c.is_ascii(), "");
            let mut more = lines.clone();
            more.push(appended.as_bytes());
            assert_eq!(of(&more).to_string(), OUTSIDE, "beyond its last line");
            let Some(last) = lines.last() else { continue };
            let joined = [last, &b", "[..], appended.as_bytes()].concat();
            if joined.iter().all(|byte| (b' '..=b'~').contains(byte)) {
                let rest = &lines[..lines.len() - 1];
                let joined = [rest, &[&joined[..]]].concat();
                assert_eq!(of(&joined).to_string(), OUTSIDE, "beyond its last hop");
            }
        }
        if !is_trusted(client) {
            let mut more = lines.clone();
            more.insert(0, b"for=6.6.6.6, 6.6.6.6");
            assert_eq!(of(&more), client, "left of the first stranger");
        }
    }
}

fn is_trusted(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets()[0] == 10,
        IpAddr::V6(address) => address.octets()[0] == 0xfd,
    }
}

/// Whether the address stands in the line somewhere.
fn names(line: &[u8], address: IpAddr) -> bool {
    let line = String::from_utf8_lossy(line);
    let parsed = |word: &str| {
        let with_port = || word.parse::<SocketAddr>().ok().map(|found| found.ip());
        word.parse().ok().or_else(with_port)
    };
    line.split(|c: char| !c.is_ascii_hexdigit() && c != ':' && c != '.')
        .any(|word| parsed(word).is_some_and(|found| found.to_canonical() == address))
}

/// Lines of `Authorization`, and after a zero those of `Sec-WebSocket-Protocol`.
pub(crate) fn bearer(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let mut lines = || -> Vec<&[u8]> {
        let part = parts.next().unwrap_or_default();
        part.split(|byte| *byte == b'\n').collect()
    };
    let (mut authorization, protocols) = (lines(), lines());
    let found = token_in(&authorization, &protocols);
    if let Some(token) = found.as_deref().filter(|token| !token.is_empty()) {
        let encoded = format!("bearer.{}", URL_SAFE_NO_PAD.encode(token));
        let says = |lines: &[&[u8]], word: &str| {
            let mut texts = lines.iter().map(|line| String::from_utf8_lossy(line));
            texts.any(|text| text.contains(word))
        };
        let is_said = says(&authorization, token) || says(&protocols, &encoded);
        assert!(is_said, "a token from nowhere");
    }
    // Beside a good one, nothing else is believed: it is that one, or none.
    let good = format!("Bearer {}", *TOKEN);
    authorization.push(good.as_bytes());
    let beside = token_in(&authorization, &protocols).expect("a token");
    assert_eq!(
        beside == *TOKEN,
        found.is_none_or(|found| found == *TOKEN),
        "one of two"
    );
    assert!(beside.is_empty() || beside == *TOKEN);
    assert_eq!(verified(&beside).is_some(), !beside.is_empty());
}

static USERS: LazyLock<Vec<Identity>> = LazyLock::new(|| ["a", "b", "c"].map(identity_of).into());

/// What clients do with tickets, a byte for each.
pub(crate) fn ticket(bytes: &[u8]) {
    const LIFE: Duration = Duration::from_secs(30);
    let (tickets, mut now) = (Tickets::default(), Instant::now());
    let mut given: Vec<(String, usize, Instant)> = Vec::new();
    for (place, byte) in bytes.iter().enumerate() {
        let (user, number) = (usize::from(*byte) % USERS.len(), usize::from(byte >> 2));
        match byte & 3 {
            0 => now += Duration::from_secs(u64::from(byte >> 3)),
            1 => {
                let live = given
                    .iter()
                    .filter(|(_, of, at)| *of == user && now.duration_since(*at) < LIFE);
                let live = live.count();
                match tickets.give(USERS[user].clone(), now) {
                    Ok(ticket) => {
                        assert!(live < 20 && ticket.len() >= 43);
                        assert!(given.iter().all(|(other, ..)| *other != ticket));
                        given.push((ticket, user, now));
                    }
                    Err(_) => assert_eq!(live, 20, "refused"),
                }
            }
            2 if !given.is_empty() => {
                let (ticket, user, at) = given.swap_remove(number % given.len());
                let taken = tickets.take(&ticket, now);
                let is_live = now.duration_since(at) < LIFE;
                assert_eq!(taken.is_some(), is_live);
                assert!(taken.is_none_or(|taken| taken.user() == USERS[user].user()));
                assert!(tickets.take(&ticket, now).is_none(), "twice");
            }
            _ => {
                let invented = String::from_utf8_lossy(&bytes[place..]);
                assert!(tickets.take(&invented, now).is_none(), "invented");
                for (ticket, ..) in given.iter().take(1) {
                    let other = ticket.to_lowercase();
                    assert!(other == *ticket || tickets.take(&other, now).is_none());
                    assert!(tickets.take(&ticket[1..], now).is_none());
                    assert!(tickets.take(&format!("{ticket} "), now).is_none());
                }
            }
        }
    }
}

/// What somebody notifies who has no key.
pub(crate) fn signature(bytes: &[u8]) {
    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
    let Some(text) = text(bytes) else { return };
    if let Some(change) = signed_change(KEY, text) {
        assert_eq!(signed(KEY, change), text, "forged");
    }
    let good = signed(KEY, text);
    assert_eq!(signed_change(KEY, &good), Some(text));
    assert_eq!(signed_change(&KEY[1..], &good), None, "another key");
    assert_eq!(signed_change(b"", &good), None, "no key");
    let places = good.char_indices().map(|(at, _)| at);
    let (ends, step) = (good.len(), 1 + good.len() / 64);
    for at in places.step_by(step).chain([ends]) {
        let (before, rest) = good.split_at(at);
        let mut letters = rest.chars();
        let letter = letters.next();
        let others = [
            format!("{before}{}", letters.as_str()),
            format!("{before}{}{rest}", letter.unwrap_or('x')),
            format!(
                "{before}{}{}",
                if letter == Some('0') { '1' } else { '0' },
                letters.as_str()
            ),
            before.to_owned(),
        ];
        for other in others.iter().filter(|other| **other != good) {
            assert_eq!(signed_change(KEY, other), None, "{other} for {good}");
        }
    }
    let louder = good[..32].to_uppercase() + text;
    assert!(louder == good || signed_change(KEY, &louder).is_none());
}

/// As `pgbell.carry()` signs.
fn signed(key: &[u8], change: &str) -> String {
    let inner = Sha256::digest([key, change.as_bytes()].concat());
    let outer = Sha256::digest([key, &inner[..]].concat());
    let hex: String = outer
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    hex + change
}
