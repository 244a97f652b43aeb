//! Keys that are made anew for each run, and tokens signed with them.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jsonwebtoken::{EncodingKey, crypto, jwk::Jwk};
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256,
};
use serde_json::{Value, json};

use crate::{
    access::{Access, Algorithm, Config, KeyConfig, TokensConfig},
    secret::Secret,
};

pub(super) const ISSUER: &str = "https://auth.example.com";
pub(super) const AUDIENCE: &str = "pgbell";
pub(super) const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

pub(super) static RSA: LazyLock<Pair> = LazyLock::new(|| Pair::new(&PKCS_RSA_SHA256));
pub(super) static OTHER_RSA: LazyLock<Pair> = LazyLock::new(|| Pair::new(&PKCS_RSA_SHA256));
pub(super) static P256: LazyLock<Pair> = LazyLock::new(|| Pair::new(&PKCS_ECDSA_P256_SHA256));
pub(super) static P384: LazyLock<Pair> = LazyLock::new(|| Pair::new(&PKCS_ECDSA_P384_SHA384));
pub(super) static ED: LazyLock<Pair> = LazyLock::new(|| Pair::new(&PKCS_ED25519));

/// A pair of keys as PEM text.
pub(super) struct Pair {
    pub(super) private: String,
    pub(super) public: String,
}

impl Pair {
    fn new(kind: &'static rcgen::SignatureAlgorithm) -> Self {
        let pair = KeyPair::generate_for(kind).expect("a pair of keys");
        Self {
            private: pair.serialize_pem(),
            public: pair.public_key_pem(),
        }
    }

    /// The public key as an entry of a JWKS.
    pub(super) fn jwk(&self, id: &str, algorithm: Algorithm) -> Value {
        let jwk = Jwk::from_encoding_key(&signing(algorithm, self), algorithm).expect("a JWK");
        let mut jwk = serde_json::to_value(jwk).expect("JSON");
        jwk["kid"] = id.into();
        jwk["use"] = "sig".into();
        jwk
    }
}

pub(super) const ALL: [Algorithm; 12] = [
    Algorithm::HS256,
    Algorithm::HS384,
    Algorithm::HS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

pub(super) fn pair_for(algorithm: Algorithm) -> Option<&'static Pair> {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => None,
        Algorithm::ES256 => Some(&P256),
        Algorithm::ES384 => Some(&P384),
        Algorithm::EdDSA => Some(&ED),
        _ => Some(&RSA),
    }
}

fn signing(algorithm: Algorithm, pair: &Pair) -> EncodingKey {
    let pem = pair.private.as_bytes();
    let key = match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(pem),
        _ => EncodingKey::from_rsa_pem(pem),
    };
    key.expect("a private key")
}

/// A token of any parts, signed as it should be or not.
pub(super) fn forge(header: &str, claims: &str, algorithm: Algorithm, key: &EncodingKey) -> String {
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let signature = crypto::sign(message.as_bytes(), key, algorithm).expect("a signature");
    format!("{message}.{signature}")
}

pub(super) fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token with this header and these claims, signed with our own key for the algorithm.
pub(super) fn signed_with(header: &Value, claims: &Value, algorithm: Algorithm) -> String {
    let key = match pair_for(algorithm) {
        None => EncodingKey::from_secret(SECRET.as_bytes()),
        Some(pair) => signing(algorithm, pair),
    };
    forge(&header.to_string(), &claims.to_string(), algorithm, &key)
}

/// The same, signed with another pair of keys.
pub(super) fn signed_by(
    pair: &Pair,
    header: &Value,
    claims: &Value,
    algorithm: Algorithm,
) -> String {
    let key = signing(algorithm, pair);
    forge(&header.to_string(), &claims.to_string(), algorithm, &key)
}

/// A token of HS256 with these claims.
pub(super) fn signed(claims: &Value) -> String {
    signed_with(
        &json!({"alg": "HS256", "typ": "JWT"}),
        claims,
        Algorithm::HS256,
    )
}

pub(super) fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().expect("a time")
}

/// Claims that are accepted.
pub(super) fn good_claims() -> Value {
    json!({
        "sub": "9",
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": now().as_second() + 600,
        "nbf": now().as_second() - 600,
        "role": "buyer",
    })
}

/// Accepted claims with one changed; null takes it away.
pub(super) fn but(name: &str, value: Value) -> Value {
    let mut claims = good_claims();
    claims[name] = value;
    claims
}

pub(super) fn without(name: &str) -> Value {
    let mut claims = good_claims();
    claims.as_object_mut().expect("an object").remove(name);
    claims
}

pub(super) fn key(algorithm: Algorithm, id: Option<&str>) -> KeyConfig {
    let public = pair_for(algorithm).map(|pair| pair.public.clone());
    KeyConfig {
        algorithm,
        id: id.map(str::to_owned),
        secret: public.is_none().then(|| Secret::new(SECRET)),
        secret_file: None,
        public_key: public,
        public_key_file: None,
    }
}

pub(super) fn config(keys: Vec<KeyConfig>) -> Config {
    Config {
        open: false,
        tokens: TokensConfig {
            issuer: ISSUER.into(),
            audience: vec![AUDIENCE.into()],
            keys,
            ..TokensConfig::default()
        },
        ..Config::default()
    }
}

pub(super) fn access(keys: Vec<KeyConfig>) -> Access {
    Access::new(&config(keys)).expect("a valid configuration")
}
