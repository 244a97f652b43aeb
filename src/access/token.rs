//! Tokens: from a text to an [`Identity`], or a [`Refusal`].
//!
//! The order matters: size, form, key, signature, and only then what the token claims. Until the
//! signature holds, its words are a stranger's. Of the header, `alg` and `kid` are compared with what
//! is known here; `jku`, `jwk`, `x5u` and the like are not even read.

use std::{fmt, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

use super::{Algorithm, Claims, Refusal, keys::Key, refusal::shown};

/// Longest token that is looked at, in bytes.
pub const MAX_TOKEN_SIZE: usize = 8 * 1024;

/// Longest `kid`, in bytes.
const MAX_KEY_ID: usize = 256;

/// Longest `sub`, in bytes.
const MAX_SUBJECT: usize = 256;

/// Most keys that are tried for one token: a signature costs what a request costs.
const MAX_TRIES: usize = 4;

/// Who somebody is, as a token proves. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    facts: Arc<Facts>,
}

struct Facts {
    user: Arc<str>,
    claims: Claims,
    claims_json: String,
    digest: Digest,
    issued_at: Option<Timestamp>,
    verified_at: Timestamp,
    expires_at: Timestamp,
}

/// Stands for all that a token claims: SHA-256 of the claims as JSON.
pub(super) type Digest = [u8; 32];

impl Identity {
    /// The subject of the token.
    pub fn user(&self) -> &Arc<str> {
        &self.facts.user
    }

    /// Everything that the token claims.
    pub fn claims(&self) -> &Claims {
        &self.facts.claims
    }

    /// The same as JSON, for `request.jwt.claims`.
    pub fn claims_json(&self) -> &str {
        &self.facts.claims_json
    }

    /// Differs where anything that the token claims does.
    pub(super) fn digest(&self) -> &Digest {
        &self.facts.digest
    }

    /// When the token was made, if it says so.
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.facts.issued_at
    }

    /// When it was shown here.
    pub fn verified_at(&self) -> Timestamp {
        self.facts.verified_at
    }

    /// From when on this holds no longer: what the token says, and the leeway.
    pub fn expires_at(&self) -> Timestamp {
        self.facts.expires_at
    }

    fn new(claims: Claims, settings: &Settings, now: Timestamp) -> Self {
        let text = |name| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let when = |name| date(&claims, name).ok().flatten();
        let claims_json = claims.to_json();
        let facts = Facts {
            user: text("sub").into(),
            digest: sha256(claims_json.as_bytes()),
            claims_json,
            issued_at: when("iat"),
            verified_at: now,
            expires_at: later(when("exp").unwrap_or(Timestamp::MIN), settings.leeway),
            claims,
        };
        Self {
            facts: Arc::new(facts),
        }
    }
}

fn sha256(bytes: &[u8]) -> Digest {
    let hash = digest(&SHA256, bytes);
    let mut digest = Digest::default();
    digest.copy_from_slice(hash.as_ref());
    digest
}

/// Without what the token claims: that is about a person.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("user", &self.facts.user)
            .field("expires_at", &self.facts.expires_at)
            .finish_non_exhaustive()
    }
}

/// What tokens must claim.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) issuer: String,
    pub(super) audience: Vec<String>,
    pub(super) leeway: SignedDuration,
}

/// A token that has the form of one. Nothing of it is proven.
pub(super) struct Unproven<'t> {
    message: &'t str,
    payload: &'t str,
    signature: &'t str,
    pub(super) algorithm: String,
    pub(super) key_id: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

impl<'t> Unproven<'t> {
    pub(super) fn read(token: &'t str) -> Result<Self, Refusal> {
        if token.len() > MAX_TOKEN_SIZE {
            return Err(Refusal::TooLarge(token.len()));
        }
        let not_three = Refusal::Malformed("it has not three parts with dots between");
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(not_three);
        };
        let json = decode(header, "its header is not base64url")?;
        let header: Header = serde_json::from_slice(&json).map_err(|_| {
            Refusal::Malformed("its header is no JSON object with alg and kid as texts")
        })?;
        if header.crit.is_some() {
            return Err(Refusal::Critical);
        }
        if header.kid.as_ref().is_some_and(|id| id.len() > MAX_KEY_ID) {
            return Err(Refusal::Malformed("its kid is too long"));
        }
        decode(signature, "its signature is not base64url")?;
        Ok(Self {
            message: &token[..token.len() - signature.len() - 1],
            payload,
            signature,
            algorithm: header.alg,
            key_id: header.kid,
        })
    }

    /// What it claims, proven or not.
    pub(super) fn claims(&self) -> Result<Claims, Refusal> {
        let json = decode(self.payload, "its claims are not base64url")?;
        let claims: Map<String, Value> = serde_json::from_slice(&json)
            .map_err(|_| Refusal::Malformed("its claims are no JSON object"))?;
        Ok(claims.into())
    }

    /// The algorithm of this name among those that keys are used with.
    pub(super) fn algorithm_of(
        &self,
        mut known: impl Iterator<Item = Algorithm>,
    ) -> Result<Algorithm, Refusal> {
        let found = known.find(|algorithm| format!("{algorithm:?}") == self.algorithm);
        found.ok_or_else(|| Refusal::Algorithm(shown(&self.algorithm)))
    }

    /// The key that signed it: one that its header can mean, and whose signature it is.
    pub(super) fn signer<'k>(
        &self,
        algorithm: Algorithm,
        keys: &[&'k Key],
    ) -> Result<&'k Key, Refusal> {
        let id = self.key_id.as_deref();
        let meant: Vec<_> = keys
            .iter()
            .filter(|key| key.algorithm == algorithm && is_meant(key, id))
            .collect();
        match meant.as_slice() {
            [] => Err(Refusal::unknown_key(algorithm, id)),
            many if many.len() > MAX_TRIES => Err(Refusal::ManyKeys(many.len())),
            few => {
                let mut few = few.iter();
                let signer = few.find(|key| key.verifies(self.message, self.signature));
                signer.map(|key| **key).ok_or_else(|| {
                    let origins: Vec<_> = meant.iter().map(|key| &*key.origin).collect();
                    Refusal::Signature(origins.join(" or "))
                })
            }
        }
    }

    /// Whether its header names one of these keys, so that no other can be meant.
    pub(super) fn names_one_of(&self, algorithm: Algorithm, keys: &[&Key]) -> bool {
        let id = self.key_id.as_deref();
        let is_named = |key: &&Key| key.algorithm == algorithm && key.id.as_deref() == id;
        id.is_some() && keys.iter().any(is_named)
    }
}

/// A key without an id may have signed anything, a token without one may be signed by anyone.
fn is_meant(key: &Key, id: Option<&str>) -> bool {
    match (key.id.as_deref(), id) {
        (Some(key), Some(id)) => key == id,
        _ => true,
    }
}

fn decode(part: &str, problem: &'static str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| Refusal::Malformed(problem))
}

/// One thing that claims must hold to.
pub(super) struct Check {
    /// The claim it is about.
    pub(super) name: &'static str,
    /// Whether they do.
    pub(super) holds: fn(&Claims, &Settings, Timestamp) -> Result<(), Refusal>,
}

/// Everything that claims must hold to, in the order it is looked at.
pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "exp",
        holds: not_expired,
    },
    Check {
        name: "nbf",
        holds: not_early,
    },
    Check {
        name: "iss",
        holds: from_issuer,
    },
    Check {
        name: "aud",
        holds: for_us,
    },
    Check {
        name: "sub",
        holds: names_user,
    },
];

/// Who the bearer of proven claims is.
pub(super) fn identify(
    claims: Claims,
    settings: &Settings,
    now: Timestamp,
) -> Result<Identity, Refusal> {
    for check in CHECKS {
        (check.holds)(&claims, settings, now)?;
    }
    Ok(Identity::new(claims, settings, now))
}

fn not_expired(claims: &Claims, settings: &Settings, now: Timestamp) -> Result<(), Refusal> {
    let at = date(claims, "exp")?.ok_or(Refusal::Missing("exp"))?;
    match now < later(at, settings.leeway) {
        true => Ok(()),
        false => Err(Refusal::Expired {
            at,
            ago: seconds(now.duration_since(at)),
        }),
    }
}

fn not_early(claims: &Claims, settings: &Settings, now: Timestamp) -> Result<(), Refusal> {
    match date(claims, "nbf")? {
        Some(at) if at > later(now, settings.leeway) => Err(Refusal::NotYet {
            at,
            until: seconds(at.duration_since(now)),
        }),
        _ => Ok(()),
    }
}

fn from_issuer(claims: &Claims, settings: &Settings, _: Timestamp) -> Result<(), Refusal> {
    if settings.issuer.is_empty() {
        return Ok(());
    }
    let issuer = claims.get("iss").ok_or(Refusal::Missing("iss"))?;
    match *issuer == settings.issuer {
        true => Ok(()),
        false => Err(wrong("iss", issuer, format!("{:?}", settings.issuer))),
    }
}

/// RFC 7519, 4.1.3: who is not named by `aud`, where there is one, must refuse.
fn for_us(claims: &Claims, settings: &Settings, _: Timestamp) -> Result<(), Refusal> {
    let Some(audience) = claims.get("aud") else {
        return match settings.audience.is_empty() {
            true => Ok(()),
            false => Err(Refusal::Missing("aud")),
        };
    };
    let is_list_of_texts = |list: &Vec<Value>| list.iter().all(Value::is_string);
    if !(audience.is_string() || audience.as_array().is_some_and(is_list_of_texts)) {
        return Err(wrong("aud", audience, "a text or a list of texts".into()));
    }
    if settings.audience.is_empty() {
        return Err(Refusal::Audience(shown_value(audience)));
    }
    match settings
        .audience
        .iter()
        .any(|ours| claims.has_text("aud", ours))
    {
        true => Ok(()),
        false => {
            let ours: Vec<_> = settings
                .audience
                .iter()
                .map(|ours| format!("{ours:?}"))
                .collect();
            Err(wrong(
                "aud",
                audience,
                format!("or hold {}", ours.join(" or ")),
            ))
        }
    }
}

fn names_user(claims: &Claims, _: &Settings, _: Timestamp) -> Result<(), Refusal> {
    let subject = claims.get("sub").ok_or(Refusal::Missing("sub"))?;
    let is_name = |text: &str| {
        !text.is_empty() && text.len() <= MAX_SUBJECT && !text.chars().any(char::is_control)
    };
    match subject.as_str().is_some_and(is_name) {
        true => Ok(()),
        false => {
            let wanted = format!("a text of 1 to {MAX_SUBJECT} bytes");
            Err(wrong("sub", subject, wanted))
        }
    }
}

/// A date in seconds since 1970, if the claim is there. Anything but a number is refused, and so is a
/// number that is no date: milliseconds would make a token that never expires.
pub(super) fn date(claims: &Claims, name: &'static str) -> Result<Option<Timestamp>, Refusal> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let seconds = value
        .as_i64()
        .or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64));
    let date = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    match date {
        Some(date) => Ok(Some(date)),
        None => Err(wrong(name, value, "a number: seconds since 1970".into())),
    }
}

/// Without what nobody wants to read.
pub(super) fn seconds(span: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(span.as_secs())
}

/// `time` and `span`, or the end of time.
fn later(time: Timestamp, span: SignedDuration) -> Timestamp {
    time.checked_add(span).unwrap_or(Timestamp::MAX)
}

fn wrong(claim: &'static str, found: &Value, wanted: String) -> Refusal {
    Refusal::Wrong {
        claim,
        found: shown_value(found),
        wanted,
    }
}

/// What a claim says, short and harmless.
pub(super) fn shown_value(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text),
        other => {
            let quoted = shown(&other.to_string());
            quoted.trim_matches('"').replace("\\\"", "\"")
        }
    }
}
