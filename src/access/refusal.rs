//! Why a token is not accepted: in few words for its bearer, in clear ones for the operator.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Algorithm, token::MAX_TOKEN_SIZE};

/// Why a token is not accepted.
///
/// The text is for operators: it names what was expected. Clients are told the [`code`](Self::code) and
/// no more.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Longer than [`MAX_TOKEN_SIZE`].
    #[error("has {0} bytes; more than {MAX_TOKEN_SIZE} are not looked at")]
    TooLarge(usize),
    /// Not three parts in base64url with JSON objects in the first two.
    #[error("is no JWT: {0}")]
    Malformed(&'static str),
    /// The header has `crit`: extensions that whoever does not know them must refuse.
    #[error("names extensions in crit, none of which is known here")]
    Critical,
    /// No key is used with this algorithm.
    #[error("is signed with {0}, which no key of access.tokens is used with")]
    Algorithm(String),
    /// There is no such key.
    #[error("{0}")]
    UnknownKey(String),
    /// More than a few keys could be meant, and each costs time.
    #[error(
        "has no kid, or one that several keys share, and {0} keys could be meant; give keys an id of their own"
    )]
    ManyKeys(usize),
    /// The keys could not be fetched yet, or not for too long.
    #[error("cannot be checked, because the keys of {0} could not be fetched")]
    NoKeysYet(String),
    /// Signed by somebody else, or changed since.
    #[error("has a signature that is not by {0}")]
    Signature(String),
    /// A claim that must be there is not.
    #[error("has no {0}")]
    Missing(&'static str),
    /// A claim has the wrong type or an impossible value.
    #[error("has {claim} {found}, which must be {wanted}")]
    Wrong {
        /// Its name.
        claim: &'static str,
        /// What there is.
        found: String,
        /// What there must be.
        wanted: String,
    },
    /// Meant for somebody, while the configuration does not say who we are.
    #[error("is meant for {0} (aud), and access.tokens.audience does not say that this is here")]
    Audience(String),
    /// Its time is over.
    #[error("expired at {at} (exp), {ago:#} ago")]
    Expired {
        /// When.
        at: Timestamp,
        /// Since when.
        ago: SignedDuration,
    },
    /// Its time has not come.
    #[error("is not valid before {at} (nbf), in {until:#}")]
    NotYet {
        /// When.
        at: Timestamp,
        /// Until when.
        until: SignedDuration,
    },
}

/// What clients are told of a [`Refusal`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RefusalCode {
    /// Another token is needed.
    Unauthorized,
    /// A newer token is needed.
    TokenExpired,
    /// The same token may be accepted later.
    NotReady,
}

impl Refusal {
    /// What clients are told.
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::Expired { .. } => RefusalCode::TokenExpired,
            Self::NoKeysYet(_) => RefusalCode::NotReady,
            _ => RefusalCode::Unauthorized,
        }
    }

    pub(super) fn unknown_key(algorithm: Algorithm, id: Option<&str>) -> Self {
        Self::UnknownKey(match id {
            Some(id) => format!(
                "is signed with key {} ({algorithm:?}), which is not known",
                shown(id)
            ),
            None => format!("names no key (kid), and all keys for {algorithm:?} have an id"),
        })
    }
}

impl RefusalCode {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::TokenExpired => "token_expired",
            Self::NotReady => "not_ready",
        }
    }
}

/// Longest piece of a token that an explanation shows, in characters.
const MOST_SHOWN: usize = 64;

/// What somebody else wrote, in quotes, made harmless for logs and terminals.
pub(super) fn shown(text: &str) -> String {
    let quoted: String = text
        .chars()
        .take(MOST_SHOWN)
        .flat_map(char::escape_debug)
        .collect();
    let more = if text.chars().nth(MOST_SHOWN).is_some() {
        "…"
    } else {
        ""
    };
    format!("\"{quoted}\"{more}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_short_and_harmless() {
        assert_eq!(shown("a\n\u{1b}[31m\"b"), r#""a\n\u{1b}[31m\"b""#);
        let long = shown(&"x".repeat(9_999));
        assert_eq!(long.chars().count(), MOST_SHOWN + 3);
    }
}
