use serde_json::{Value, json};

use super::all;
use crate::support::{client::changes_in, scene::Scene};

const BOTH: [&str; 2] = ["seller:11", "user:9"];
const SELLER: [&str; 1] = ["seller:11"];
const DRAFT: &str =
    "insert into quotations (id, seller_id, buyer_id, total) values (1, 11, 9, 500)";
const SENT: &str =
    "insert into quotations (id, seller_id, buyer_id, total, status, sent_at, expires_at)
                    values (1, 11, 9, 500, 'sent', now(), now() + interval '1 hour')";

fn set(sql: &str) -> String {
    format!("update quotations set {sql}")
}

#[tokio::test]
async fn a_buyer_is_told_nothing_of_a_draft() {
    let mut scene = Scene::with_packs(&["quotations"], "").await;
    scene.told(DRAFT, &all(&SELLER, "quotation:created")).await;
    for change in [
        "total = 600",
        "note = 'cheap'",
        "buyer_id = 10",
        "buyer_id = 9",
        "expires_at = now() + interval '1 day'",
        "expires_at = now() - interval '1 day'",
        "sent_at = now()",
        "sent_at = null",
        "viewed_at = now()",
        "viewed_at = null",
    ] {
        let sql = set(change);
        scene.told(&sql, &all(&SELLER, "quotation:updated")).await;
    }
    let scheduled = scene
        .database
        .value("select count(*) from pgbell.schedule")
        .await;
    assert_eq!(scheduled, "0", "a draft does not expire");
    let goes = "delete from quotations";
    scene.told(goes, &all(&SELLER, "quotation:updated")).await;
}

#[tokio::test]
async fn a_quotation_is_told_to_both_from_when_it_is_sent() {
    let mut scene = Scene::with_packs(&["quotations"], DRAFT).await;
    let hour = "now() + interval '1 hour'";
    let sent = set(&format!(
        "status = 'sent', sent_at = now(), expires_at = {hour}"
    ));
    let events = "quotation:sent quotation:updated";
    scene.told(&sent, &all(&BOTH, events)).await;
    for (change, events) in [
        ("viewed_at = now(), status = 'viewed'", "quotation:viewed"),
        ("total = 450", "quotation:updated"),
        ("status = 'accepted'", "quotation:accepted"),
        ("status = 'rejected'", "quotation:rejected"),
        ("status = 'sent'", "quotation:updated"),
        ("status = 'expired'", "quotation:expired"),
        ("status = 'sent'", "quotation:updated"),
        (
            "expires_at = now() - interval '1 s'",
            "quotation:expired quotation:updated",
        ),
        ("expires_at = now() + interval '1 h'", "quotation:updated"),
        ("status = 'draft'", "quotation:updated"),
        ("status = 'sent'", "quotation:sent"),
    ] {
        scene.told(&set(change), &all(&BOTH, events)).await;
    }
    scene.told(&set("created_at = clock_timestamp()"), "").await;
    let three = ["seller:11", "user:9", "user:10"];
    let moves = set("buyer_id = 10");
    scene.told(&moves, &all(&three, "quotation:updated")).await;
    let key = set("id = 2");
    let events = "quotation:updated quotation:created quotation:sent";
    scene
        .told(&key, &all(&["seller:11", "user:10"], events))
        .await;
    let goes = "delete from quotations";
    scene
        .told(goes, &all(&["seller:11", "user:10"], "quotation:updated"))
        .await;
    scene
        .told(SENT, &all(&BOTH, "quotation:created quotation:sent"))
        .await;
}

#[tokio::test]
async fn values_of_a_draft_are_shown_to_nobody() {
    let mut scene = Scene::with_packs(&["quotations"], DRAFT).await;
    let mut shown = async |sql: &str, room: &str| {
        let messages = scene.client.messages_of(&scene.database, sql).await;
        let change = changes_in(&messages, room).pop().expect("a change");
        (change["old"].clone(), change["new"].clone())
    };
    let terms =
        |status: &str, total: f64| json!({"status": status, "total": total, "expires_at": null});
    assert_eq!(
        shown(&set("total = 600"), "seller:11").await,
        (Value::Null, Value::Null)
    );
    let sent = set("status = 'sent', sent_at = now(), total = 700");
    assert_eq!(
        shown(&sent, "user:9").await,
        (Value::Null, terms("sent", 700.0))
    );
    let changed = (terms("sent", 700.0), terms("sent", 650.0));
    assert_eq!(shown(&set("total = 650"), "user:9").await, changed);
    let taken_back = set("status = 'draft', total = 900");
    assert_eq!(
        shown(&taken_back, "user:9").await,
        (terms("sent", 650.0), Value::Null)
    );
    let other_buyer = set("status = 'sent', buyer_id = 10");
    assert_eq!(
        shown(&other_buyer, "user:10").await,
        (Value::Null, Value::Null)
    );
}

#[tokio::test]
async fn a_quotation_expires_when_its_time_has_come() {
    let mut scene = Scene::with_packs(&["quotations"], SENT).await;
    let due = set("expires_at = clock_timestamp() + interval '300 ms'");
    scene.told(&due, &all(&BOTH, "quotation:updated")).await;
    let message = scene.client.next_of("invalidate").await;
    assert_eq!(changes_in(&[message], "seller:11").len(), 1);
    let told = scene.client.messages(&scene.database).await;
    let buyer = &changes_in(&told, "user:9")[0];
    assert_eq!(buyer["events"], json!(["quotation:expired"]));
    let status = set("status = 'expired'");
    scene.told(&status, &all(&BOTH, "quotation:updated")).await;
}

#[tokio::test]
async fn when_a_quotation_expires_follows_its_row() {
    let scene = Scene::with_packs(&["quotations"], SENT).await;
    let planned = async || {
        let plan = "select string_agg(concat_ws(' ', schedule.id, rooms, due_at = expires_at), '; ')
                      from pgbell.schedule left join quotations on quotations.id::text = schedule.id";
        scene.database.value(plan).await
    };
    assert_eq!(planned().await, "1 {seller:11,user:9} t");
    for (change, plan) in [
        (
            "expires_at = now() + interval '2 hours'",
            "1 {seller:11,user:9} t",
        ),
        ("buyer_id = 10", "1 {seller:11,user:10} t"),
        ("status = 'accepted'", ""),
        ("status = 'viewed'", "1 {seller:11,user:10} t"),
        ("status = 'draft'", ""),
        ("status = 'sent'", "1 {seller:11,user:10} t"),
        ("sent_at = null", ""),
        ("sent_at = now()", "1 {seller:11,user:10} t"),
        ("expires_at = 'infinity'", ""),
        (
            "expires_at = now() + interval '1 hour'",
            "1 {seller:11,user:10} t",
        ),
        ("id = 2", "2 {seller:11,user:10} t"),
        ("expires_at = null", ""),
        (
            "expires_at = now() + interval '1 hour'",
            "2 {seller:11,user:10} t",
        ),
    ] {
        scene.database.run(&set(change)).await;
        assert_eq!(planned().await, plan, "{change}");
    }
    scene.database.run("delete from quotations").await;
    assert_eq!(planned().await, "");
    scene.database.run(SENT).await;
    scene.database.run("truncate quotations").await;
    assert_eq!(planned().await, "");
}
