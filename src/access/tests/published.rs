//! Keys that issuers publish: reading them, fetching them, and what floods and outages do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rcgen::{CertificateParams, CertifiedIssuer, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};

use super::keyring::*;
use crate::access::{
    Access, Algorithm, Config, JwksConfig, Refusal, RefusalCode,
    jwks::{self, Answer, BadSet, Cache, FIRST_RETRY, MAX_AGE, MAX_KEYS, REFRESH, RETRY},
    keys::Key,
};

fn set(keys: Value) -> String {
    json!({ "keys": keys }).to_string()
}

fn some_keys() -> Option<Vec<Key>> {
    let set = set(json!([P256.jwk("k", Algorithm::ES256)]));
    let set = jwks::read("set", set.as_bytes(), &[Algorithm::ES256]);
    Some(set.expect("a set").keys)
}

/// A cache that fetches as its driver would, at these moments of a flood of unknown key ids.
struct World {
    cache: Cache,
    now: Instant,
    fetches: Vec<Instant>,
}

impl World {
    fn new() -> Self {
        Self {
            cache: Cache::default(),
            now: Instant::now(),
            fetches: vec![],
        }
    }

    /// `asks` a hundred times a second for `seconds`, and lets each fetch take 300 ms.
    fn run(&mut self, seconds: u64, asks: bool, answer: fn() -> Option<Vec<Key>>) {
        let mut done = None;
        for _ in 0..seconds * 100 {
            self.now += Duration::from_millis(10);
            if asks {
                self.cache.ask(self.now);
            }
            if done.is_some_and(|done| self.now >= done) {
                self.cache.end(self.now, answer());
                done = None;
            }
            if done.is_none() && self.cache.wait(self.now).is_zero() {
                self.cache.begin(self.now);
                self.fetches.push(self.now);
                done = Some(self.now + Duration::from_millis(300));
            }
        }
    }

    fn shortest_gap(&self) -> Option<Duration> {
        self.fetches.windows(2).map(|pair| pair[1] - pair[0]).min()
    }
}

#[test]
fn a_flood_of_unknown_key_ids_causes_one_fetch_in_30_seconds() {
    let mut world = World::new();
    world.run(1, false, some_keys);
    assert_eq!(world.fetches.len(), 1, "fetched at the start");
    world.run(600, true, some_keys);
    assert_eq!(world.fetches.len(), 21);
    assert_eq!(world.shortest_gap(), Some(RETRY));
}

#[test]
fn without_a_flood_keys_are_fetched_every_ten_minutes_and_sooner_after_a_failure() {
    let mut world = World::new();
    world.run(1, false, some_keys);
    world.run(3 * REFRESH.as_secs(), false, some_keys);
    assert_eq!(world.fetches.len(), 4);
    world.run(REFRESH.as_secs(), false, || None);
    assert!(world.fetches.len() > 4);
    assert_eq!(world.shortest_gap(), Some(RETRY));
}

#[test]
fn before_the_first_success_there_are_no_keys_and_a_flood_changes_nothing() {
    let mut world = World::new();
    world.run(60, true, || None);
    assert!(world.cache.keys(world.now).is_none());
    assert_eq!(world.fetches.len() as u64, 60 / FIRST_RETRY.as_secs());
    assert_eq!(world.shortest_gap(), Some(FIRST_RETRY));
    world.run(10, false, some_keys);
    assert_eq!(world.cache.keys(world.now).expect("keys").len(), 1);
}

#[test]
fn keys_outlive_an_outage_of_their_issuer_for_a_day() {
    let mut cache = Cache::default();
    let start = Instant::now();
    cache.begin(start);
    cache.end(start, some_keys());
    cache.begin(start + REFRESH);
    cache.end(start + REFRESH, None);
    assert!(cache.keys(start + MAX_AGE - RETRY).is_some());
    assert!(cache.keys(start + MAX_AGE).is_none());
    cache.end(start + MAX_AGE, some_keys());
    assert!(cache.keys(start + MAX_AGE).is_some());
}

#[test]
fn a_set_in_which_no_key_is_left_takes_all_back() {
    let mut cache = Cache::default();
    let start = Instant::now();
    cache.begin(start);
    cache.withdraw();
    assert!(cache.keys(start).is_none(), "there never were any");
    cache.begin(start + FIRST_RETRY);
    cache.end(start + FIRST_RETRY, some_keys());
    cache.begin(start + REFRESH);
    cache.withdraw();
    let keys = cache
        .keys(start + REFRESH)
        .expect("it is known that there are none");
    assert!(keys.is_empty());
    assert_eq!(
        cache.wait(start + REFRESH),
        RETRY,
        "it may have been a mistake"
    );
}

#[test]
fn who_asks_while_a_fetch_is_under_way_waits_for_it() {
    let mut cache = Cache::default();
    let start = Instant::now();
    assert_eq!(cache.ask(start), Answer::Wait);
    cache.begin(start);
    assert_eq!(cache.ask(start), Answer::Wait);
    cache.end(start, some_keys());
    assert_eq!(cache.ask(start + RETRY / 2), Answer::Refuse);
    assert_eq!(cache.ask(start + RETRY), Answer::Wait);
    assert!(cache.wait(start + RETRY).is_zero());
}

#[test]
fn of_a_set_only_keys_for_checking_signatures_with_allowed_algorithms_are_taken() {
    let rsa = RSA.jwk("rsa", Algorithm::RS256);
    let changed = |key: &Value, changes: Value| {
        let mut key = key.clone();
        for (name, value) in changes.as_object().expect("an object") {
            key[name] = value.clone();
        }
        key
    };
    let mut nameless = P384.jwk("nameless", Algorithm::ES384);
    nameless.as_object_mut().expect("an object").remove("alg");
    let mut ambiguous = rsa.clone();
    ambiguous.as_object_mut().expect("an object").remove("alg");
    let allowed = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES384];
    let short = encoded(&"x".repeat(128));
    let mut no_use = changed(&rsa, json!({"key_ops": ["verify"]}));
    no_use.as_object_mut().expect("an object").remove("use");
    for (name, key, taken) in [
        ("as it is", rsa.clone(), Ok(Algorithm::RS256)),
        ("for verify", no_use.clone(), Ok(Algorithm::RS256)),
        ("without alg, one fits", nameless, Ok(Algorithm::ES384)),
        ("without alg, two fit", ambiguous, Err("more than one")),
        (
            "another algorithm",
            changed(&rsa, json!({"alg": "RS512"})),
            Err("does not list"),
        ),
        (
            "of another kind",
            changed(&rsa, json!({"alg": "ES384"})),
            Err("no key for ES384"),
        ),
        (
            "a shared one",
            json!({"kty": "oct", "k": encoded(SECRET), "alg": "HS256"}),
            Err("does not list"),
        ),
        (
            "a shared one without alg",
            json!({"kty": "oct", "k": encoded(SECRET)}),
            Err("has a kind"),
        ),
        (
            "as HMAC",
            changed(&rsa, json!({"alg": "HS256"})),
            Err("does not list"),
        ),
        (
            "none",
            changed(&rsa, json!({"alg": "none"})),
            Err("does not list"),
        ),
        (
            "for encryption",
            changed(&rsa, json!({"use": "enc"})),
            Err("not for checking"),
        ),
        (
            "for signing only",
            changed(&no_use, json!({"key_ops": ["sign"]})),
            Err("not for checking"),
        ),
        (
            "a short one",
            changed(&rsa, json!({"n": short})),
            Err("less than 2048"),
        ),
        (
            "no modulus",
            changed(&rsa, json!({"n": "%"})),
            Err("less than 2048"),
        ),
        (
            "an unknown curve",
            json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}),
            Err("has a kind"),
        ),
        (
            "an unknown kind",
            json!({"kty": "AKP", "pub": "AA"}),
            Err("has a kind"),
        ),
        (
            "another curve",
            P256.jwk("k", Algorithm::ES256),
            Err("does not list"),
        ),
        (
            "a number for a kid",
            changed(&rsa, json!({"kid": 7})),
            Err("is no JWK"),
        ),
        (
            "a long kid",
            changed(&rsa, json!({"kid": "k".repeat(257)})),
            Err("kid that is too long"),
        ),
        ("no object", json!("key"), Err("is no JWK")),
    ] {
        let set = set(json!([key]));
        match (jwks::read("set", set.as_bytes(), &allowed), taken) {
            (Ok(set), Ok(algorithm)) => assert_eq!(set.keys[0].algorithm, algorithm, "{name}"),
            (Err(BadSet::NoKey(why)), Err(reason)) => {
                assert!(why.contains(reason), "{name}: {why}")
            }
            (found, _) => panic!("{name}: {found:?}"),
        }
    }
    let mixed = set(json!([{"kty": "AKP"}, rsa, "x"]));
    let mixed = jwks::read("set", mixed.as_bytes(), &allowed).expect("one key");
    assert_eq!((mixed.keys.len(), mixed.passed_over.len()), (1, 2));
}

#[test]
fn what_is_no_set_is_refused() {
    let read =
        |json: &str| jwks::read("set", json.as_bytes(), &[Algorithm::ES256]).expect_err(json);
    for garbage in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"keys": {}}"#,
        "<html>",
        "{\"keys\": [1",
    ] {
        assert_eq!(read(garbage), BadSet::NotASet, "{garbage}");
    }
    assert!(matches!(read(r#"{"keys": []}"#), BadSet::NoKey(_)));
    let many = set(Value::Array(vec![
        P256.jwk("k", Algorithm::ES256);
        MAX_KEYS + 1
    ]));
    assert_eq!(read(&many), BadSet::TooMany(MAX_KEYS + 1));
}

/// Answers every connection with one document, and counts them.
struct Publisher {
    port: u16,
    hits: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Publisher {
    async fn new(answer: String, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let hits = Arc::new(AtomicUsize::new(0));
        let counter = hits.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                let (answer, tls) = (answer.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => reply(stream, &answer).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                reply(stream, &answer).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, hits, task }
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::Relaxed)
    }

    fn access(&self) -> Access {
        Access::new(&published(&format!("http://127.0.0.1:{}/keys", self.port))).expect("valid")
    }
}

async fn reply(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) {
    let mut request = vec![0; 4_096];
    let mut read = 0;
    while !request[..read].ends_with(b"\r\n\r\n") {
        match stream.read(&mut request[read..]).await {
            Ok(more @ 1..) => read += more,
            _ => return,
        }
    }
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn ok(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn published(url: &str) -> Config {
    let mut config = config(vec![key(Algorithm::HS256, None)]);
    config.tokens.jwks = vec![JwksConfig {
        url: url.into(),
        algorithms: vec![Algorithm::RS256, Algorithm::ES256],
        ca_file: None,
    }];
    config
}

fn token(id: &str) -> String {
    let header = json!({"alg": "ES256", "kid": id});
    signed_with(&header, &good_claims(), Algorithm::ES256)
}

fn good_set() -> String {
    ok(&set(json!([P256.jwk("p", Algorithm::ES256)])))
}

/// Runs `test` while the keys of `access` are kept fresh.
async fn keeping<T>(access: &Access, test: impl Future<Output = T>) -> T {
    tokio::select! {
        () = access.keep_keys() => panic!("keys are kept until dropped"),
        outcome = test => outcome,
    }
}

#[tokio::test]
async fn a_token_of_a_published_key_waits_for_the_first_fetch_and_invented_ids_cause_no_other() {
    let publisher = Publisher::new(good_set(), None).await;
    let access = publisher.access();
    keeping(&access, async {
        assert!(access.verify(&token("p"), now()).await.is_ok());
        for n in 0..200 {
            let refusal = access
                .verify(&token(&format!("p{n}")), now())
                .await
                .expect_err("unknown");
            assert!(matches!(refusal, Refusal::UnknownKey(_)), "{refusal}");
            assert_eq!(refusal.code(), RefusalCode::Unauthorized);
        }
    })
    .await;
    assert_eq!(publisher.hits(), 1);
}

#[tokio::test]
async fn who_waits_for_keys_shares_one_fetch() {
    let publisher = Publisher::new(good_set(), None).await;
    let access = publisher.access();
    let (good, bad) = (token("p"), token("q"));
    let many = async {
        let asked = (0..50).map(|n| access.verify(if n % 2 == 0 { &good } else { &bad }, now()));
        futures_util::future::join_all(asked).await
    };
    let outcomes = keeping(&access, many).await;
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
        25
    );
    assert_eq!(publisher.hits(), 1);
}

#[tokio::test]
async fn a_token_that_no_published_key_can_have_signed_causes_no_fetch() {
    let publisher = Publisher::new(good_set(), None).await;
    let access = publisher.access();
    for token in [
        "garbage".to_owned(),
        signed(&but("exp", json!(1))),
        signed_with(
            &json!({"alg": "HS256", "kid": "invented"}),
            &but("sub", json!(7)),
            Algorithm::HS256,
        ),
        signed_with(
            &json!({"alg": "EdDSA", "kid": "invented"}),
            &good_claims(),
            Algorithm::EdDSA,
        ),
    ] {
        assert!(access.verify(&token, now()).await.is_err());
    }
    assert!(access.verify(&signed(&good_claims()), now()).await.is_ok());
    assert_eq!(publisher.hits(), 0);
}

#[tokio::test]
async fn without_keys_nobody_is_let_in_and_is_told_to_come_back() {
    let body = "x".repeat(300 * 1024);
    let redirect =
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let endless_head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    for (name, answer) in [
        (
            "not found",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
        ),
        ("a redirect", redirect.to_owned()),
        ("too large", ok(&body)),
        ("cut short", good_set()[..200].to_owned()),
        ("an endless head", endless_head),
        ("no HTTP", "hello\r\n\r\n".to_owned()),
        ("nothing", String::new()),
        ("no set", ok("{}")),
        ("no key", ok(r#"{"keys": []}"#)),
    ] {
        let publisher = Publisher::new(answer, None).await;
        let access = publisher.access();
        let refusal = keeping(&access, access.verify(&token("p"), now()))
            .await
            .expect_err(name);
        assert!(
            matches!(refusal, Refusal::NoKeysYet(_)),
            "{name}: {refusal}"
        );
        assert_eq!(refusal.code(), RefusalCode::NotReady, "{name}");
        assert_eq!(publisher.hits(), 1, "{name}");
    }
}

/// A certificate for 127.0.0.1 and localhost by an authority of its own, whose certificate is in a file.
fn certificate() -> (TlsAcceptor, tempfile::NamedTempFile) {
    let mut authority = CertificateParams::new(vec![]).expect("parameters");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("keys"))
        .expect("an authority");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), authority.pem()).expect("a file");
    let pair = KeyPair::generate().expect("keys");
    let issuer: &Issuer<'_, KeyPair> = &authority;
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let leaf = leaf.signed_by(&pair, issuer).expect("a certificate");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(pair.serialize_der()).expect("a key"),
        )
        .expect("a certificate");
    (TlsAcceptor::from(Arc::new(config)), file)
}

#[tokio::test]
async fn keys_are_fetched_only_from_who_proves_to_be_the_host_of_the_url() {
    let (tls, authority) = certificate();
    let (_, stranger) = certificate();
    let publisher = Publisher::new(good_set(), Some(tls)).await;
    let port = publisher.port;
    for (name, host, ca_file, accepted) in [
        ("its authority", "localhost", Some(&authority), true),
        ("another authority", "localhost", Some(&stranger), false),
        ("the public authorities", "localhost", None, false),
        ("another host", "127.0.0.1", Some(&authority), false),
    ] {
        let mut config = published(&format!("https://{host}:{port}/keys"));
        config.tokens.jwks[0].ca_file = ca_file.map(|file| file.path().into());
        let access = Access::new(&config).expect("valid");
        let outcome = keeping(&access, access.verify(&token("p"), now())).await;
        assert_eq!(outcome.is_ok(), accepted, "{name}: {outcome:?}");
    }
}
