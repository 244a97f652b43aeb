//! Tokens that somebody made up, changed, stole, or wrote wrongly.

use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

use super::keyring::*;
use crate::access::{Access, Algorithm, MAX_TOKEN_SIZE, Refusal, RefusalCode};

/// What is refused, and a part of why.
struct Attack {
    name: String,
    token: String,
    because: &'static str,
}

fn attack(name: impl Into<String>, token: impl Into<String>, because: &'static str) -> Attack {
    Attack {
        name: name.into(),
        token: token.into(),
        because,
    }
}

/// A secret without an id, an RSA key with one, and a curve without.
fn target() -> Access {
    access(vec![
        key(Algorithm::HS256, None),
        key(Algorithm::RS256, Some("rs")),
        key(Algorithm::ES256, None),
    ])
}

async fn refuse_all(attacks: Vec<Attack>) {
    let access = target();
    for Attack {
        name,
        token,
        because,
    } in attacks
    {
        let refusal = match access.verify(&token, now()).await {
            Err(refusal) => refusal,
            Ok(identity) => panic!("{name}: accepted as {identity:?}"),
        };
        let text = refusal.to_string();
        assert!(text.contains(because), "{name}: {text}");
        assert!(
            token.len() < 20 || !text.contains(&token),
            "{name}: shows the token"
        );
        assert!(text.len() < 500, "{name}: {text}");
        let explained = access.explain(&token, now());
        assert_eq!(
            explained.outcome.expect_err(&name),
            refusal,
            "{name}: explained otherwise"
        );
        assert!(
            explained.steps.iter().any(|step| !step.ok),
            "{name}: no step is wrong"
        );
    }
}

#[tokio::test]
async fn a_token_of_every_algorithm_is_accepted_by_its_own_key_and_no_other() {
    for ours in ALL {
        let access = access(vec![key(ours, None)]);
        for signed_as in ALL {
            for named in ALL {
                let header = json!({"alg": format!("{named:?}")});
                let token = signed_with(&header, &good_claims(), signed_as);
                let outcome = access.verify(&token, now()).await;
                let is_ours = signed_as == ours && named == ours;
                assert_eq!(
                    outcome.is_ok(),
                    is_ours,
                    "{signed_as:?} as {named:?} at {ours:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn an_accepted_token_says_who_and_until_when() {
    let identity = target()
        .verify(&signed(&good_claims()), now())
        .await
        .expect("accepted");
    assert_eq!(&**identity.user(), "9");
    assert_eq!(identity.expires_at().as_second(), now().as_second() + 610);
    assert_eq!(identity.claims().get("role"), Some(&"buyer".into()));
    let claims: Value = serde_json::from_str(identity.claims_json()).expect("JSON");
    assert_eq!(claims, good_claims());
    assert!(!format!("{identity:?}").contains("buyer"));
}

#[tokio::test]
async fn no_algorithm_is_taken_from_the_header() {
    let claims = good_claims();
    let mut attacks = Vec::new();
    for none in [
        "none", "None", "NONE", "nOnE", "", "hs256", "HS256 ", "HS1", "RS1", "ES256K", "ROT13",
    ] {
        let header = encoded(&json!({"alg": none}).to_string());
        let payload = encoded(&claims.to_string());
        let because = "no key of access.tokens is used with";
        attacks.push(attack(
            format!("{none:?}, no signature"),
            format!("{header}.{payload}."),
            because,
        ));
        let token = signed_with(&json!({"alg": none}), &claims, Algorithm::HS256);
        attacks.push(attack(format!("{none:?}, signed"), token, because));
    }
    // The public key is public: who takes it for the secret of an HMAC must not be let in.
    let public = EncodingKey::from_secret(RSA.public.as_bytes());
    let trimmed = EncodingKey::from_secret(RSA.public.trim().as_bytes());
    for key in [&public, &trimmed] {
        for (kid, because) in [
            (json!("rs"), "not by access.tokens.keys.0"),
            (json!(null), "not by access.tokens.keys.0"),
        ] {
            let header = json!({"alg": "HS256", "kid": kid}).to_string();
            let token = forge(&header, &claims.to_string(), Algorithm::HS256, key);
            attacks.push(attack("HMAC with the public key", token, because));
        }
    }
    for other in [
        "RS384", "RS512", "PS256", "HS384", "HS512", "ES384", "EdDSA",
    ] {
        let token = signed_with(&json!({"alg": other}), &claims, Algorithm::HS256);
        attacks.push(attack(other, token, "no key of access.tokens is used with"));
    }
    let relabelled = signed_with(
        &json!({"alg": "RS256", "kid": "rs"}),
        &claims,
        Algorithm::PS256,
    );
    attacks.push(attack(
        "PS256 as RS256",
        relabelled,
        "not by access.tokens.keys.1",
    ));
    let empty = EncodingKey::from_secret(b"");
    let token = forge(
        r#"{"alg":"HS256"}"#,
        &claims.to_string(),
        Algorithm::HS256,
        &empty,
    );
    attacks.push(attack("the empty secret", token, "not by"));
    refuse_all(attacks).await;
}

#[tokio::test]
async fn no_key_is_taken_from_the_header() {
    let claims = good_claims();
    let theirs = OTHER_RSA.jwk("rs", Algorithm::RS256);
    let signed = |header: Value| signed_by(&OTHER_RSA, &header, &claims, Algorithm::RS256);
    let mut attacks = vec![
        attack(
            "jwk",
            signed(json!({"alg": "RS256", "kid": "rs", "jwk": theirs})),
            "not by",
        ),
        attack(
            "jku",
            signed(json!({"alg": "RS256", "kid": "rs", "jku": "http://127.0.0.1:1/"})),
            "not by",
        ),
        attack(
            "x5u",
            signed(json!({"alg": "RS256", "kid": "rs", "x5u": "http://127.0.0.1:1/"})),
            "not by",
        ),
        attack(
            "x5c",
            signed(json!({"alg": "RS256", "kid": "rs", "x5c": ["AAAA"]})),
            "not by",
        ),
        attack("no kid", signed(json!({"alg": "RS256"})), "not by"),
    ];
    for id in [
        "../../../../dev/null",
        "/proc/self/environ",
        "' or 1=1 --",
        "rs\u{0}",
        "RS",
        "rs ",
        "",
        "http://127.0.0.1:1/",
        "keys.1",
        "\u{1b}[2J",
    ] {
        let token = signed_with(
            &json!({"alg": "RS256", "kid": id}),
            &claims,
            Algorithm::RS256,
        );
        attacks.push(attack(format!("kid {id:?}"), token, "which is not known"));
    }
    for id in [json!(7), json!(["rs"]), json!({"rs": 1}), json!(true)] {
        let token = signed_with(
            &json!({"alg": "RS256", "kid": id}),
            &claims,
            Algorithm::RS256,
        );
        attacks.push(attack(format!("kid {id}"), token, "kid as texts"));
    }
    let long = json!({"alg": "RS256", "kid": "k".repeat(257)});
    attacks.push(attack(
        "a long kid",
        signed_with(&long, &claims, Algorithm::RS256),
        "kid is too long",
    ));
    refuse_all(attacks).await;
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let good = signed(&good_claims());
    let (message, signature) = good.rsplit_once('.').expect("three parts");
    let payload = encoded(&good_claims().to_string());
    let three = "three parts";
    let mut attacks: Vec<_> = [
        "", ".", "...", "....", "a", "a.b", "{}", "Bearer x", "\u{0}", "☃",
    ]
    .into_iter()
    .map(|garbage| attack(format!("{garbage:?}"), garbage, three))
    .collect();
    let deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    let header = |json: &str| format!("{}.{payload}.{signature}", encoded(json));
    let hmac = EncodingKey::from_secret(SECRET.as_bytes());
    let claims = |json: &str| forge(r#"{"alg":"HS256"}"#, json, Algorithm::HS256, &hmac);
    attacks.extend([
        attack("two dots", "..", "header is no JSON object"),
        attack("five parts", format!("{good}.a.b"), three),
        attack(
            "a line break",
            format!("{good}\n"),
            "signature is not base64url",
        ),
        attack(
            "a space before",
            format!(" {good}"),
            "header is not base64url",
        ),
        attack("padding", format!("{good}="), "signature is not base64url"),
        attack(
            "the other base64",
            format!("{message}.+/+/"),
            "signature is not base64url",
        ),
        attack(
            "too large",
            "x".repeat(MAX_TOKEN_SIZE + 1),
            "are not looked at",
        ),
        attack(
            "signed and too large",
            signed(&but("pad", "x".repeat(8_192).into())),
            "are not looked at",
        ),
        attack("no signature", format!("{message}."), "not by"),
        attack("half a signature", &good[..good.len() - 23], "not by"),
        attack(
            "a header of a list",
            header("[]"),
            "header is no JSON object",
        ),
        attack("an empty header", header("{}"), "header is no JSON object"),
        attack("a deep header", header(&deep), "header is no JSON object"),
        attack(
            "a text for a header",
            header("\"HS256\""),
            "header is no JSON object",
        ),
        attack(
            "alg twice",
            header(r#"{"alg":"none","alg":"HS256"}"#),
            "header is no JSON object",
        ),
        attack(
            "alg as a list",
            header(r#"{"alg":["HS256"]}"#),
            "header is no JSON object",
        ),
        attack(
            "alg as null",
            header(r#"{"alg":null}"#),
            "header is no JSON object",
        ),
        attack("crit", header(r#"{"alg":"HS256","crit":["exp"]}"#), "crit"),
        attack(
            "crit without b64",
            header(r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#),
            "crit",
        ),
        attack(
            "claims of a list",
            claims("[]"),
            "claims are no JSON object",
        ),
        attack(
            "claims that are null",
            claims("null"),
            "claims are no JSON object",
        ),
        attack("deep claims", claims(&deep), "claims are no JSON object"),
        attack(
            "claims that go on",
            claims("{} {}"),
            "claims are no JSON object",
        ),
        attack(
            "an endless number",
            claims(r#"{"exp": 1e999}"#),
            "claims are no JSON object",
        ),
    ]);
    refuse_all(attacks).await;
}

#[tokio::test]
async fn an_all_zero_signature_of_a_curve_is_refused() {
    let message = format!(
        "{}.{}",
        encoded(r#"{"alg":"ES256"}"#),
        encoded(&good_claims().to_string())
    );
    let zero = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, [0; 64]);
    refuse_all(vec![attack("zeros", format!("{message}.{zero}"), "not by")]).await;
}

#[tokio::test]
async fn no_letter_of_a_token_can_be_changed() {
    let access = target();
    let good = signed(&good_claims());
    assert!(access.verify(&good, now()).await.is_ok());
    for place in 0..good.len() {
        for letter in ["A", "B", "_", "-", ".", "=", ""] {
            let changed = format!("{}{letter}{}", &good[..place], &good[place + 1..]);
            if changed != good {
                let outcome = access.verify(&changed, now()).await;
                assert!(outcome.is_err(), "{letter:?} at {place}");
            }
        }
    }
}

#[tokio::test]
async fn a_date_is_a_number_of_seconds() {
    let soon = now().as_second() + 600;
    let mut attacks = vec![attack("no exp", signed(&without("exp")), "has no exp")];
    for wrong in [
        json!(soon.to_string()),
        json!("9999999999"),
        json!(""),
        json!("never"),
        json!(null),
        json!(true),
        json!([soon]),
        json!({"": soon}),
        json!(soon * 1_000),
        json!(u64::MAX),
        json!(1e300),
    ] {
        let name = wrong.to_string();
        let because = "which must be a number: seconds since 1970, not milliseconds";
        attacks.push(attack(
            format!("exp {name}"),
            signed(&but("exp", wrong.clone())),
            because,
        ));
        attacks.push(attack(
            format!("nbf {name}"),
            signed(&but("nbf", wrong)),
            because,
        ));
    }
    attacks.push(attack(
        "exp 0",
        signed(&but("exp", json!(0))),
        "expired at 1970",
    ));
    attacks.push(attack(
        "exp -1",
        signed(&but("exp", json!(-1))),
        "expired at 1969",
    ));
    refuse_all(attacks).await;
    let fraction = but("exp", json!(soon as f64 + 0.5));
    assert!(target().verify(&signed(&fraction), now()).await.is_ok());
    assert!(
        target()
            .verify(&signed(&without("nbf")), now())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_token_holds_from_nbf_to_exp_give_or_take_the_leeway() {
    let access = target();
    let second = now().as_second();
    for (claim, moment, expected) in [
        ("exp", second + 1, None),
        ("exp", second - 9, None),
        ("exp", second - 10, Some(RefusalCode::TokenExpired)),
        ("exp", second - 600, Some(RefusalCode::TokenExpired)),
        ("nbf", second, None),
        ("nbf", second + 10, None),
        ("nbf", second + 11, Some(RefusalCode::Unauthorized)),
    ] {
        let outcome = access
            .verify(&signed(&but(claim, json!(moment))), now())
            .await;
        let code = outcome.err().map(|refusal| refusal.code());
        assert_eq!(code, expected, "{claim} {}", moment - second);
    }
}

#[tokio::test]
async fn a_signature_comes_before_what_is_signed() {
    let stranger = EncodingKey::from_secret(&[7; 32]);
    let expired = but("exp", json!(1)).to_string();
    let token = forge(r#"{"alg":"HS256"}"#, &expired, Algorithm::HS256, &stranger);
    let refusal = target().verify(&token, now()).await.expect_err("refused");
    assert!(matches!(refusal, Refusal::Signature(_)));
    assert_eq!(refusal.code(), RefusalCode::Unauthorized);
}

#[tokio::test]
async fn a_token_is_from_our_issuer() {
    let mut attacks = vec![attack("no iss", signed(&without("iss")), "has no iss")];
    for wrong in [
        json!("https://auth.example.com/"),
        json!("https://auth.example.com.evil.net"),
        json!("HTTPS://AUTH.EXAMPLE.COM"),
        json!(" https://auth.example.com"),
        json!(""),
        json!([ISSUER]),
        json!(null),
        json!(7),
    ] {
        let name = format!("iss {wrong}");
        attacks.push(attack(
            name,
            signed(&but("iss", wrong)),
            "must be \"https://auth.example.com\"",
        ));
    }
    refuse_all(attacks).await;
}

#[tokio::test]
async fn a_token_is_meant_for_us() {
    let mut attacks = vec![attack("no aud", signed(&without("aud")), "has no aud")];
    for wrong in [
        json!("other"),
        json!("PGBELL"),
        json!("pgbell "),
        json!("pgbell,other"),
        json!(""),
        json!([]),
        json!(["other", "pgbell2"]),
    ] {
        let name = format!("aud {wrong}");
        attacks.push(attack(name, signed(&but("aud", wrong)), "hold \"pgbell\""));
    }
    for wrong in [
        json!({"pgbell": 1}),
        json!(["pgbell", 7]),
        json!([["pgbell"]]),
        json!(null),
    ] {
        let name = format!("aud {wrong}");
        attacks.push(attack(
            name,
            signed(&but("aud", wrong)),
            "a text or a list of texts",
        ));
    }
    refuse_all(attacks).await;
    let many = signed(&but("aud", json!(["other", "pgbell"])));
    assert!(target().verify(&many, now()).await.is_ok());
}

#[tokio::test]
async fn a_token_for_somebody_is_refused_where_nobody_says_who_we_are() {
    let mut config = config(vec![key(Algorithm::HS256, None)]);
    config.tokens.audience.clear();
    let access = Access::new(&config).expect("valid");
    let refusal = access
        .verify(&signed(&good_claims()), now())
        .await
        .expect_err("refused");
    assert!(matches!(refusal, Refusal::Audience(_)));
    assert!(access.verify(&signed(&without("aud")), now()).await.is_ok());
}

#[tokio::test]
async fn a_token_names_a_user() {
    let mut attacks = vec![attack("no sub", signed(&without("sub")), "has no sub")];
    for wrong in [
        json!(""),
        json!(9),
        json!(null),
        json!(["9"]),
        json!("a\nb"),
        json!("a\u{0}"),
        json!("*"),
        json!("x".repeat(257)),
    ] {
        let name = format!("sub {wrong}");
        attacks.push(attack(
            name,
            signed(&but("sub", wrong)),
            "must be a text of 1 to 256 bytes, and not *",
        ));
    }
    refuse_all(attacks).await;
}

#[tokio::test]
async fn a_token_that_any_of_many_keys_may_have_signed_is_refused_before_work_is_done() {
    let keys = (0..5).map(|n| key(Algorithm::RS256, Some(&format!("k{n}"))));
    let access = access(keys.collect());
    let claims = good_claims();
    let unnamed = signed_with(&json!({"alg": "RS256"}), &claims, Algorithm::RS256);
    let refusal = access.verify(&unnamed, now()).await.expect_err("refused");
    assert_eq!(refusal, Refusal::ManyKeys(5));
    let named = signed_with(
        &json!({"alg": "RS256", "kid": "k3"}),
        &claims,
        Algorithm::RS256,
    );
    assert!(access.verify(&named, now()).await.is_ok());
}
