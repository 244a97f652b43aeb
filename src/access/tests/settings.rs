//! Configurations that cannot work, and what is said of them.

use std::path::PathBuf;

use serde_json::json;

use super::keyring::*;
use crate::{
    access::{Access, Algorithm, Config, JwksConfig, KeyConfig, Signer},
    secret::Secret,
};

fn with_secret(algorithm: Algorithm, secret: &str) -> KeyConfig {
    KeyConfig {
        secret: Some(Secret::new(secret)),
        public_key: None,
        ..key(algorithm, None)
    }
}

fn with_pem(algorithm: Algorithm, pem: &str) -> KeyConfig {
    KeyConfig {
        public_key: Some(pem.into()),
        secret: None,
        ..key(algorithm, None)
    }
}

fn file(text: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("a file");
    file
}

fn refused(config: &Config, key: &str, reason: &str) {
    let invalid = Access::new(config).expect_err(reason);
    assert_eq!(invalid.key, key, "{invalid}");
    assert!(invalid.reason.contains(reason), "{invalid}");
    assert!(!invalid.to_string().contains('\n'), "{invalid}");
    assert!(!invalid.to_string().contains(&SECRET[..16]), "{invalid}");
}

#[test]
fn a_secret_is_as_long_as_the_hash() {
    for (algorithm, least) in [
        (Algorithm::HS256, 32),
        (Algorithm::HS384, 48),
        (Algorithm::HS512, 64),
    ] {
        let enough = with_secret(algorithm, &SECRET[..least]);
        assert!(Access::new(&config(vec![enough])).is_ok(), "{algorithm:?}");
        let short = with_secret(algorithm, &SECRET[..least - 1]);
        let reason = format!("needs at least {least}");
        refused(&config(vec![short]), "access.tokens.keys.0.secret", &reason);
    }
}

#[test]
fn a_key_is_of_the_kind_that_its_algorithm_wants() {
    let place = "access.tokens.keys.0.public_key";
    for (algorithm, pem, reason) in [
        (Algorithm::RS256, &RSA.private, "is a private key"),
        (Algorithm::ES256, &P256.private, "is a private key"),
        (Algorithm::RS256, &P256.public, "is no key for RS256"),
        (Algorithm::ES256, &RSA.public, "is no key for ES256"),
        (Algorithm::ES256, &P384.public, "is no key for ES256"),
        (Algorithm::ES384, &P256.public, "is no key for ES384"),
        (Algorithm::EdDSA, &P256.public, "is no key for EdDSA"),
        (Algorithm::HS256, &RSA.public, "is no key for HS256"),
        (Algorithm::RS256, &"hello".to_owned(), "is no PEM text"),
        (
            Algorithm::RS256,
            &RSA.public.replace("PUBLIC KEY", "CERTIFICATE"),
            "is no PEM text",
        ),
        (
            Algorithm::RS256,
            &RSA.public[..120].to_owned(),
            "is no key for RS256",
        ),
    ] {
        refused(&config(vec![with_pem(algorithm, pem)]), place, reason);
    }
    let secret = with_secret(Algorithm::RS256, SECRET);
    refused(
        &config(vec![secret]),
        "access.tokens.keys.0.secret",
        "is no key for RS256",
    );
}

#[test]
fn a_key_has_one_source_and_an_id_of_its_own() {
    let entry = "access.tokens.keys.0";
    let mut both = key(Algorithm::HS256, None);
    both.public_key = Some(RSA.public.clone());
    refused(&config(vec![both]), entry, "exactly one of");
    let mut none = key(Algorithm::HS256, None);
    none.secret = None;
    refused(&config(vec![none]), entry, "exactly one of");
    let unnamed = key(Algorithm::HS256, Some(""));
    refused(
        &config(vec![unnamed]),
        "access.tokens.keys.0.id",
        "is empty",
    );
    let confusable = vec![
        key(Algorithm::RS256, Some("k")),
        key(Algorithm::HS256, Some("k")),
    ];
    refused(
        &config(confusable),
        "access.tokens.keys.1.id",
        "of a secret and of a public key",
    );
}

#[test]
fn keys_may_be_in_files() {
    let mut missing = key(Algorithm::HS256, None);
    missing.secret = None;
    missing.secret_file = Some(PathBuf::from("/nonexistent/secret"));
    refused(
        &config(vec![missing.clone()]),
        "access.tokens.keys.0.secret_file",
        "cannot read /nonexistent/secret",
    );
    let mut folder = key(Algorithm::RS256, None);
    folder.public_key = None;
    folder.public_key_file = Some(PathBuf::from("/"));
    refused(
        &config(vec![folder.clone()]),
        "access.tokens.keys.0.public_key_file",
        "cannot read /",
    );

    let secret = file(format!("{SECRET}\n").as_bytes());
    let public = file(RSA.public.as_bytes());
    missing.secret_file = Some(secret.path().into());
    folder.public_key_file = Some(public.path().into());
    let access = access(vec![missing, folder]);
    assert!(
        access
            .explain(&signed(&good_claims()), now())
            .outcome
            .is_ok()
    );
    let rsa = signed_with(&json!({"alg": "RS256"}), &good_claims(), Algorithm::RS256);
    assert!(access.explain(&rsa, now()).outcome.is_ok());

    let short = file(format!("{}\r\n", &SECRET[..31]).as_bytes());
    let mut key = key(Algorithm::HS256, None);
    key.secret = None;
    key.secret_file = Some(short.path().into());
    refused(
        &config(vec![key]),
        "access.tokens.keys.0.secret_file",
        "has 31 bytes",
    );
}

#[test]
fn published_keys_come_encrypted_from_an_issuer_that_is_named() {
    let jwks = |url: &str| JwksConfig {
        url: url.into(),
        algorithms: vec![Algorithm::RS256],
        ca_file: None,
    };
    let with = |jwks: JwksConfig| {
        let mut config = config(vec![]);
        config.tokens.jwks = vec![jwks];
        config
    };
    for url in [
        "https://auth.example.com/jwks.json",
        "https://auth.example.com:8443",
        "http://127.0.0.1:9/keys",
        "http://[::1]:9/keys",
        "http://localhost/keys",
    ] {
        assert!(Access::new(&with(jwks(url))).is_ok(), "{url}");
    }
    for (url, reason) in [
        ("http://auth.example.com/jwks.json", "is not encrypted"),
        ("http://127.0.0.1.evil.net/", "is not encrypted"),
        ("http://localhost@evil.net/", "has a user or password"),
        (
            "https://u:hunter2@auth.example.com/",
            "has a user or password",
        ),
        ("ftp://auth.example.com/", "is neither https nor http"),
        ("file:///etc/passwd", "is no URL"),
        ("/jwks.json", "is no URL with a host"),
        ("", "is no URL"),
    ] {
        let config = with(jwks(url));
        refused(&config, "access.tokens.jwks.0.url", reason);
        assert!(
            !Access::new(&config)
                .expect_err(url)
                .to_string()
                .contains("hunter2")
        );
    }
    let https = || jwks("https://auth.example.com/");
    let shared = JwksConfig {
        algorithms: vec![Algorithm::RS256, Algorithm::HS256],
        ..https()
    };
    refused(
        &with(shared),
        "access.tokens.jwks.0.algorithms",
        "a secret that is published",
    );
    let none = JwksConfig {
        algorithms: vec![],
        ..https()
    };
    refused(&with(none), "access.tokens.jwks.0.algorithms", "lists none");
    let missing = JwksConfig {
        ca_file: Some("/nonexistent/ca.pem".into()),
        ..https()
    };
    refused(
        &with(missing),
        "access.tokens.jwks.0.ca_file",
        "cannot read /nonexistent/ca.pem",
    );
    let empty = file(b"");
    let empty = JwksConfig {
        ca_file: Some(empty.path().into()),
        ..https()
    };
    refused(
        &with(empty),
        "access.tokens.jwks.0.ca_file",
        "has no certificate",
    );
    let mut nameless = with(https());
    nameless.tokens.issuer.clear();
    refused(
        &nameless,
        "access.tokens.jwks",
        "needs access.tokens.issuer and",
    );
    let mut nameless = with(https());
    nameless.tokens.audience.clear();
    refused(
        &nameless,
        "access.tokens.jwks",
        "needs access.tokens.issuer and",
    );
}

#[test]
fn settings_of_tokens_make_sense() {
    let mut far = config(vec![]);
    far.tokens.leeway = std::time::Duration::from_secs(301);
    refused(&far, "access.tokens.leeway", "at most 5m");
    let mut empty = config(vec![]);
    empty.tokens.audience.push(String::new());
    refused(&empty, "access.tokens.audience", "empty entry");
    let mut empty = config(vec![]);
    empty.tokens.roles_claim.push(String::new());
    refused(&empty, "access.tokens.roles_claim", "empty entry");
}

#[test]
fn what_is_signed_for_development_is_accepted() {
    let claims = good_claims();
    let claims = claims.as_object().expect("an object");
    let config = config(vec![
        key(Algorithm::ES256, Some("es")),
        key(Algorithm::HS512, Some("hs")),
    ]);
    let access = Access::new(&config).expect("valid");
    let accepted = |signer: Signer| {
        let token = signer.sign(claims).expect("a token");
        access.explain(&token, now()).outcome.expect("accepted")
    };
    accepted(Signer::with_secret(&config).expect("a secret"));
    let private = file(P256.private.as_bytes());
    accepted(Signer::with_private_key(&config, private.path()).expect("a key"));
    let other = file(RSA.private.as_bytes());
    assert!(Signer::with_private_key(&config, other.path()).is_err());
    assert!(Signer::with_secret(&Config::default()).is_err());
    let shown = format!("{:?} {access:?}", Signer::with_secret(&config));
    assert!(!shown.contains(&SECRET[..16]), "{shown}");
}

#[test]
fn whatever_is_shared_among_sessions_can_be() {
    fn check(_: impl Send + Sync + Clone + 'static) {}
    fn check_future(_: impl Send) {}
    let access = access(vec![key(Algorithm::HS256, None)]);
    check_future(access.verify("", now()));
    check_future(access.keep_keys());
    check(access);
}
