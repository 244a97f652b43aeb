//! Access: who somebody is, and which rooms they may join.
//!
//! A token (JWT) proves who somebody is: [`Access::verify`] makes an [`Identity`] of it, or a [`Refusal`].
//! Rules say who may join which room: [`Access::decide`]. Everything is denied that no rule allows.
//!
//! `token` and `checks` decide about tokens, `keys` and `jwks` about keys, `pattern` and `rules` about rooms: from data
//! and `now`, without a clock, a socket or a wait. `keyset` and `fetch` get keys that issuers publish.
//! `revocations`, `answers` and `changes` are what a running daemon remembers, `database` asks the questions of
//! rules with `sql`, `queue` says whose turn it is, `permission` what came of it, and [`Guard`] is all of it as
//! sessions use it.
//! What a decision costs is paid when somebody joins, never when something is told.

mod answers;
mod changes;
mod checks;
mod claims;
mod config;
mod database;
mod explain;
mod fetch;
mod guard;
mod identity;
mod jwks;
mod keys;
mod keyset;
mod material;
mod pattern;
mod permission;
mod queue;
mod refusal;
mod revocations;
mod rules;
mod sign;
mod sql;
mod token;

use std::sync::Arc;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

pub use claims::Claims;
pub use config::{Config, Everybody, JwksConfig, KeyConfig, RoomRule, SqlConfig, TokensConfig};
pub use database::Link;
pub use explain::{Explanation, RuleStep, Step};
pub use guard::Guard;
pub use identity::Identity;
/// A way of signing, as in `alg`.
pub use jsonwebtoken::Algorithm;
pub use permission::{AT_ONCE, Permission};
pub use refusal::{Refusal, RefusalCode};
pub use revocations::MOST_REVOKED;
pub use rules::{Decision, Question};
pub use sign::{NoSigner, Signer};
pub use token::MAX_TOKEN_SIZE;

use crate::room::Room;
use checks::Settings;
use keys::Key;
use keyset::KeySet;
use rules::Rules;
use token::Unproven;

/// Furthest that clocks may be apart: beyond that, something is wrong with one.
const MAX_LEEWAY: SignedDuration = SignedDuration::from_mins(5);

/// Decides who may do what. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Access {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    is_open: bool,
    settings: Settings,
    keys: Vec<Key>,
    sets: Vec<KeySet>,
    rules: Rules,
}

/// A part of the configuration that cannot work. Never has a secret in it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{key} {reason}")]
pub struct Invalid {
    /// Which key.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Invalid {
    fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            reason: reason.into(),
        }
    }
}

impl Access {
    /// Compiles the rules and reads the keys. Starts nothing: [`keep_keys`](Self::keep_keys) fetches what
    /// issuers publish.
    pub fn new(config: &Config) -> Result<Self, Invalid> {
        let sets = config.tokens.jwks.iter().enumerate();
        let inner = Inner {
            is_open: config.open,
            settings: settings(config)?,
            keys: material::keys(&config.tokens.keys)?,
            sets: sets
                .map(|(place, set)| KeySet::new(place, set))
                .collect::<Result<_, _>>()?,
            rules: Rules::new(config)?,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Whether every room is open to everybody.
    pub fn is_open(&self) -> bool {
        self.inner.is_open
    }

    /// Whether there is any key to check a token with.
    pub fn has_keys(&self) -> bool {
        !(self.inner.keys.is_empty() && self.inner.sets.is_empty())
    }

    /// Whether there is any rule.
    pub fn has_rules(&self) -> bool {
        self.inner.rules.len() > 0
    }

    /// Who a token says its bearer is. Waits only for keys that are published and not known yet, and a
    /// few seconds at most.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, Refusal> {
        let unproven = Unproven::read(token)?;
        if let Err(refusal) = self.signer(&unproven) {
            if !self.has_newer_keys(&unproven, &refusal).await {
                return Err(refusal);
            }
            self.signer(&unproven)?;
        }
        checks::identify(unproven.claims()?, &self.inner.settings, now)
    }

    /// Whether somebody may join a room; `None` is somebody without a token.
    pub fn decide(&self, identity: Option<&Identity>, room: &Room) -> Decision {
        if room.is_reserved() {
            return Decision::Deny;
        }
        if self.inner.is_open {
            return Decision::Allow;
        }
        self.inner.rules.decide(identity, room)
    }

    /// Fetches published keys whenever it is time, until dropped. Without it, tokens that need them are
    /// refused.
    pub async fn keep_keys(&self) {
        join_all(self.inner.sets.iter().map(KeySet::keep)).await;
    }

    /// Fetches published keys once.
    pub async fn fetch_keys(&self) {
        join_all(self.inner.sets.iter().map(KeySet::fetch)).await;
    }

    fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    fn rules(&self) -> &Rules {
        &self.inner.rules
    }

    /// The algorithm and the origin of the key that signed a token.
    fn signer(&self, token: &Unproven<'_>) -> Result<(Algorithm, Arc<str>), Refusal> {
        let algorithm = self.algorithm_of(token)?;
        let published: Vec<_> = self.sets_for(algorithm).filter_map(KeySet::keys).collect();
        let keys = self.keys_and(&published);
        match token.signer(algorithm, &keys) {
            Ok(key) => Ok((algorithm, key.origin.clone())),
            Err(refusal) if token.names_one_of(algorithm, &keys) => Err(refusal),
            Err(refusal) => match self.sets_for(algorithm).find(|set| set.keys().is_none()) {
                Some(unknown) => Err(Refusal::NoKeysYet(unknown.url.clone())),
                None => Err(refusal),
            },
        }
    }

    /// Whether keys came that could have signed a token of which none that is known has. Only a token
    /// that names another key, or keys that never came, are worth a fetch.
    async fn has_newer_keys(&self, token: &Unproven<'_>, refusal: &Refusal) -> bool {
        let Ok(algorithm) = self.algorithm_of(token) else {
            return false;
        };
        let published: Vec<_> = self.sets_for(algorithm).filter_map(KeySet::keys).collect();
        let is_known =
            token.key_id.is_none() || token.names_one_of(algorithm, &self.keys_and(&published));
        if is_known && !matches!(refusal, Refusal::NoKeysYet(_)) {
            return false;
        }
        let newer = join_all(self.sets_for(algorithm).map(KeySet::newer)).await;
        newer.contains(&true)
    }

    fn keys_and<'k>(&'k self, published: &'k [Arc<[Key]>]) -> Vec<&'k Key> {
        let published = published.iter().flat_map(|keys| keys.iter());
        self.inner.keys.iter().chain(published).collect()
    }

    fn algorithm_of(&self, token: &Unproven<'_>) -> Result<Algorithm, Refusal> {
        let published = self.inner.sets.iter().flat_map(|set| &set.algorithms);
        let own = self.inner.keys.iter().map(|key| &key.algorithm);
        token.algorithm_of(own.chain(published).copied())
    }

    fn sets_for(&self, algorithm: Algorithm) -> impl Iterator<Item = &KeySet> {
        let sets = self.inner.sets.iter();
        sets.filter(move |set| set.algorithms.contains(&algorithm))
    }
}

/// How many keys of a published set can be used here, of any algorithm: for tests that publish anything.
#[cfg(feature = "sabotage")]
pub fn keys_in(json: &[u8]) -> Result<usize, String> {
    let every = [
        Algorithm::RS256,
        Algorithm::PS512,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::EdDSA,
    ];
    let set = jwks::read("a test", json, &every);
    set.map(|set| set.keys.len()).map_err(|bad| bad.to_string())
}

fn settings(config: &Config) -> Result<Settings, Invalid> {
    let tokens = &config.tokens;
    let invalid = |name: &str, reason: &str| Invalid::new(format!("access.tokens.{name}"), reason);
    let leeway = SignedDuration::try_from(tokens.leeway)
        .ok()
        .filter(|leeway| *leeway <= MAX_LEEWAY)
        .ok_or_else(|| invalid("leeway", "must be at most 5m: set the clocks instead"))?;
    if tokens.audience.iter().any(String::is_empty) {
        return Err(invalid("audience", "has an empty entry"));
    }
    if tokens.roles_claim.iter().any(String::is_empty) {
        return Err(invalid("roles_claim", "has an empty entry"));
    }
    if !tokens.jwks.is_empty() && (tokens.issuer.is_empty() || tokens.audience.is_empty()) {
        let reason = "needs access.tokens.issuer and access.tokens.audience: whoever publishes keys \
                      signs tokens for others too";
        return Err(invalid("jwks", reason));
    }
    Ok(Settings {
        issuer: tokens.issuer.clone(),
        audience: tokens.audience.clone(),
        leeway,
    })
}

#[cfg(test)]
mod tests;
