use std::{fmt, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;

use super::Claims;

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
    times: Times,
}

/// When a token was made and shown, and until when it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) issued_at: Option<Timestamp>,
    pub(super) verified_at: Timestamp,
    pub(super) expires_at: Timestamp,
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
        self.facts.times.issued_at
    }

    /// When it was shown here.
    pub fn verified_at(&self) -> Timestamp {
        self.facts.times.verified_at
    }

    /// From when on this holds no longer: what the token says, and the leeway.
    pub fn expires_at(&self) -> Timestamp {
        self.facts.times.expires_at
    }

    pub(super) fn new(user: Arc<str>, claims: Claims, times: Times) -> Self {
        let claims_json = claims.to_json();
        let facts = Facts {
            user,
            digest: sha256(claims_json.as_bytes()),
            claims_json,
            claims,
            times,
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
            .field("expires_at", &self.facts.times.expires_at)
            .finish_non_exhaustive()
    }
}
