//! Partitioned and inherited tables. A statement fires the triggers of the table that it names, and of no other: so the
//! same triggers stand on the parent and on each child.

use super::{ORDER, lines, order, statements::copy, triggers_on};
use crate::{
    support::scene::Scene,
    support::{
        client::{changes_in, expect, told},
        database::{Database, trigger_file},
    },
};

/// Orders with a partition for each store. That of store 2 has its columns in another order, and one was dropped.
pub(super) const PARTITIONED: &str = "
    alter table orders rename to plain;
    create table orders (like plain including defaults, primary key (id, store_id)) partition by list (store_id);
    drop table plain cascade;
    create table orders_north partition of orders for values in (1);
    create table orders_south (
        gone text, note text not null default '', total numeric(12, 2) not null default 0, tracking_number text,
        store_id bigint not null, seller_id bigint not null, user_id bigint not null,
        payment_status text not null default 'pending', status text not null default 'pending',
        order_number text not null, id bigint not null,
        updated_at timestamptz not null default now(), created_at timestamptz not null default now());
    alter table orders_south drop column gone;
    alter table orders attach partition orders_south for values in (2);";

/// Orders, and a child of them for those of old.
const INHERITED: &str = "
    create table orders_old (archived_at timestamptz default now()) inherits (orders);
    alter table orders_old add primary key (id);";

async fn shop(set: &str, children: &[&str]) -> Scene {
    let database = Database::with_shop().await;
    database.run(set).await;
    database.apply(&[trigger_file("orders")]).await;
    for child in children {
        database.run(&triggers_on(child, "orders")).await;
    }
    Scene::on(database).await
}

async fn partitioned() -> Scene {
    shop(PARTITIONED, &["orders_north", "orders_south"]).await
}

#[tokio::test]
async fn a_write_to_the_parent_or_to_a_partition_is_told_and_told_once() {
    let mut scene = partitioned().await;
    scene.told(&order(5), &lines(&ORDER, "order:created")).await;
    let into = "insert into orders_north (id, order_number, user_id, seller_id, store_id) values (6, 'A-6', 9, 11, 1)";
    let six = ["order:6", "user:9", "seller:11", "shop_1", "admin:orders"];
    scene.told(into, &lines(&six, "order:created")).await;
    for table in ["orders", "orders_north"] {
        let sql = format!("update {table} set status = status || '!' where id = 5");
        let messages = scene.client.messages_of(&scene.database, &sql).await;
        assert_eq!(
            told(&messages),
            expect(&lines(&ORDER, "order:status_changed")),
            "{table}"
        );
        assert_eq!(changes_in(&messages, "order:5")[0]["count"], 1, "{table}");
    }
    let gone = ["order:6", "user:9", "seller:11", "shop_1", "admin:orders"];
    scene
        .told(
            "delete from orders_north where id = 6",
            &lines(&gone, "order:updated"),
        )
        .await;
    scene
        .told("delete from orders", &lines(&ORDER, "order:updated"))
        .await;
}

#[tokio::test]
async fn a_copy_into_the_parent_or_into_a_partition_is_told() {
    let mut scene = partitioned().await;
    let columns = "(id, order_number, user_id, seller_id, store_id)";
    copy(
        &scene.database,
        &format!("orders_north {columns}"),
        "5\tA-5\t9\t11\t1\n",
    )
    .await;
    let messages = scene.client.messages(&scene.database).await;
    assert_eq!(told(&messages), expect(&lines(&ORDER, "order:created")));
    copy(
        &scene.database,
        &format!("orders {columns}"),
        "6\tA-6\t9\t11\t1\n7\tA-7\t9\t12\t2\n",
    )
    .await;
    let messages = scene.client.messages(&scene.database).await;
    let expected = [
        "order:6",
        "order:7",
        "user:9",
        "seller:11",
        "seller:12",
        "shop_1",
        "shop_2",
        "admin:orders",
    ];
    assert_eq!(told(&messages), expect(&lines(&expected, "order:created")));
}

#[tokio::test]
async fn a_row_that_an_update_moves_to_another_partition_is_an_update_of_one_order() {
    let mut scene = partitioned().await;
    scene.database.run(&order(5)).await;
    scene.client.messages(&scene.database).await;
    let sql = "update orders set store_id = 2, status = 'shipped' where id = 5";
    let messages = scene.client.messages_of(&scene.database, sql).await;
    let expected = lines(
        &["order:5", "user:9", "seller:11", "shop_1", "shop_2"],
        "order:updated order:status_changed order:shipped",
    ) + &lines(&["admin:orders"], "order:status_changed order:shipped");
    assert_eq!(told(&messages), expect(&expected));
    let change = &changes_in(&messages, "order:5")[0];
    assert_eq!(
        (&change["op"], &change["old"]["status"]),
        (&"update".into(), &"pending".into())
    );
    let back = "update orders set store_id = case store_id when 1 then 2 else 1 end, note = 'x'";
    let rooms = ["order:5", "user:9", "seller:11", "shop_1", "shop_2"];
    scene.told(back, &lines(&rooms, "order:updated")).await;
    scene.told("update orders set updated_at = now()", "").await;
}

#[tokio::test]
async fn truncating_the_parent_or_a_partition_resyncs() {
    let mut scene = partitioned().await;
    for table in ["orders", "orders_north"] {
        let told = scene
            .client
            .told_of(&scene.database, &format!("truncate {table}"))
            .await;
        for room in [
            "order:5",
            "user:9",
            "seller:11",
            "shop_1",
            "analytics:11",
            "admin:orders",
        ] {
            assert_eq!(told[room], ["resync".to_owned()].into(), "{table}, {room}");
        }
    }
}

#[tokio::test]
async fn a_partition_that_comes_or_goes_tells_nothing_until_somebody_says_so() {
    let mut scene = partitioned().await;
    scene.database.run(&order(5)).await;
    scene.client.messages(&scene.database).await;
    scene
        .told("alter table orders detach partition orders_north", "")
        .await;
    let sql = "begin;
               alter table orders attach partition orders_north for values in (1);
               insert into pgbell.change (entity, id, op, events, rooms)
               values ('order', '*', 'insert', '{order:created}', '{order:*,user:*,shop_1,admin:orders}');
               commit";
    let told = scene.client.told_of(&scene.database, sql).await;
    for room in ["order:5", "user:9", "shop_1", "admin:orders"] {
        assert_eq!(told[room], ["resync".to_owned()].into(), "{room}");
    }
    assert!(!told.contains_key("shop_2"), "{told:?}");
    scene
        .told(
            "update orders set status = 'shipped'",
            &lines(&ORDER, "order:status_changed order:shipped"),
        )
        .await;
}

#[tokio::test]
async fn a_partition_without_triggers_is_told_of_by_writes_to_the_parent_only() {
    let mut scene = partitioned().await;
    let new = "alter table orders detach partition orders_south;
               create table orders_new partition of orders for values in (2)";
    scene.told(new, "").await;
    let insert = "insert into orders (id, order_number, user_id, seller_id, store_id) values (5, 'A-5', 9, 12, 2)";
    let rooms = ["order:5", "user:9", "seller:12", "shop_2", "admin:orders"];
    scene.told(insert, &lines(&rooms, "order:created")).await;
    scene
        .told("update orders_new set status = 'shipped'", "")
        .await;
    let shop = triggers_on("orders_new", "orders");
    scene.told(&shop, "").await;
    let told = lines(&rooms, "order:status_changed order:completed")
        + &lines(
            &["analytics:12", "admin:metrics"],
            "analytics:sale_completed analytics:revenue_updated",
        );
    scene
        .told("update orders_new set status = 'completed'", &told)
        .await;
}

#[tokio::test]
async fn a_write_to_an_inherited_table_is_told_like_one_to_its_parent() {
    let mut scene = shop(INHERITED, &["orders_old"]).await;
    scene
        .told(
            &order(5).replace("orders (", "orders_old ("),
            &lines(&ORDER, "order:created"),
        )
        .await;
    for table in ["orders", "orders_old"] {
        let sql = format!("update {table} set status = status || '!'");
        let messages = scene.client.messages_of(&scene.database, &sql).await;
        assert_eq!(
            told(&messages),
            expect(&lines(&ORDER, "order:status_changed")),
            "{table}"
        );
        assert_eq!(changes_in(&messages, "order:5")[0]["count"], 1, "{table}");
    }
    scene
        .told("update only orders set status = 'shipped'", "")
        .await;
    scene
        .told("update orders_old set archived_at = null", "")
        .await;
    scene
        .told("delete from orders", &lines(&ORDER, "order:updated"))
        .await;
}
