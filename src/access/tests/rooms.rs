//! Rules, one by one.

use serde_json::{Value, json};

use super::keyring::*;
use crate::access::{Access, Algorithm, Config, Decision, Everybody, Identity, Question, RoomRule};

fn rule(room: &str) -> RoomRule {
    RoomRule {
        room: room.into(),
        ..RoomRule::default()
    }
}

fn anyone(room: &str) -> RoomRule {
    RoomRule {
        allow: Some(Everybody::Anyone),
        ..rule(room)
    }
}

fn role(room: &str, roles: &[&str]) -> RoomRule {
    RoomRule {
        role: roles.iter().map(|role| (*role).into()).collect(),
        ..rule(room)
    }
}

fn sql(room: &str, query: &str) -> RoomRule {
    RoomRule {
        sql: Some(query.into()),
        ..rule(room)
    }
}

fn with_rules(rooms: Vec<RoomRule>) -> Config {
    let mut config = config(vec![key(Algorithm::HS256, None)]);
    config.sql.role = "pgbell_guest".into();
    Config { rooms, ..config }
}

fn access(rooms: Vec<RoomRule>) -> Access {
    Access::new(&with_rules(rooms)).expect("valid")
}

async fn somebody(access: &Access, more: Value) -> Identity {
    let mut claims = good_claims();
    for (name, value) in more.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    access
        .verify(&signed(&claims), now())
        .await
        .expect("accepted")
}

fn decide(access: &Access, identity: Option<&Identity>, room: &str) -> Decision {
    access.decide(identity, &room.parse().expect("a room"))
}

#[tokio::test]
async fn what_no_rule_allows_is_denied_and_open_allows_everything() {
    let nothing = access(vec![]);
    let anna = somebody(&nothing, json!({"role": "admin"})).await;
    assert_eq!(decide(&nothing, Some(&anna), "product:1"), Decision::Deny);
    assert_eq!(decide(&nothing, None, "product:1"), Decision::Deny);
    let open = Access::new(&Config {
        open: true,
        ..Config::default()
    });
    let open = open.expect("valid");
    assert_eq!(decide(&open, None, "admin:orders"), Decision::Allow);
    assert_eq!(
        decide(&open, None, "pgbell:access"),
        Decision::Deny,
        "the daemon's own rooms are nobody's"
    );
}

#[tokio::test]
async fn who_may_join_is_said_by_allow_claims_or_roles() {
    let mut members = rule("buyers");
    members.allow = Some(Everybody::Authenticated);
    let access = access(vec![
        anyone("product:*"),
        members,
        rule("user:{sub}"),
        rule("shop_{store_ids}"),
        rule("org:{app.org}/user:{sub}"),
        role("admin:*", &["admin", "support"]),
        role("seller:{seller_id}", &["seller"]),
    ]);
    let anna = somebody(
        &access,
        json!({"sub": "anna", "store_ids": [3, "5"], "app": {"org": "acme"}}),
    )
    .await;
    let admin = somebody(&access, json!({"sub": "root", "role": ["x", "admin"]})).await;
    let seller = somebody(&access, json!({"roles": "seller", "seller_id": 7})).await;
    let posing = somebody(&access, json!({"seller_id": 7})).await;
    for (who, name, rooms, decision) in [
        (None, "nobody", "product:42", Decision::Allow),
        (
            None,
            "nobody",
            "buyers user:anna user: shop_3 admin:x",
            Decision::Deny,
        ),
        (
            Some(&anna),
            "anna",
            "product:42 buyers user:anna shop_3 shop_5 org:acme/user:anna",
            Decision::Allow,
        ),
        (
            Some(&anna),
            "anna",
            "user:ann user:annaa user:Anna user:anna:x user:anna/x",
            Decision::Deny,
        ),
        (
            Some(&anna),
            "anna",
            "shop_35 shop_03 shop_ shop_3_5 shop_4 shop_3:x",
            Decision::Deny,
        ),
        (
            Some(&anna),
            "anna",
            "org:acme/user:root org:other/user:anna admin:x admin:",
            Decision::Deny,
        ),
        (
            Some(&admin),
            "admin",
            "admin:orders admin: user:root",
            Decision::Allow,
        ),
        (
            Some(&admin),
            "admin",
            "user:anna administrator seller:7",
            Decision::Deny,
        ),
        (Some(&seller), "seller", "seller:7", Decision::Allow),
        (
            Some(&seller),
            "seller",
            "seller:8 seller:07 seller:7.0",
            Decision::Deny,
        ),
        (Some(&posing), "posing", "seller:7", Decision::Deny),
    ] {
        for room in rooms.split(' ') {
            assert_eq!(decide(&access, who, room), decision, "{name} {room}");
        }
    }
}

#[tokio::test]
async fn no_claim_can_reach_into_rooms_of_others() {
    let access = access(vec![
        rule("user:{sub}"),
        rule("shop_{shop}"),
        rule("t:{tenant}:*"),
    ]);
    for (name, value, rooms) in [
        ("sub", json!("1:orders"), "user:1:orders user:1"),
        ("sub", json!("1/orders"), "user:1/orders"),
        ("sub", json!("a*"), "user:1 user:a"),
        ("sub", json!("{sub}"), "user:sub"),
        ("sub", json!("1 "), "user:1"),
        ("sub", json!("١"), "user:1"),
        ("shop", json!("1_2"), "shop_1_2 shop_1"),
        ("shop", json!(""), "shop_"),
        ("shop", json!(null), "shop_ shop_null"),
        ("shop", json!(true), "shop_true shop_1"),
        ("shop", json!({"1": 1}), "shop_1"),
        ("shop", json!([[1]]), "shop_1"),
        ("shop", json!(1.0), "shop_1 shop_1.0"),
        ("shop", json!(["*", "", null]), "shop_ shop_1"),
        ("tenant", json!("a:b"), "t:a:b:c t:a:b:"),
        ("tenant", json!(""), "t::x"),
    ] {
        let mallory = somebody(&access, json!({ name: value.clone() })).await;
        for room in rooms.split(' ') {
            assert_eq!(
                decide(&access, Some(&mallory), room),
                Decision::Deny,
                "{name} {value} {room}"
            );
        }
    }
}

#[tokio::test]
async fn roles_are_texts_in_the_claims_that_the_configuration_names() {
    let mut config = with_rules(vec![role("admin:*", &["admin"])]);
    config.tokens.roles_claim = vec!["https://example.com/roles".into(), "app.roles".into()];
    let access = Access::new(&config).expect("valid");
    for (claims, decision) in [
        (
            json!({"https://example.com/roles": ["admin"]}),
            Decision::Allow,
        ),
        (json!({"app": {"roles": "admin"}}), Decision::Allow),
        (json!({"role": "admin"}), Decision::Deny),
        (json!({"app": {"roles": "admin user"}}), Decision::Deny),
        (json!({"app": {"roles": {"admin": true}}}), Decision::Deny),
        (json!({"app": {"roles": "Admin"}}), Decision::Deny),
    ] {
        let somebody = somebody(&access, claims.clone()).await;
        assert_eq!(
            decide(&access, Some(&somebody), "admin:x"),
            decision,
            "{claims}"
        );
    }
}

#[tokio::test]
async fn a_rule_with_sql_asks_with_the_words_of_the_room_unless_another_rule_allows() {
    let mine = "select from orders where id::text = $1";
    let line = "select from lines where order_id::text = $1 and no::text = $2";
    let mut guarded = sql("order:{id}", "select from audits where id::text = $1");
    guarded.role = vec!["auditor".into()];
    let access = access(vec![
        sql("order:{id}", mine),
        guarded,
        sql("order:{id}/line:{no}", line),
        role("order:*", &["admin"]),
    ]);
    let anna = somebody(&access, json!({})).await;
    let question = |rule, sql: &str, words: &[&str]| Question {
        rule,
        sql: sql.into(),
        words: words.iter().map(|word| (*word).into()).collect(),
    };
    assert_eq!(
        decide(&access, Some(&anna), "order:7"),
        Decision::Ask(vec![question(0, mine, &["7"])])
    );
    assert_eq!(
        decide(&access, Some(&anna), "order:7/line:2"),
        Decision::Ask(vec![question(2, line, &["7", "2"])])
    );
    let auditor = somebody(&access, json!({"role": "auditor"})).await;
    let Decision::Ask(both) = decide(&access, Some(&auditor), "order:7") else {
        panic!("both rules ask");
    };
    assert_eq!(
        both.iter().map(|asked| asked.rule).collect::<Vec<_>>(),
        [0, 1]
    );
    let admin = somebody(&access, json!({"role": "admin"})).await;
    assert_eq!(decide(&access, Some(&admin), "order:7"), Decision::Allow);
    assert_eq!(decide(&access, None, "order:7"), Decision::Deny);
    assert_eq!(decide(&access, Some(&anna), "order:7:x"), Decision::Deny);
}

#[test]
fn a_rule_that_cannot_work_is_refused_with_its_key() {
    let token_rule = |room| RoomRule {
        allow: Some(Everybody::Authenticated),
        ..rule(room)
    };
    let twofold = RoomRule {
        allow: Some(Everybody::Anyone),
        ..role("x:*", &["admin"])
    };
    let claimed = anyone("user:{sub}");
    for (wrong, key, reason) in [
        (rule("buyers"), "access.rooms.1", "does not say who"),
        (rule("a b"), "access.rooms.1.room", "has ' '"),
        (
            anyone("user:{sub}x"),
            "access.rooms.1.room",
            "goes on after {sub}",
        ),
        (twofold, "access.rooms.1.allow", "stands alone"),
        (claimed, "access.rooms.1.allow", "stands alone"),
        (role("x:*", &[""]), "access.rooms.1.role", "is empty"),
        (sql("x:{id}", ""), "access.rooms.1.sql", "is empty"),
        (sql("x:{id}", "select 1"), "access.rooms.1.sql", "has no $1"),
        (
            sql("x:{sub}", "select $1"),
            "access.rooms.1.room",
            "has {sub}",
        ),
    ] {
        let config = with_rules(vec![anyone("product:*"), wrong]);
        let invalid = Access::new(&config).expect_err(reason);
        assert_eq!(invalid.key, key, "{invalid}");
        assert!(invalid.reason.contains(reason), "{invalid}");
    }
    let mut no_role = with_rules(vec![sql("x:{id}", "select $1")]);
    no_role.sql.role.clear();
    let invalid = Access::new(&no_role).expect_err("no role");
    assert!(invalid.reason.contains("access.sql.role"), "{invalid}");
    let mut no_keys = with_rules(vec![anyone("a"), token_rule("b")]);
    no_keys.tokens.keys.clear();
    let invalid = Access::new(&no_keys).expect_err("no keys");
    assert_eq!(invalid.key, "access.rooms.1");
    assert!(
        invalid.reason.contains("neither keys nor jwks"),
        "{invalid}"
    );
    let many = with_rules(vec![anyone("a"); 1_001]);
    assert_eq!(Access::new(&many).expect_err("many").key, "access.rooms");
    let many = with_rules(vec![sql("x:{id}", "select $1"); 101]);
    assert_eq!(Access::new(&many).expect_err("many").key, "access.rooms");
}

#[tokio::test]
async fn what_is_explained_is_what_is_decided() {
    let access = access(vec![
        anyone("product:*"),
        rule("user:{sub}"),
        role("admin:*", &["admin"]),
        sql("order:{id}", "select $1"),
    ]);
    let anna = somebody(&access, json!({"sub": "anna"})).await;
    for (who, room, says) in [
        (None, "product:1", ["allows", "denies", "denies", "denies"]),
        (
            Some(&anna),
            "user:anna",
            ["denies", "allows", "denies", "denies"],
        ),
        (
            Some(&anna),
            "user:bert",
            ["denies", "denies", "denies", "denies"],
        ),
        (
            Some(&anna),
            "order:7",
            ["denies", "denies", "denies", "asks"],
        ),
    ] {
        let steps = access.explain_room(who, &room.parse().expect("a room"));
        let said: Vec<_> = steps.iter().map(|step| step.says).collect();
        assert_eq!(said, says, "{room}");
    }
    let steps = access.explain_room(Some(&anna), &"user:bert".parse().expect("a room"));
    assert_eq!(steps[1].why, "asks for \"bert\" in claim sub");
    assert_eq!(steps[2].why, "is about other rooms");
}
