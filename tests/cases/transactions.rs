//! Several statements in one transaction: all that happened on the way is told, and nothing that was taken back.

use serde_json::json;

use super::{ORDER, PRODUCT, lines, order};
use crate::{
    support::scene::Scene,
    support::{
        client::{changes_in, expect, told},
        soon,
    },
};

#[tokio::test]
async fn stock_that_ran_low_and_came_back_in_one_transaction_tells_both() {
    let mut scene = Scene::set("").await;
    let stock =
        |quantity| format!("update inventory set quantity = {quantity} where product_id = 2;");
    let sql = format!("begin; {} {} {} commit", stock(3), stock(0), stock(100));
    let everything = "product:stock_changed stock:low stock:out stock:restocked";
    let expected = lines(
        &["product:2"],
        "product:stock_changed stock:out stock:restocked",
    ) + &lines(&["seller:11", "shop_1"], everything)
        + &lines(&["admin:stock"], "stock:low stock:out");
    let messages = scene.client.messages_of(&scene.database, &sql).await;
    assert_eq!(told(&messages), expect(&expected));
    let change = &changes_in(&messages, "product:2")[0];
    assert_eq!(change["old"], json!({"available": 100}));
    assert_eq!(
        change["new"],
        json!({"available": 100}),
        "told although it ended where it began"
    );
}

#[tokio::test]
async fn an_order_that_goes_through_its_life_in_one_transaction_tells_each_step() {
    let mut scene = Scene::set("").await;
    let sql = format!(
        "begin; {}; update orders set status = 'shipped' where id = 5;
         update orders set status = 'completed' where id = 5; commit",
        order(5)
    );
    let told = lines(
        &ORDER,
        "order:created order:status_changed order:shipped order:completed",
    ) + &lines(
        &["analytics:11", "admin:metrics"],
        "analytics:sale_completed analytics:revenue_updated",
    );
    scene.told(&sql, &told).await;
}

#[tokio::test]
async fn a_savepoint_that_is_taken_back_tells_only_what_stood_around_it() {
    let mut scene = Scene::set("").await;
    let sql = "begin;
               update products set price = 1 where id = 1;
               savepoint first; update products set status = 'inactive' where id = 1;
               savepoint second; delete from products where id = 2;
               rollback to first; release first; commit";
    scene
        .told(sql, &lines(&PRODUCT, "product:price_changed"))
        .await;
}

#[tokio::test]
async fn a_block_that_catches_its_error_tells_what_it_kept() {
    let mut scene = Scene::set("").await;
    let sql = "do $$ begin
                   begin
                       update products set price = 1 where id = 2;
                       update products set price = -1 where id = 2;
                   exception when check_violation then
                       update products set price = 1 where id = 1;
                   end;
               end $$";
    scene
        .told(sql, &lines(&PRODUCT, "product:price_changed"))
        .await;
}

#[tokio::test]
async fn a_writer_that_plays_the_replica_fires_no_trigger_and_tells_nothing() {
    let mut scene = Scene::set("").await;
    let sql = "begin; set local session_replication_role = replica; update products set price = 1; commit";
    scene.told(sql, "").await;
    scene
        .told(
            "update products set price = 2 where id = 1",
            &lines(&PRODUCT, "product:price_changed"),
        )
        .await;
}

#[tokio::test]
async fn a_writer_who_waited_for_another_crosses_the_threshold_from_where_that_one_left_it() {
    let mut scene = Scene::set("").await;
    let (first, second) = (
        scene.database.session().await,
        scene.database.session().await,
    );
    let sell =
        |count| format!("update inventory set quantity = quantity - {count} where product_id = 2");
    first.run(&format!("begin; {}", sell(45))).await;
    let (waiting, selling) = (scene.database.session().await, sell(46));
    let release = async {
        let waits = "select exists (select from pg_stat_activity
                                     where datname = current_database() and wait_event_type = 'Lock')";
        while waiting.value(waits).await != "true" {}
        first.run("commit").await;
    };
    tokio::join!(second.run(&selling), soon("a writer to wait", release));
    let messages = scene.client.messages(&scene.database).await;
    let expected = lines(&["product:2"], "product:stock_changed")
        + &lines(&["seller:11", "shop_1"], "product:stock_changed stock:low")
        + &lines(&["admin:stock"], "stock:low");
    assert_eq!(told(&messages), expect(&expected));
    let low = &changes_in(&messages, "admin:stock")[0];
    assert_eq!(low["old"]["available"], 55, "what the other had left");
}
