use serde_json::json;

use super::all;
use crate::support::{
    client::{changes_in, expect, ids_in},
    scene::Scene,
    soon,
};

#[tokio::test]
async fn a_product_that_is_looked_at_is_told_once_per_statement() {
    let mut scene = Scene::with_packs(&["analytics"], "").await;
    let sql = "insert into product_views (product_id) values (1), (1), (2), (4)";
    let viewed = "analytics:product_viewed";
    scene
        .told(sql, &all(&["analytics:11", "analytics:12"], viewed))
        .await;
    let messages = scene.client.messages_of(&scene.database, sql).await;
    assert_eq!(
        ids_in(&messages, "analytics:11"),
        ["1", "2"].map(str::to_owned).into()
    );
    let counts = changes_in(&messages, "analytics:11");
    assert!(
        counts.iter().all(|change| change["count"] == 1),
        "{counts:?}"
    );
    scene
        .told("delete from product_views where product_id = 1", "")
        .await;
}

#[tokio::test]
async fn stock_that_runs_low_or_out_alerts_the_seller_and_the_back_office() {
    let mut scene = Scene::with_packs(&["analytics"], "").await;
    let set = |sql: &str| {
        format!("update inventory set {sql} where product_id = 1 and variant_id is null")
    };
    let stock = ["product:1", "seller:11", "shop_1"];
    let alert = all(
        &["analytics:11", "admin:metrics"],
        "analytics:inventory_alert",
    );
    scene
        .told(&set("quantity = 11"), &all(&stock, "product:stock_changed"))
        .await;
    let low = format!(
        "product:1 <- product:stock_changed\n admin:stock <- stock:low\n{}\n{alert}",
        all(&stock[1..], "product:stock_changed stock:low")
    );
    scene.told(&set("quantity = 10"), &low).await;
    scene
        .told(&set("quantity = 9"), &all(&stock, "product:stock_changed"))
        .await;
    let out = format!(
        "admin:stock <- stock:out\n{}\n{alert}",
        all(&stock, "product:stock_changed stock:out")
    );
    scene.told(&set("quantity = 0"), &out).await;
    let restocked = all(&stock, "product:stock_changed stock:restocked");
    scene.told(&set("quantity = 50"), &restocked).await;
    let sql = "update inventory set quantity = 3 where variant_id = 7";
    let messages = scene.client.messages_of(&scene.database, sql).await;
    let change = &changes_in(&messages, "analytics:11")[0];
    assert_eq!(
        (&change["entity"], &change["id"]),
        (&json!("variant"), &json!("7"))
    );
    assert_eq!(change["new"], json!({"available": 3, "threshold": 10}));
}

#[tokio::test]
async fn metrics_are_told_for_each_seller_every_minute() {
    let mut scene = Scene::with_packs(&["analytics"], "").await;
    let planned = "select string_agg(concat_ws(' ', id, rooms, every, due_at <= now() + every), '; ' order by id)
                     from pgbell.schedule";
    scene
        .database
        .run("insert into sellers (id) values (11), (12), (13)")
        .await;
    scene
        .database
        .run("update sellers set id = 14 where id = 13")
        .await;
    scene
        .database
        .run("delete from sellers where id = 12")
        .await;
    assert_eq!(
        scene.database.value(planned).await,
        "11 {analytics:11,admin:metrics} 00:01:00 t; 14 {analytics:14,admin:metrics} 00:01:00 t"
    );
    let due = "update pgbell.schedule set due_at = clock_timestamp() where id = '11'";
    let mut told = scene.client.told_of(&scene.database, due).await;
    let comes = async {
        while told.is_empty() {
            told = scene.client.told_of(&scene.database, "select 1").await;
        }
    };
    soon("metrics", comes).await;
    let metrics = all(
        &["analytics:11", "admin:metrics"],
        "analytics:metrics_updated",
    );
    assert_eq!(told, expect(&metrics));
    let again = "select due_at > now() + interval '50 s' from pgbell.schedule where id = '11'";
    assert_eq!(scene.database.value(again).await, "true");
    scene.database.run("truncate sellers").await;
    assert_eq!(scene.database.value(planned).await, "");
}
