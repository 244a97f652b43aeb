//! Tokens in WebSocket sessions.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::json;

use super::{Site, anyone, end, join, role, rule, tell};
use crate::support::client::Client;

fn rules() -> Vec<pgbell::access::RoomRule> {
    vec![
        anyone("product:*"),
        anyone("mark:*"),
        rule("user:{sub}"),
        rule("shop_{stores}"),
        role("admin:*", "admin"),
    ]
}

#[tokio::test]
async fn a_token_comes_in_a_message_a_header_or_a_subprotocol() {
    let site = Site::new(rules()).await;
    let token = site.token("anna", json!({}));
    let encoded = URL_SAFE_NO_PAD.encode(&token);
    let protocol = ("sec-websocket-protocol", "pgbell.v1".to_owned());
    let offers = format!("pgbell.v1, bearer.{encoded}");
    for headers in [
        vec![
            protocol.clone(),
            ("authorization", format!("Bearer {token}")),
        ],
        vec![("sec-websocket-protocol", offers)],
    ] {
        let mut client = Client::open_with(site.daemon.addr, &headers).await;
        let welcome = client.next_of("welcome").await;
        assert_eq!(welcome["user"], "anna");
        assert_eq!(join(&mut client, &["user:anna"]).await, ["user:anna live"]);
    }
    let mut client = site.daemon.client().await;
    assert_eq!(client.welcome["user"], json!(null));
    let answer = tell(&mut client, &token).await;
    assert_eq!(
        (&answer["type"], &answer["user"]),
        (&json!("authenticated"), &json!("anna"))
    );
    let left = answer["expires_in_ms"].as_u64().expect("a number");
    assert!((3_500_000..=3_600_000).contains(&left), "{left}");
    assert_eq!(join(&mut client, &["user:anna"]).await, ["user:anna live"]);
}

#[tokio::test]
async fn a_client_may_say_who_it_is_and_where_it_wants_to_be_without_waiting() {
    let site = Site::new(rules()).await;
    let mut client = Client::open(site.daemon.addr, Some("pgbell.v1")).await;
    let token = site.token("anna", json!({}));
    client
        .say(json!({"type": "auth", "id": 1, "token": token}))
        .await;
    client
        .say(json!({"type": "subscribe", "id": 2, "rooms": ["user:anna"]}))
        .await;
    for kind in ["welcome", "authenticated", "subscribed"] {
        let message = client.next().await;
        assert_eq!(message["type"], kind);
        if kind == "subscribed" {
            assert_eq!(message["rooms"][0]["status"], "live");
        }
    }
}

#[tokio::test]
async fn everything_is_denied_that_no_rule_allows_and_the_answer_is_in_the_order_of_the_question() {
    let site = Site::new(rules()).await;
    let mut nobody = site.daemon.client().await;
    let rooms = ["user:anna", "product:1", "a room", "admin:orders", "shop_3"];
    assert_eq!(
        join(&mut nobody, &rooms).await,
        [
            "user:anna denied forbidden",
            "product:1 live",
            "a room denied bad_room",
            "admin:orders denied forbidden",
            "shop_3 denied forbidden",
        ]
    );
    let mut anna = site
        .client("anna", json!({"stores": [3, 5], "role": "seller"}))
        .await;
    assert_eq!(
        join(
            &mut anna,
            &[
                "shop_3",
                "shop_4",
                "shop_5",
                "user:ben",
                "user:anna",
                "admin:orders"
            ]
        )
        .await,
        [
            "shop_3 live",
            "shop_4 denied forbidden",
            "shop_5 live",
            "user:ben denied forbidden",
            "user:anna live",
            "admin:orders denied forbidden",
        ]
    );
    let mut boss = site.client("boss", json!({"roles": ["admin"]})).await;
    assert_eq!(
        join(&mut boss, &["admin:orders"]).await,
        ["admin:orders live"]
    );
}

#[tokio::test]
async fn a_daemon_without_rules_lets_nobody_in() {
    let site = Site::new(Vec::new()).await;
    let mut anna = site.client("anna", json!({"role": "admin"})).await;
    assert_eq!(
        join(&mut anna, &["product:1"]).await,
        ["product:1 denied forbidden"]
    );
}

#[tokio::test]
async fn nobody_can_join_the_daemons_own_room() {
    let site = Site::new(vec![anyone("*")]).await;
    let mut anna = site.client("anna", json!({})).await;
    let rooms = ["pgbell:access", "pgbell:", "pgbell", "pgbells"];
    assert_eq!(
        join(&mut anna, &rooms).await,
        [
            "pgbell:access denied forbidden",
            "pgbell: denied forbidden",
            "pgbell denied forbidden",
            "pgbells live",
        ]
    );
    let open = crate::support::daemon::Daemon::start(&site.database).await;
    let mut client = open.client().await;
    assert_eq!(
        join(&mut client, &["pgbell:access"]).await,
        ["pgbell:access denied forbidden"]
    );
}

#[tokio::test]
async fn a_forbidden_room_and_an_absent_one_are_answered_alike() {
    let site = Site::new(rules()).await;
    site.database
        .run("insert into users (id, name) values (7, 'Ben')")
        .await;
    let mut anna = site.client("anna", json!({})).await;
    let mut answers = Vec::new();
    for room in ["user:7", "user:8", "room:7"] {
        let subscribed = anna.subscribe(&[room]).await;
        answers.push(subscribed["rooms"].to_string().replace(room, "ROOM"));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
}

#[tokio::test]
async fn a_newer_token_takes_the_place_of_the_old_one_and_rooms_go_that_it_does_not_allow() {
    let site = Site::new(rules()).await;
    let mut anna = site.client("anna", json!({"stores": [3, 5]})).await;
    join(&mut anna, &["shop_3", "shop_5", "user:anna", "product:1"]).await;
    let answer = tell(&mut anna, &site.token("anna", json!({"stores": [5, 6]}))).await;
    assert_eq!(answer["type"], "authenticated");
    let revoked = anna.next_of("revoked").await;
    assert_eq!(
        (&revoked["room"], &revoked["code"]),
        (&json!("shop_3"), &json!("forbidden"))
    );
    assert_eq!(
        join(&mut anna, &["shop_3", "shop_6"]).await,
        ["shop_3 denied forbidden", "shop_6 live"]
    );
    let sql = ["shop_3", "shop_5", "user:anna", "product:1"]
        .map(|room| super::write(room, "1"))
        .join(";");
    let told = anna.messages_of(&site.database, &sql).await;
    let mut rooms: Vec<_> = told
        .iter()
        .map(|message| message["room"].to_string())
        .collect();
    rooms.sort();
    assert_eq!(rooms, [r#""product:1""#, r#""shop_5""#, r#""user:anna""#]);
}

#[tokio::test]
async fn a_token_of_somebody_else_or_of_nobody_is_refused_and_the_session_goes_on_as_it_was() {
    let site = Site::new(rules()).await;
    let mut anna = site.client("anna", json!({})).await;
    join(&mut anna, &["user:anna"]).await;
    for (token, code) in [
        (site.token("ben", json!({})), "unauthorized"),
        (site.token("anna", json!({"exp": 1_000})), "token_expired"),
        (
            site.token("anna", json!({"exp": "4000000000"})),
            "unauthorized",
        ),
        ("garbage".into(), "unauthorized"),
        (String::new(), "unauthorized"),
    ] {
        let answer = tell(&mut anna, &token).await;
        assert_eq!(
            (&answer["type"], &answer["code"]),
            (&json!("error"), &json!(code))
        );
        assert_eq!(answer["retryable"], false);
    }
    assert_eq!(
        join(&mut anna, &["user:ben", "user:anna"]).await,
        ["user:ben denied forbidden", "user:anna live"]
    );
}

#[tokio::test]
async fn a_connection_that_comes_with_a_bad_token_is_closed_and_not_welcomed() {
    let site = Site::new(rules()).await;
    for (token, code) in [
        ("garbage".to_owned(), 4000),
        (site.token("anna", json!({"aud": "elsewhere"})), 4000),
        (site.token("anna", json!({"exp": 1_000})), 4200),
    ] {
        let headers = [("authorization", format!("Bearer {token}"))];
        let mut client = Client::open_with(site.daemon.addr, &headers).await;
        let (closed, told) = end(&mut client).await;
        assert_eq!(closed, code);
        assert!(
            told.iter().all(|message| message["type"] == "goodbye"),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn the_end_of_a_token_is_announced_and_ends_the_session() {
    let site = Site::new(rules()).await;
    let soon = Timestamp::now().as_second() + 3;
    let mut anna = site.client("anna", json!({"exp": soon})).await;
    join(&mut anna, &["user:anna"]).await;
    let (closed, told) = end(&mut anna).await;
    assert_eq!(closed, 4200);
    assert!(Timestamp::now().as_second() >= soon, "not before its time");
    let kinds: Vec<_> = told
        .iter()
        .map(|message| message["type"].as_str().expect("a type"))
        .collect();
    assert_eq!(kinds, ["token_expiring", "goodbye"]);
    assert!(told[0]["in_ms"].as_u64().expect("a number") <= 3_000);
    assert_eq!(told[1]["code"], 4200);
}

#[tokio::test]
async fn a_newer_token_in_time_keeps_the_session() {
    let site = Site::new(rules()).await;
    let soon = Timestamp::now().as_second() + 2;
    let mut anna = site.client("anna", json!({"exp": soon})).await;
    join(&mut anna, &["user:anna"]).await;
    anna.next_of("token_expiring").await;
    let answer = tell(&mut anna, &site.token("anna", json!({}))).await;
    assert_eq!(answer["type"], "authenticated");
    while Timestamp::now().as_second() <= soon {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told = anna
        .messages_of(&site.database, &super::write("user:anna", "1"))
        .await;
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn whoever_says_nothing_and_joins_nothing_is_closed_in_time_and_others_are_not() {
    let database = crate::support::database::Database::with_shop().await;
    let site = Site::with(database, rules(), |config| {
        config.access.auth_timeout = Duration::from_millis(300);
    })
    .await;
    let mut guest = site.daemon.client().await;
    let mut anna = site.client("anna", json!({})).await;
    join(&mut guest, &["product:1"]).await;
    let mut silent = site.daemon.client().await;
    assert_eq!(end(&mut silent).await.0, 4104);
    let mut denied = site.daemon.client().await;
    join(&mut denied, &["user:anna"]).await;
    assert_eq!(end(&mut denied).await.0, 4104);
    join(&mut guest, &["product:2"]).await;
    join(&mut anna, &["user:anna"]).await;
}
