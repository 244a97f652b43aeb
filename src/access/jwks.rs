//! A published set of keys (RFC 7517): reading it, and when to fetch it. Knows no clock and no network.
//!
//! - Before the first success there are no keys, and every token that needs them is refused.
//! - A success replaces all keys: what the issuer no longer publishes is no longer accepted.
//! - A set without a usable key takes all keys back, and is asked for again as after a failure.
//! - A failure leaves the keys that there are, for [`MAX_AGE`] since they were confirmed last.
//! - A token whose key is not known makes one fetch begin earlier, but never within [`RETRY`] of the one
//!   before: whoever invents key ids buys nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jsonwebtoken::jwk::{Jwk, KeyOperations, PublicKeyUse};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Algorithm,
    keys::{Key, fitting},
};

/// Most keys of one set.
pub(super) const MAX_KEYS: usize = 100;

/// Longest `kid`, in bytes.
const MAX_KEY_ID: usize = 256;

/// Time between fetches of keys that are known.
pub(super) const REFRESH: Duration = Duration::from_secs(600);

/// Time from the begin of one fetch to that of the next, when keys are missing or the fetch failed.
pub(super) const RETRY: Duration = Duration::from_secs(30);

/// The same before the first success, when everybody waits.
pub(super) const FIRST_RETRY: Duration = Duration::from_secs(5);

/// How long keys are used that nobody could confirm.
pub(super) const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// Keys of one set, and when to fetch it.
#[derive(Debug, Default)]
pub(super) struct Cache {
    keys: Arc<[Key]>,
    confirmed: Option<Instant>,
    begun: Option<Instant>,
    has_failed: bool,
    is_fetching: bool,
    is_wanted: bool,
}

/// What becomes of a token whose key is not known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// A fetch is under way or about to begin: wait for its end.
    Wait,
    /// There was a fetch lately: refuse.
    Refuse,
}

impl Cache {
    /// The keys, if they may still be used.
    pub(super) fn keys(&self, now: Instant) -> Option<Arc<[Key]>> {
        let confirmed = self.confirmed?;
        (now.duration_since(confirmed) < MAX_AGE).then(|| self.keys.clone())
    }

    /// A token came whose key is not known.
    pub(super) fn ask(&mut self, now: Instant) -> Answer {
        if self.is_fetching {
            return Answer::Wait;
        }
        if self.gap_left(now).is_zero() {
            self.is_wanted = true;
            return Answer::Wait;
        }
        Answer::Refuse
    }

    /// How long to wait before the next fetch.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let gap = self.gap_left(now);
        match self.confirmed {
            Some(confirmed) if !self.is_wanted && !self.has_failed => {
                gap.max((confirmed + REFRESH).saturating_duration_since(now))
            }
            _ => gap,
        }
    }

    /// A fetch begins.
    pub(super) fn begin(&mut self, now: Instant) {
        self.begun = Some(now);
        self.is_fetching = true;
        self.is_wanted = false;
    }

    /// The fetch has ended, with keys or without.
    pub(super) fn end(&mut self, now: Instant, keys: Option<Vec<Key>>) {
        self.is_fetching = false;
        self.has_failed = keys.is_none();
        if let Some(keys) = keys {
            self.keys = keys.into();
            self.confirmed = Some(now);
        }
    }

    /// The fetch has ended, with a set in which no key can be used: those that were published before are not
    /// any longer.
    pub(super) fn withdraw(&mut self) {
        self.is_fetching = false;
        self.has_failed = true;
        self.keys = Arc::default();
    }

    fn gap_left(&self, now: Instant) -> Duration {
        let gap = match self.confirmed {
            Some(_) => RETRY,
            None => FIRST_RETRY,
        };
        let next = self.begun.map(|begun| begun + gap);
        next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now))
    }
}

/// Why a document is no set of keys.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum BadSet {
    #[error("is no JSON object with a list of keys")]
    NotASet,
    #[error("has {0} keys; more than {MAX_KEYS} are not looked at")]
    TooMany(usize),
    #[error("has no key that can be used here{0}")]
    NoKey(String),
}

/// A set, read: keys, and why the others are none.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) keys: Vec<Key>,
    pub(super) passed_over: Vec<String>,
}

impl Set {
    /// Why keys were passed over, behind a colon; nothing where none was.
    fn reasons(&self) -> String {
        match self.passed_over.as_slice() {
            [] => String::new(),
            reasons => format!(": {}", reasons.join("; ")),
        }
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// Reads a set. Keys that cannot be used here are passed over, as RFC 7517, 5 wants.
pub(super) fn read(origin: &str, json: &[u8], allowed: &[Algorithm]) -> Result<Set, BadSet> {
    let document: Document = serde_json::from_slice(json).map_err(|_| BadSet::NotASet)?;
    if document.keys.len() > MAX_KEYS {
        return Err(BadSet::TooMany(document.keys.len()));
    }
    let mut set = Set {
        keys: Vec::new(),
        passed_over: Vec::new(),
    };
    for (place, value) in document.keys.into_iter().enumerate() {
        match read_key(&format!("{origin}, key {place}"), value, allowed) {
            Ok(key) => set.keys.push(key),
            Err(reason) => set.passed_over.push(format!("key {place} {reason}")),
        }
    }
    match set.keys.is_empty() {
        true => Err(BadSet::NoKey(set.reasons())),
        false => Ok(set),
    }
}

fn read_key(origin: &str, value: Value, allowed: &[Algorithm]) -> Result<Key, String> {
    let named = value.get("alg").map(Value::to_string);
    let jwk: Jwk = serde_json::from_value(value).map_err(|_| "is no JWK")?;
    let is_for_signatures = match (&jwk.common.public_key_use, &jwk.common.key_operations) {
        (Some(purpose), _) if *purpose != PublicKeyUse::Signature => false,
        (_, Some(operations)) => operations.contains(&KeyOperations::Verify),
        _ => true,
    };
    if !is_for_signatures {
        return Err("is not for checking signatures".into());
    }
    let id = jwk.common.key_id.as_deref();
    if id.is_some_and(|id| id.len() > MAX_KEY_ID) {
        return Err("has a kid that is too long".into());
    }
    let algorithm = match named {
        Some(name) => {
            let named = jwk
                .common
                .key_algorithm
                .and_then(|named| Algorithm::try_from(named).ok());
            named
                .filter(|algorithm| allowed.contains(algorithm))
                .ok_or_else(|| format!("is for {name:.40}, which algorithms does not list"))?
        }
        None => only_one(allowed, fitting(&jwk.algorithm))?,
    };
    Key::from_jwk(origin, id, algorithm, &jwk).map_err(|problem| problem.to_string())
}

/// The only algorithm that is allowed and fits the key.
fn only_one(allowed: &[Algorithm], fitting: &[Algorithm]) -> Result<Algorithm, String> {
    let mut both = allowed
        .iter()
        .filter(|algorithm| fitting.contains(algorithm));
    match (both.next(), both.next()) {
        (Some(only), None) => Ok(*only),
        (None, _) => Err("has a kind that no algorithm of algorithms is for".into()),
        _ => Err("has no alg, and more than one of algorithms fits it".into()),
    }
}
