//! Rights that are taken away at once.

use jiff::Timestamp;
use serde_json::json;

use super::{Site, anyone, end, join, rule, tell, write};
use crate::support::{client::Client, daemon::Daemon, soon};

fn rules() -> Vec<pgbell::access::RoomRule> {
    vec![
        anyone("public:*"),
        anyone("mark:*"),
        rule("user:{sub}"),
        rule("shop_{stores}"),
    ]
}

#[tokio::test]
async fn a_user_who_is_revoked_is_closed_everywhere_and_told_nothing_more() {
    let site = Site::new(rules()).await;
    let mut sessions = [
        site.client("anna", json!({})).await,
        site.client("anna", json!({"jti": "2"})).await,
    ];
    let mut ben = site.client("ben", json!({})).await;
    for session in sessions.iter_mut().chain([&mut ben]) {
        join(session, &["public:1"]).await;
    }
    // One transaction, so that both are read together: the order in it counts for nothing.
    let both = format!("{}; select pgbell.revoke('anna')", write("public:1", "7"));
    site.database.run(&both).await;
    site.database.run(&write("public:1", "8")).await;
    let told = ben.messages(&site.database).await;
    assert!(!told.is_empty(), "it was told to others");
    for session in &mut sessions {
        let (closed, told) = end(session).await;
        assert_eq!(closed, 4005);
        assert!(told.is_empty(), "{told:?}");
    }
}

#[tokio::test]
async fn tokens_that_were_made_before_are_refused_and_later_ones_are_not() {
    let site = Site::new(rules()).await;
    let old = site.token("anna", json!({}));
    let ageless = site.token("anna", json!({"iat": null}));
    let mut anna = site.client("anna", json!({})).await;
    site.database.run("select pgbell.revoke('anna')").await;
    assert_eq!(end(&mut anna).await.0, 4005);
    for token in [&old, &ageless] {
        let mut client = site.daemon.client().await;
        let answer = tell(&mut client, token).await;
        assert_eq!(
            (&answer["type"], &answer["code"]),
            (&json!("error"), &json!("unauthorized"))
        );
        let headers = [("authorization", format!("Bearer {token}"))];
        let mut client = Client::open_with(site.daemon.addr, &headers).await;
        assert_eq!(end(&mut client).await.0, 4000);
    }
    let later = site.token("anna", json!({"iat": Timestamp::now().as_second() + 5}));
    let mut client = site.daemon.client().await;
    assert_eq!(tell(&mut client, &later).await["type"], "authenticated");
    assert_eq!(join(&mut client, &["user:anna"]).await, ["user:anna live"]);
}

#[tokio::test]
async fn a_room_that_is_revoked_is_left_and_told_no_more_and_others_are() {
    let site = Site::new(rules()).await;
    let mut anna = site.client("anna", json!({"stores": [3, 5]})).await;
    let mut ben = site.client("ben", json!({"stores": [3]})).await;
    join(&mut anna, &["shop_3", "shop_5"]).await;
    join(&mut ben, &["shop_3"]).await;
    site.database
        .run("select pgbell.revoke('anna', 'shop_3')")
        .await;
    let revoked = anna.next_of("revoked").await;
    assert_eq!(
        (&revoked["room"], &revoked["code"]),
        (&json!("shop_3"), &json!("forbidden"))
    );
    let sql = [write("shop_3", "1"), write("shop_5", "1")].join(";");
    let told = anna.messages_of(&site.database, &sql).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["room"], "shop_5");
    assert_eq!(ben.messages(&site.database).await.len(), 1);
    assert_eq!(
        join(&mut anna, &["shop_3"]).await,
        ["shop_3 live"],
        "as the rules say"
    );
}

#[tokio::test]
async fn several_orders_of_one_transaction_are_all_heeded() {
    let site = Site::new(rules()).await;
    let mut anna = site.client("anna", json!({"stores": [1, 2, 3]})).await;
    join(&mut anna, &["shop_1", "shop_2", "shop_3"]).await;
    let sql = "select pgbell.revoke('anna', 'shop_1'), pgbell.revoke('anna', 'shop_2'), pgbell.revoke('ben')";
    site.database.run(sql).await;
    let mut rooms = [anna.next_of("revoked").await, anna.next_of("revoked").await]
        .map(|revoked| revoked["room"].to_string());
    rooms.sort();
    assert_eq!(rooms, [r#""shop_1""#, r#""shop_2""#]);
    let sql = ["shop_1", "shop_2", "shop_3"]
        .map(|room| write(room, "1"))
        .join(";");
    assert_eq!(anna.messages_of(&site.database, &sql).await.len(), 1);
}

#[tokio::test]
async fn a_revocation_that_is_taken_back_never_was() {
    let site = Site::new(rules()).await;
    let mut anna = site.client("anna", json!({})).await;
    join(&mut anna, &["user:anna"]).await;
    site.database
        .run("begin; select pgbell.revoke('anna'); rollback")
        .await;
    let told = anna
        .messages_of(&site.database, &write("user:anna", "1"))
        .await;
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn every_daemon_hears_of_it_also_one_whose_rooms_have_other_windows() {
    let site = Site::new(rules()).await;
    let other = Daemon::with(&site.database, |config| {
        super::protect(config, rules());
        config.coalesce.window = std::time::Duration::from_secs(3600);
    })
    .await;
    let mut client = other.client().await;
    assert_eq!(
        tell(&mut client, &site.token("anna", json!({}))).await["type"],
        "authenticated"
    );
    for _ in 0..2 {
        site.database.run("select pgbell.revoke('somebody')").await;
    }
    site.database.run("select pgbell.revoke('anna')").await;
    assert_eq!(end(&mut client).await.0, 4005);
    assert_eq!(
        other
            .number("pgbell_revocations_total{reason=\"session\"}")
            .await,
        1.0
    );
}

#[tokio::test]
async fn revoking_is_for_those_who_may_and_refuses_what_means_nobody() {
    let site = Site::new(Vec::new()).await;
    for call in ["revoke(text, text)", "recheck(text)"] {
        let may = format!("has_function_privilege('pgbell_daemon', 'pgbell.{call}', 'execute')");
        assert_eq!(site.database.value(&may).await, "false", "{call}");
    }
    for call in [
        "revoke(null)",
        "revoke('')",
        "revoke('*')",
        "revoke(repeat('x', 257))",
        "revoke('anna', 'a room')",
        "recheck('a*')",
        "recheck(null)",
    ] {
        let sql = format!("select pgbell.{call}");
        let refused = site.database.client().batch_execute(&sql);
        let error = soon(call, refused).await.expect_err(call);
        assert_eq!(
            error.code().map(|code| code.code()),
            Some("22023"),
            "{call}"
        );
    }
    let count = "select count(*) from pgbell.change where entity like 'access:%'";
    assert_eq!(site.database.value(count).await, "0");
}
