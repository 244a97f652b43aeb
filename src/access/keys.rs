//! Keys that tokens are checked with. Each has one algorithm, fixed when it is made: what a token says
//! about its algorithm is compared with that and never used.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    AlgorithmFamily, DecodingKey,
    crypto::verify,
    jwk::{AlgorithmParameters, Jwk},
};

use super::Algorithm;

/// RSA keys that are shorter, in bytes, can be broken.
const MIN_RSA_MODULUS: usize = 256;

/// A key, its algorithm and its name.
#[derive(Clone)]
pub(super) struct Key {
    /// Where it comes from, for explanations: `access.tokens.keys.0`.
    pub(super) origin: Arc<str>,
    /// The `kid` of tokens that are signed with it.
    pub(super) id: Option<Arc<str>>,
    /// The only algorithm it is used with.
    pub(super) algorithm: Algorithm,
    key: DecodingKey,
}

/// Why something is no key for an algorithm.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum BadKey {
    #[error("has {0} bytes, and {1:?} needs at least {2}: openssl rand -base64 {2} makes one")]
    ShortSecret(usize, Algorithm, usize),
    #[error("is a private key, which pgbell must not have; give it the public one")]
    Private,
    #[error("is no PEM text with a public key (-----BEGIN PUBLIC KEY-----)")]
    NotPem,
    #[error("is no key for {0:?}")]
    OtherKind(Algorithm),
    #[error("is an RSA key of less than 2048 bits")]
    ShortRsa,
}

impl Key {
    /// A shared secret.
    pub(super) fn from_secret(
        origin: &str,
        id: Option<&str>,
        algorithm: Algorithm,
        secret: &[u8],
    ) -> Result<Self, BadKey> {
        let least = min_secret(algorithm).ok_or(BadKey::OtherKind(algorithm))?;
        if secret.len() < least {
            return Err(BadKey::ShortSecret(secret.len(), algorithm, least));
        }
        Ok(Self::new(
            origin,
            id,
            algorithm,
            DecodingKey::from_secret(secret),
        ))
    }

    /// A public key as PEM text.
    pub(super) fn from_pem(
        origin: &str,
        id: Option<&str>,
        algorithm: Algorithm,
        pem: &str,
    ) -> Result<Self, BadKey> {
        if pem.contains("PRIVATE KEY-----") {
            return Err(BadKey::Private);
        }
        // A certificate would do for the parser below, which takes the first thing in it for the key.
        let is_key = [
            "-----BEGIN PUBLIC KEY-----",
            "-----BEGIN RSA PUBLIC KEY-----",
        ];
        if !is_key.iter().any(|label| pem.contains(label)) {
            return Err(BadKey::NotPem);
        }
        let parsed = match algorithm.family() {
            AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(pem.as_bytes()),
            AlgorithmFamily::Ec => DecodingKey::from_ec_pem(pem.as_bytes()),
            AlgorithmFamily::Ed => DecodingKey::from_ed_pem(pem.as_bytes()),
            AlgorithmFamily::Hmac => return Err(BadKey::OtherKind(algorithm)),
        };
        let key = parsed.map_err(|_| BadKey::OtherKind(algorithm))?;
        let jwk = Jwk::from_decoding_key(&key, None).map_err(|_| BadKey::OtherKind(algorithm))?;
        check_public(&jwk.algorithm, algorithm)?;
        Ok(Self::new(origin, id, algorithm, key))
    }

    /// A public key of a JWKS.
    pub(super) fn from_jwk(
        origin: &str,
        id: Option<&str>,
        algorithm: Algorithm,
        jwk: &Jwk,
    ) -> Result<Self, BadKey> {
        check_public(&jwk.algorithm, algorithm)?;
        let key = DecodingKey::from_jwk(jwk).map_err(|_| BadKey::OtherKind(algorithm))?;
        Ok(Self::new(origin, id, algorithm, key))
    }

    fn new(origin: &str, id: Option<&str>, algorithm: Algorithm, key: DecodingKey) -> Self {
        Self {
            origin: origin.into(),
            id: id.map(Arc::from),
            algorithm,
            key,
        }
    }

    /// Whether `signature`, as it stands in a token, is this key's under `message`.
    pub(super) fn verifies(&self, message: &str, signature: &str) -> bool {
        let outcome = verify(signature, message.as_bytes(), &self.key, self.algorithm);
        outcome.unwrap_or(false)
    }

    /// Whether it is a secret that signer and verifier share.
    pub(super) fn is_shared(&self) -> bool {
        is_shared(self.algorithm)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("origin", &self.origin)
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Whether the algorithm signs and verifies with the same secret.
pub(super) fn is_shared(algorithm: Algorithm) -> bool {
    algorithm.family() == AlgorithmFamily::Hmac
}

/// RFC 7518, 3.2: a secret is at least as long as the hash.
fn min_secret(algorithm: Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::HS256 => Some(32),
        Algorithm::HS384 => Some(48),
        Algorithm::HS512 => Some(64),
        _ => None,
    }
}

/// The algorithms that a published key could be used with.
pub(super) fn fitting(key: &AlgorithmParameters) -> &'static [Algorithm] {
    use jsonwebtoken::jwk::EllipticCurve::{Ed25519, P256, P384};
    match key {
        AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa.algorithms(),
        AlgorithmParameters::EllipticCurve(key) if key.curve == P256 => &[Algorithm::ES256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == P384 => &[Algorithm::ES384],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == Ed25519 => &[Algorithm::EdDSA],
        _ => &[],
    }
}

fn check_public(key: &AlgorithmParameters, algorithm: Algorithm) -> Result<(), BadKey> {
    if !fitting(key).contains(&algorithm) {
        return Err(BadKey::OtherKind(algorithm));
    }
    let AlgorithmParameters::RSA(rsa) = key else {
        return Ok(());
    };
    let modulus = URL_SAFE_NO_PAD.decode(&rsa.n).unwrap_or_default();
    let bytes = modulus.iter().skip_while(|byte| **byte == 0).count();
    match bytes < MIN_RSA_MODULUS {
        true => Err(BadKey::ShortRsa),
        false => Ok(()),
    }
}
