use std::{fmt, sync::Arc};

use jiff::Timestamp;

use super::Claims;

/// Who somebody is, as a token proves. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    user: Arc<str>,
    claims: Arc<Claims>,
    claims_json: Arc<str>,
    expires_at: Timestamp,
}

impl Identity {
    /// The subject of the token.
    pub fn user(&self) -> &Arc<str> {
        &self.user
    }

    /// Everything that the token claims.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The same as JSON, for `request.jwt.claims`.
    pub fn claims_json(&self) -> &Arc<str> {
        &self.claims_json
    }

    /// From when on this holds no longer: what the token says, and the leeway.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    pub(super) fn new(user: Arc<str>, claims: Claims, expires_at: Timestamp) -> Self {
        Self {
            user,
            claims_json: claims.to_json().into(),
            claims: Arc::new(claims),
            expires_at,
        }
    }
}

/// Without what the token claims: that is about a person.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("user", &self.user)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
