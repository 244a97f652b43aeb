//! Rights that change at the wrong moment: while a session is busy, while it asks, or while nobody is in the room.

use std::time::Duration;

use pgbell::access::RoomRule;
use serde_json::{Value, json};

use super::{
    Site, anyone, join,
    orders::{POLICY, orders},
    rule, sql, tell,
};
use crate::support::{client::Client, database::Database};

const MOVE: &str = "update orders set user_id = 2 where id = 7";

/// A rule whose answer waits for as long as somebody has locked the table `gate`.
fn gated() -> RoomRule {
    sql("gate:{id}", "select from gate where $1 <> ''")
}

async fn shop(set: impl FnOnce(&mut pgbell::config::Config)) -> Site {
    let database = Database::with_shop().await;
    database.run(POLICY).await;
    database
        .run("create table gate (); insert into gate default values; grant select on gate to pgbell_guest")
        .await;
    let rules = vec![
        orders(),
        gated(),
        rule("shop_{stores}"),
        anyone("mark:*"),
        anyone("product:*"),
    ];
    Site::with(database, rules, |config| {
        config.access.sql.timeout = Duration::from_secs(4);
        set(config);
    })
    .await
}

/// Closes the gate until the session is told to commit.
async fn close_gate(site: &Site) -> Database {
    let gate = site.database.session().await;
    gate.run("begin; lock table gate in access exclusive mode")
        .await;
    gate
}

/// Waits until somebody stands before the gate.
async fn wait_at_gate(site: &Site) {
    let waiting =
        "select count(*) > 0 from pg_locks where not granted and relation = 'gate'::regclass";
    while site.database.value(waiting).await != "true" {}
}

/// The next message about a room of the session's own, or an answer.
async fn next_told(client: &mut Client) -> Value {
    loop {
        let message = client.next().await;
        if ["subscribed", "revoked", "invalidate", "resync"]
            .contains(&message["type"].as_str().unwrap_or_default())
        {
            return message;
        }
    }
}

#[tokio::test]
async fn a_session_that_keeps_itself_busy_is_taken_out_of_a_room_all_the_same() {
    let site = shop(|_| {}).await;
    let mut one = site.client("1", json!({})).await;
    join(&mut one, &["order:7"]).await;
    let gate = close_gate(&site).await;
    for id in 10..20 {
        let room = format!("gate:{id}");
        one.say(json!({"type": "subscribe", "id": id, "rooms": [room]}))
            .await;
    }
    wait_at_gate(&site).await;
    site.database.run(MOVE).await;
    loop {
        let told = next_told(&mut one).await;
        if told["type"] == "revoked" {
            assert_eq!(told["room"], "order:7");
            break;
        }
        assert_ne!(told["id"], 19, "it was busy until then");
    }
    gate.run("rollback").await;
}

#[tokio::test]
async fn what_claims_take_away_does_not_wait_for_the_database() {
    let site = shop(|config| {
        config.access.sql.cache = Duration::ZERO;
        config.access.sql.timeout = Duration::from_secs(10);
    })
    .await;
    let mut one = site.client("1", json!({"stores": [5]})).await;
    join(&mut one, &["shop_5", "gate:1"]).await;
    let gate = close_gate(&site).await;
    let answer = tell(&mut one, &site.token("1", json!({"stores": []}))).await;
    assert_eq!(answer["type"], "authenticated");
    let told = next_told(&mut one).await;
    assert_eq!(
        (&told["type"], &told["room"]),
        (&json!("revoked"), &json!("shop_5"))
    );
    let unanswered = r#"pgbell_access_questions_total{reason="not_ready"}"#;
    let given_up = site.daemon.number(unanswered).await;
    assert_eq!(given_up, 0.0, "the database was waited for");
    gate.run("rollback").await;
}

#[tokio::test]
async fn a_right_that_goes_in_a_bulk_write_while_nobody_is_in_the_room_is_gone() {
    for bulk in ["order:7", "order:8"] {
        let site = shop(|_| {}).await;
        let mut one = site.client("1", json!({})).await;
        join(&mut one, &["order:7"]).await;
        drop(one);
        let id = bulk.trim_start_matches("order:");
        let write = format!(
            "set pgbell.bulk_limit = 0; update orders set user_id = 2 where id in (7, {id}); reset pgbell.bulk_limit"
        );
        site.database.run(&write).await;
        site.daemon.client().await.messages(&site.database).await;
        let mut one = site.client("1", json!({})).await;
        assert_eq!(
            join(&mut one, &["order:7"]).await,
            ["order:7 denied forbidden"]
        );
    }
}

#[tokio::test]
async fn an_answer_that_let_nobody_in_is_not_kept_beyond_what_is_heard() {
    let site = shop(|config| config.gateway.max_rooms_per_connection = 1).await;
    let mut one = site.client("1", json!({})).await;
    join(&mut one, &["product:1"]).await;
    assert_eq!(
        join(&mut one, &["order:7"]).await,
        ["order:7 denied limit_exceeded"]
    );
    site.database.run(MOVE).await;
    site.daemon.client().await.messages(&site.database).await;
    one.say(json!({"type": "unsubscribe", "id": 3, "rooms": ["product:1"]}))
        .await;
    one.next_of("unsubscribed").await;
    assert_eq!(
        join(&mut one, &["order:7"]).await,
        ["order:7 denied forbidden"]
    );
}

#[tokio::test]
async fn a_right_that_goes_while_other_rooms_of_the_request_are_asked_about_is_gone() {
    let site = shop(|_| {}).await;
    let gate = close_gate(&site).await;
    let mut one = site.client("1", json!({})).await;
    one.say(json!({"type": "subscribe", "id": 1, "rooms": ["order:7", "gate:1"]}))
        .await;
    wait_at_gate(&site).await;
    while site
        .daemon
        .number("pgbell_access_questions_total{reason=\"allowed\"}")
        .await
        < 1.0
    {}
    site.database.run(MOVE).await;
    site.daemon.client().await.messages(&site.database).await;
    gate.run("rollback").await;
    let told = next_told(&mut one).await;
    let order = &told["rooms"][0];
    assert_eq!(order["code"], "forbidden", "{told}");
}

#[tokio::test]
async fn one_user_who_asks_much_leaves_the_database_to_others() {
    let site = shop(|config| config.access.sql.waiting_per_user = 1).await;
    let gate = close_gate(&site).await;
    let mut eve = site.client("3", json!({})).await;
    let rooms: Vec<String> = (1..=100).map(|id| format!("gate:{id}")).collect();
    eve.say(json!({"type": "subscribe", "id": 1, "rooms": rooms}))
        .await;
    wait_at_gate(&site).await;
    let mut one = site.client("1", json!({})).await;
    assert_eq!(join(&mut one, &["order:7"]).await, ["order:7 live"]);
    gate.run("rollback").await;
}
