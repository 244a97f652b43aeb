//! Signing, for `pgbell token new`. The daemon never signs.

use std::{fs, path::Path};

use jsonwebtoken::{AlgorithmFamily, EncodingKey, Header, encode};
use serde_json::{Map, Value};

use super::{
    Algorithm,
    config::{Config, KeyConfig},
    material,
};

/// Signs tokens that the configuration accepts.
#[derive(Debug)]
pub struct Signer {
    algorithm: Algorithm,
    id: Option<String>,
    key: EncodingKey,
}

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
pub enum NoSigner {
    /// No key of the configuration is a secret.
    #[error(
        "access.tokens.keys has no secret to sign with. For development: \
         keys = [{{ algorithm = \"HS256\", secret = \"…\" }}], with what openssl rand -base64 32 prints; \
         or name the private key of a public one with --private-key"
    )]
    NoSecret,
    /// No key of the configuration has an algorithm for which this could be the private key.
    #[error("access.tokens.keys has no public key that this private key could belong to")]
    NoPublicKey,
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// Signing failed.
    #[error("cannot sign: {0}")]
    Failed(String),
}

impl Signer {
    /// Signs with the first secret of the configuration.
    pub fn with_secret(config: &Config) -> Result<Self, NoSigner> {
        let mut keys = config.tokens.keys.iter();
        let key = keys.find(|key| key.secret.is_some() || key.secret_file.is_some());
        let key = key.ok_or(NoSigner::NoSecret)?;
        let secret = material::secret(key).map_err(|(_, reason)| NoSigner::Unreadable(reason))?;
        Ok(Self::new(key, EncodingKey::from_secret(&secret)))
    }

    /// Signs with a private key (PEM) as the first key of the configuration of its kind would want it.
    pub fn with_private_key(config: &Config, file: &Path) -> Result<Self, NoSigner> {
        let pem = fs::read(file).map_err(|error| {
            NoSigner::Unreadable(format!("cannot read {}: {error}", file.display()))
        })?;
        let parsed = |algorithm: Algorithm| match algorithm.family() {
            AlgorithmFamily::Rsa => EncodingKey::from_rsa_pem(&pem).ok(),
            AlgorithmFamily::Ec => EncodingKey::from_ec_pem(&pem).ok(),
            AlgorithmFamily::Ed => EncodingKey::from_ed_pem(&pem).ok(),
            AlgorithmFamily::Hmac => None,
        };
        let mut keys = config.tokens.keys.iter();
        keys.find_map(|key| Some(Self::new(key, parsed(key.algorithm)?)))
            .ok_or(NoSigner::NoPublicKey)
    }

    fn new(key: &KeyConfig, signing: EncodingKey) -> Self {
        Self {
            algorithm: key.algorithm,
            id: key.id.clone(),
            key: signing,
        }
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Map<String, Value>) -> Result<String, NoSigner> {
        let header = Header {
            kid: self.id.clone(),
            ..Header::new(self.algorithm)
        };
        encode(&header, claims, &self.key).map_err(|error| NoSigner::Failed(error.to_string()))
    }
}
