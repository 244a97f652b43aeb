//! What decides who somebody is and where they may go.

use std::sync::LazyLock;

use futures_util::FutureExt;
use jiff::Timestamp;
use pgbell::{
    access::{Access, Config, Decision, Identity, MAX_TOKEN_SIZE, Signer, keys_in},
    room::Room,
};
use serde_json::{Map, Value, json};

use super::text;

/// When everything happens.
const NOW: i64 = 1_800_000_000;
/// What a token must claim here, and what some other does.
const OURS: &str = "https://auth.example.com";

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let tokens = json!({
        "issuer": OURS,
        "audience": "pgbell",
        "keys": [{"algorithm": "HS256", "secret": "0123456789abcdef0123456789abcdef"}],
    });
    let rooms = json!([
        {"room": "user:{sub}"}, {"room": "shop_{shops}"}, {"room": "admin:*", "role": "admin"},
    ]);
    let config = json!({"open": false, "tokens": tokens, "rooms": rooms});
    serde_json::from_value(config).expect("a configuration")
});
static ACCESS: LazyLock<Access> = LazyLock::new(|| Access::new(&CONFIG).expect("rules and keys"));
static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::with_secret(&CONFIG).expect("a secret"));

fn now() -> Timestamp {
    Timestamp::from_second(NOW).expect("a time")
}

pub(crate) fn verified(token: &str) -> Option<Identity> {
    let verified = ACCESS.verify(token, now()).now_or_never();
    let verified = verified.expect("keys of one's own are not waited for");
    let explained = ACCESS.explain(token, now());
    assert_eq!(
        verified.is_ok(),
        explained.outcome.is_ok(),
        "explained as decided"
    );
    verified.ok()
}

fn may_join(identity: Option<&Identity>, room: &str) -> bool {
    let Ok(room) = room.parse::<Room>() else {
        return false;
    };
    matches!(ACCESS.decide(identity, &room), Decision::Allow)
}

/// A token that is accepted.
pub(crate) static TOKEN: LazyLock<String> = LazyLock::new(|| token_of("9"));

fn token_of(user: &str) -> String {
    let claims = json!({"iss": OURS, "aud": "pgbell", "sub": user, "exp": NOW + 60});
    let claims = claims.as_object().expect("an object");
    SIGNER.sign(claims).expect("signed")
}

pub(crate) fn identity_of(user: &str) -> Identity {
    verified(&token_of(user)).expect("a good token")
}

fn somebody() -> Identity {
    verified(&TOKEN).expect("a good token")
}

/// A token of a stranger, who has no key. A seed is signed, so that its neighbours are tried.
pub(crate) fn token(bytes: &[u8]) {
    let Some(token) = text(bytes) else { return };
    let Some(identity) = verified(token) else {
        return;
    };
    assert!(token.len() <= MAX_TOKEN_SIZE);
    let claims: Map<String, Value> =
        serde_json::from_str(identity.claims_json()).expect("an object");
    assert_eq!(SIGNER.sign(&claims).ok().as_deref(), Some(token), "forged");
}

/// Claims that somebody has signed, whatever they are.
pub(crate) fn claims(bytes: &[u8]) {
    let Ok(claims) = serde_json::from_slice::<Map<String, Value>>(bytes) else {
        return;
    };
    let token = SIGNER.sign(&claims).expect("signed");
    let seconds = |name: &str| claims.get(name).and_then(Value::as_f64);
    let Some(identity) = verified(&token) else {
        assert!(!is_plain(&claims), "refused: {claims:?}");
        return;
    };
    // Ten seconds are what clocks may be apart.
    assert!(
        seconds("exp").is_some_and(|exp| exp > (NOW - 11) as f64),
        "no date, or over"
    );
    assert!(
        !claims.contains_key("nbf") || seconds("nbf").is_some_and(|nbf| nbf < (NOW + 12) as f64)
    );
    assert_eq!(claims["iss"], OURS);
    let listed = |list: &Vec<Value>| list.contains(&"pgbell".into());
    assert!(claims["aud"] == "pgbell" || claims["aud"].as_array().is_some_and(listed));
    let user = claims["sub"].as_str().expect("a user is a text");
    assert_eq!(&**identity.user(), user);
    let own = format!("user:{user}");
    let is_word = user
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_.@-".contains(&byte));
    assert_eq!(may_join(Some(&identity), &own), is_word && own.len() <= 128);
    for other in [
        "user:",
        "user:1:2",
        "user:*",
        "shop_",
        "shop_1_2",
        "product:1",
    ] {
        assert!(!may_join(Some(&identity), other), "{other}");
    }
    let is_admin = |claim: &str| {
        claims.get(claim).is_some_and(|roles| {
            roles == "admin"
                || roles
                    .as_array()
                    .is_some_and(|roles| roles.contains(&"admin".into()))
        })
    };
    assert!(is_admin("role") || is_admin("roles") || !may_join(Some(&identity), "admin:orders"));
}

/// Whether nothing is wrong with these claims that anybody could find.
fn is_plain(claims: &Map<String, Value>) -> bool {
    let size = serde_json::to_string(claims).map_or(0, |json| json.len());
    let wanted = [("iss", OURS), ("aud", "pgbell"), ("sub", "9")];
    wanted
        .iter()
        .all(|(name, value)| claims.get(*name).is_some_and(|found| found == value))
        && claims.get("exp") == Some(&(NOW + 60).into())
        && !claims.contains_key("nbf")
        && size < MAX_TOKEN_SIZE / 2
}

/// A pattern on the first line, a room on the second.
pub(crate) fn room_rule(bytes: &[u8]) {
    let Some((pattern, room)) = text(bytes).and_then(|text| text.split_once('\n')) else {
        return;
    };
    let rule = json!({"room": pattern, "sql": "select 1"});
    let config = json!({"open": false, "rooms": [rule], "sql": {"role": "guest"}});
    let config: Config = serde_json::from_value(config).expect("a configuration");
    let (Ok(access), Ok(room)) = (Access::new(&config), room.parse::<Room>()) else {
        return;
    };
    let allowed = !matches!(access.decide(Some(&somebody()), &room), Decision::Deny);
    let (literal, is_open) = match pattern.strip_suffix('*') {
        Some(literal) => (literal, true),
        None => (pattern, false),
    };
    if !literal.contains('{') {
        let covered = is_open && room.as_str().starts_with(literal);
        assert_eq!(
            allowed,
            covered || room.as_str() == literal,
            "{pattern} {room}"
        );
    } else if allowed {
        let fixed = literal.split('{').next().unwrap_or_default();
        assert!(room.as_str().starts_with(fixed), "{pattern} {room}");
        let separators = |text: &str| text.matches([':', '/']).count();
        let named: String = literal
            .split('{')
            .map(|part| part.split_once('}').map_or(part, |(_, rest)| rest))
            .collect();
        assert!(separators(room.as_str()) >= separators(&named));
        assert!(
            is_open || separators(room.as_str()) == separators(&named),
            "{pattern} {room}"
        );
    }
}

/// What somebody who publishes keys may answer.
pub(crate) fn jwks(bytes: &[u8]) {
    match keys_in(bytes) {
        Ok(keys) => assert!((1..=100).contains(&keys)),
        Err(reason) => assert!(!reason.is_empty()),
    }
}
