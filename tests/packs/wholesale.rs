use serde_json::{Value, json};

use super::all;
use crate::support::{client::changes_in, scene::Scene};

const PEOPLE: [&str; 2] = ["seller:11", "user:9"];

#[tokio::test]
async fn invitations_are_told_to_seller_and_buyer() {
    let mut scene = Scene::with_packs(&["wholesale"], "").await;
    let sql = "insert into wholesale_invitations (id, seller_id, buyer_id) values (1, 11, 9)";
    scene
        .told(sql, &all(&PEOPLE, "wholesale:invitation_sent"))
        .await;
    let set = |sql: &str| format!("update wholesale_invitations set {sql}");
    for (change, events) in [
        ("message = 'hello'", "wholesale:invitation_sent"),
        ("status = 'accepted'", "wholesale:invitation_accepted"),
        ("status = 'rejected'", "wholesale:invitation_rejected"),
        (
            "status = 'accepted', message = 'again'",
            "wholesale:invitation_accepted wholesale:invitation_sent",
        ),
        ("status = 'sent'", "wholesale:invitation_sent"),
    ] {
        scene.told(&set(change), &all(&PEOPLE, events)).await;
    }
    scene.told(&set("created_at = clock_timestamp()"), "").await;
    let all_four = ["seller:11", "user:9", "seller:12", "user:10"];
    let moves = set("seller_id = 12, buyer_id = 10");
    scene
        .told(&moves, &all(&all_four, "wholesale:invitation_sent"))
        .await;
    let goes = "delete from wholesale_invitations";
    let told = all(&["seller:12", "user:10"], "wholesale:invitation_sent");
    scene.told(goes, &told).await;
}

#[tokio::test]
async fn wholesale_orders_are_told_to_seller_and_buyer() {
    let mut scene = Scene::with_packs(&["wholesale"], "").await;
    let sql =
        "insert into wholesale_orders (id, seller_id, buyer_id, total) values (1, 11, 9, 500)";
    scene
        .told(sql, &all(&PEOPLE, "wholesale:order_placed"))
        .await;
    let set = |sql: &str| format!("update wholesale_orders set {sql} where id = 1");
    for (change, events) in [
        ("deposit_paid_at = now()", "wholesale:deposit_paid"),
        ("deposit_paid_at = null", "wholesale:order_updated"),
        ("balance_paid_at = now()", "wholesale:balance_paid"),
        ("status = 'confirmed'", "wholesale:order_updated"),
        ("total = 600", "wholesale:order_updated"),
        ("note = 'fragile'", "wholesale:order_updated"),
        (
            "status = 'shipped', tracking_number = 'T-1'",
            "wholesale:order_shipped wholesale:order_updated",
        ),
    ] {
        scene.told(&set(change), &all(&PEOPLE, events)).await;
    }
    scene.told(&set("total = total"), "").await;
    let paid =
        "insert into wholesale_orders (id, seller_id, buyer_id, deposit_paid_at, balance_paid_at)
                values (2, 11, 9, now(), now())";
    let events = "wholesale:order_placed wholesale:deposit_paid wholesale:balance_paid";
    scene.told(paid, &all(&PEOPLE, events)).await;
    let moves = all(
        &["seller:11", "user:9", "user:10"],
        "wholesale:order_updated",
    );
    scene.told(&set("buyer_id = 10"), &moves).await;
    let goes = "delete from wholesale_orders where id = 1";
    scene
        .told(
            goes,
            &all(&["seller:11", "user:10"], "wholesale:order_updated"),
        )
        .await;
    let key = "update wholesale_orders set id = 3 where id = 2";
    let events = "wholesale:order_updated wholesale:order_placed";
    scene.told(key, &all(&PEOPLE, events)).await;
}

#[tokio::test]
async fn a_former_buyer_hears_of_an_order_but_sees_none_of_it() {
    let order =
        "insert into wholesale_orders (id, seller_id, buyer_id, total) values (1, 11, 9, 500)";
    let mut scene = Scene::with_packs(&["wholesale"], order).await;
    let sql = "update wholesale_orders set buyer_id = 10, total = 900";
    let messages = scene.client.messages_of(&scene.database, sql).await;
    let change = &changes_in(&messages, "user:9")[0];
    assert_eq!(
        (&change["old"], &change["new"]),
        (&Value::Null, &Value::Null)
    );
    let sql = "update wholesale_orders set note = 'n', status = 'shipped', tracking_number = 'T-1'";
    let messages = scene.client.messages_of(&scene.database, sql).await;
    let change = &changes_in(&messages, "user:10")[0];
    let new = json!({"status": "shipped", "total": 900.0, "tracking_number": "T-1"});
    assert_eq!(change["new"], new);
}
