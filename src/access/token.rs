//! Tokens: from a text to claims that somebody has signed.
//!
//! The order matters: size, form, key, signature, and only then, in `checks`, what the token claims. Until
//! the signature holds, its words are a stranger's. Of the header, `alg` and `kid` are compared with what
//! is known here; `jku`, `jwk`, `x5u` and the like are not even read.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

use super::{Algorithm, Claims, Refusal, keys::Key, refusal::shown};

/// Longest token that is looked at, in bytes.
pub const MAX_TOKEN_SIZE: usize = 8 * 1024;

/// Longest `kid`, in bytes.
const MAX_KEY_ID: usize = 256;

/// Most keys that are tried for one token: a signature costs what a request costs.
const MAX_TRIES: usize = 4;

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
