use std::{fmt, path::PathBuf, time::Duration};

use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{SeqAccess, Visitor},
};

use super::Algorithm;
use crate::secret::Secret;

/// The `[access]` section: who may join which room.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Every room is open to everybody.
    pub open: bool,
    /// Which tokens are accepted.
    pub tokens: TokensConfig,
    /// Who may join which room: any rule that allows is enough, and without one nobody may.
    pub rooms: Vec<RoomRule>,
    /// How rules with `sql` are asked.
    pub sql: SqlConfig,
    /// A connection that has neither said who it is nor joined a room by then is closed with 4104.
    #[serde(with = "compact::required")]
    pub auth_timeout: Duration,
    /// How long tokens that were made before somebody was revoked stay refused.
    #[serde(with = "compact::required")]
    pub revoke_for: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            open: false,
            tokens: TokensConfig::default(),
            rooms: Vec::new(),
            sql: SqlConfig::default(),
            auth_timeout: Duration::from_secs(5),
            revoke_for: Duration::from_secs(24 * 3600),
        }
    }
}

/// The `[access.tokens]` section: which tokens are accepted.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokensConfig {
    /// What `iss` must be; not looked at when empty.
    pub issuer: String,
    /// What `aud` must be, or have among its entries: one of these. When empty, a token with `aud` is
    /// meant for somebody else and refused.
    #[serde(deserialize_with = "one_or_many")]
    pub audience: Vec<String>,
    /// How far the clock of the issuer may be from ours.
    #[serde(with = "compact::required")]
    pub leeway: Duration,
    /// Claims that hold the roles of the bearer: a text or a list of texts each.
    #[serde(deserialize_with = "one_or_many")]
    pub roles_claim: Vec<String>,
    /// Keys that are known beforehand.
    pub keys: Vec<KeyConfig>,
    /// Sets of keys that the issuer publishes.
    pub jwks: Vec<JwksConfig>,
}

impl Default for TokensConfig {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            audience: Vec::new(),
            leeway: Duration::from_secs(10),
            roles_claim: vec!["role".into(), "roles".into()],
            keys: Vec::new(),
            jwks: Vec::new(),
        }
    }
}

/// One of `access.tokens.keys`: exactly one of its four sources is set.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// The only algorithm that this key is used with.
    pub algorithm: Algorithm,
    /// The `kid` of tokens that are signed with it. A key without one is tried for every token of its
    /// algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// For HS256, HS384 and HS512: the secret, at least as long as the hash (32, 48, 64 bytes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// The same, from a file; one line break at its end does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// For all others: the public key as PEM text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// The same, from a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key_file: Option<PathBuf>,
}

/// One of `access.tokens.jwks`: keys that the issuer publishes and rotates.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct JwksConfig {
    /// Where: https, or http on this machine.
    pub url: String,
    /// The algorithms its keys may be used with. A key that names none gets the only one that fits it.
    #[serde(default = "usual_algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// Certificates (PEM) to trust instead of the public authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

/// One for each kind of key.
fn usual_algorithms() -> Vec<Algorithm> {
    vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]
}

/// One of `access.rooms`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoomRule {
    /// Which rooms: a name, with `{claim}` for a word that must equal a claim, or with `*` at its end.
    pub room: String,
    /// Who, without looking any further.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Everybody>,
    /// Only who has one of these roles.
    #[serde(
        deserialize_with = "one_or_many",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub role: Vec<String>,
    /// Only who this query returns a row for. Its `$1`, `$2`… are the words that stand in the room for
    /// the names in braces, which are no claims then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// Events after which those whom the query let in are asked about again: when one is told in a room,
    /// its members are.
    #[serde(
        deserialize_with = "one_or_many",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub recheck_on: Vec<String>,
}

/// Who a rule allows without looking at claims.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Everybody {
    /// Also who has no token.
    Anyone,
    /// Whoever has a token that is accepted.
    Authenticated,
}

/// The `[access.sql]` section: how rules with `sql` are asked.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SqlConfig {
    /// The role that queries of rules run as; it should be able to do nothing else.
    pub role: String,
    /// Connections that are kept for them.
    pub connections: usize,
    /// Bound on one query.
    #[serde(with = "compact::required")]
    pub timeout: Duration,
    /// How long an answer holds for the same claims and the same words.
    #[serde(with = "compact::required")]
    pub cache: Duration,
    /// Most answers that are remembered.
    pub cache_entries: usize,
    /// Most questions that wait for a connection; further ones are answered with `rate_limited`.
    pub waiting: usize,
    /// The same for the questions about one user, whose turn the others need not wait for.
    pub waiting_per_user: usize,
}

impl Default for SqlConfig {
    fn default() -> Self {
        Self {
            role: String::new(),
            connections: 2,
            timeout: Duration::from_secs(1),
            cache: Duration::from_secs(30),
            cache_entries: 10_000,
            waiting: 1_000,
            waiting_per_user: 16,
        }
    }
}

/// A list of texts, which may be written as a text where it has one entry.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct OneOrMany;

    impl<'de> Visitor<'de> for OneOrMany {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a list of texts")
        }

        fn visit_str<E>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(vec![text.into()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
            let mut texts = Vec::new();
            while let Some(text) = list.next_element()? {
                texts.push(text);
            }
            Ok(texts)
        }
    }

    deserializer.deserialize_any(OneOrMany)
}
