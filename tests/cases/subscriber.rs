//! A subscriber of logical replication, with pgbell on it. Applied rows fire no statement triggers, so row triggers for
//! replicas stand beside them.

use serde_json::Value;

use super::{ORDER, PRODUCT, lines, order, partitions::PARTITIONED, replica::Replica};
use crate::{
    support::scene::Scene,
    support::{
        client::{changes_in, expect, ids_in, told},
        soon,
    },
};

/// Each is told of with all its rooms, events and values, and schedules what it schedules.
const STATEMENTS: [&str; 28] = [
    "insert into products (id, store_id, seller_id, name) values (20, 1, 11, 'Rug'), (21, 2, 12, 'Hat')",
    "update products set price = price + 1, pack_sizes = '{6}', status = 'inactive' where id in (1, 4)",
    "update products set name = 'Pot', description = 'x', attributes = '{\"a\": 1}' where id = 2",
    "update products set updated_at = now()",
    "update products set seller_id = 12, store_id = 2, price = 5 where id = 3",
    "update products set id = 22 where id = 20",
    "delete from products where id in (21, 22)",
    "insert into inventory (product_id, quantity) select id, 5 from products where id = 3 on conflict do nothing",
    "update inventory set quantity = case product_id when 1 then 10 when 2 then 0 when 3 then 1 else 99 end",
    "update inventory set quantity = 100, reserved = 100 where variant_id = 7",
    "update inventory set reserved = 0",
    "update inventory set low_stock_threshold = 200 where product_id = 4",
    "begin; delete from inventory where product_id = 4; update inventory set product_id = 4 where product_id = 3; commit",
    "delete from inventory where variant_id = 7",
    "insert into sales (id, product_id, discount_percent, starts_at, ends_at, stock_limit)
     values (3, 1, 10, '2020-01-01', '2120-01-01', 2), (4, 2, 10, '2120-01-01', null, null)",
    "update sales set discount_percent = 20, sold_count = 2",
    "update sales set product_id = 4 where id = 4",
    "update sales set id = 5 where id = 3",
    "update sales set starts_at = '2020-01-01' where id = 4",
    "update sales set ends_at = '2021-01-01'",
    "delete from sales where id = 4",
    "insert into orders (id, order_number, user_id, seller_id, store_id, total, payment_status)
     values (5, 'A-5', 9, 11, 1, 99.50, 'pending'), (6, 'A-6', 9, 12, 2, 10, 'paid')",
    "update orders set status = 'completed', tracking_number = 'T'",
    "update orders set payment_status = 'paid', note = 'gift'",
    "update orders set user_id = 10, seller_id = 12, store_id = 2 where id = 5",
    "update orders set id = 7 where id = 5",
    "delete from orders where id = 6",
    "delete from products where id = 1",
];

/// What was told, in an order that does not depend on how it came.
fn changes(messages: &[Value]) -> Vec<String> {
    let mut changes = Vec::new();
    for message in messages {
        let room = message["room"]
            .as_str()
            .unwrap_or_else(|| panic!("{message}"));
        for change in message["changes"].as_array().expect("changes") {
            let shown = ["entity", "id", "op", "old", "new"].map(|key| change[key].to_string());
            let mut events: Vec<_> = change["events"]
                .as_array()
                .expect("events")
                .iter()
                .map(Value::to_string)
                .collect();
            events.sort();
            changes.push(format!("{room} {} {}", shown.join(" "), events.join(" ")));
        }
    }
    changes.sort();
    changes
}

#[tokio::test]
async fn what_is_applied_is_told_as_if_it_had_been_written_here() {
    let mut replica = Replica::of(include_str!("../support/shop.sql")).await;
    replica.messages().await;
    let mut here = Scene::set("").await;
    let moments = "select coalesce(string_agg(concat_ws(' ', id, what, due_at, events, rooms, new), '; ' order by id, what), '')
                     from pgbell.schedule";
    for sql in STATEMENTS {
        let written = here.client.messages_of(&here.database, sql).await;
        let applied = replica.messages_of(sql).await;
        assert_eq!(changes(&applied), changes(&written), "{sql}");
        let scheduled = replica.scene.database.value(moments).await;
        assert_eq!(scheduled, here.database.value(moments).await, "{sql}");
    }
    let resynced = told(&replica.messages_of("truncate inventory, sales").await);
    assert_eq!(
        resynced,
        here.client
            .told_of(&here.database, "truncate inventory, sales")
            .await
    );
}

#[tokio::test]
async fn what_is_written_on_the_subscriber_itself_is_told_once() {
    let shop = include_str!("../support/shop.sql");
    let mut replica = Replica::of(shop).await;
    replica.messages().await;
    let scene = &mut replica.scene;
    let messages = scene
        .client
        .messages_of(
            &scene.database,
            "update products set price = 7 where id = 1",
        )
        .await;
    assert_eq!(
        told(&messages),
        expect(&lines(&PRODUCT, "product:price_changed"))
    );
    assert_eq!(changes_in(&messages, "product:1")[0]["count"], 1);
    let messages = replica
        .messages_of("update products set price = 8 where id = 1")
        .await;
    assert_eq!(changes_in(&messages, "product:1")[0]["count"], 1);
    assert_eq!(
        changes_in(&messages, "product:1")[0]["old"]["price"],
        7.0,
        "what stood here"
    );
}

#[tokio::test]
async fn the_first_copy_tells_every_row_up_to_the_bulk_limit() {
    let shop = include_str!("../support/shop.sql");
    let mut replica = Replica::of(shop).await;
    let messages = replica.messages().await;
    let ids = |room| {
        ids_in(&messages, room)
            .into_iter()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert!(
        ids("store:1").ends_with("1 2 3") && ids("store:2").ends_with('4'),
        "{messages:?}"
    );
    assert!(
        ids("product:1").contains('7'),
        "the variant's stock: {messages:?}"
    );
}

#[tokio::test]
async fn more_applied_rows_than_the_bulk_limit_become_a_resync() {
    let shop = include_str!("../support/shop.sql");
    // A worker reads the settings of its database when it starts.
    let limit = "alter database shop_template set pgbell.bulk_limit = 2";
    let mut replica = Replica::with(shop, limit).await;
    let listed = |event| {
        format!("select count(*) from pgbell.change where events = '{{{event}}}' and id <> '*'")
    };
    let database = &replica.scene.database;
    let copied = database.value(&listed("product:created")).await;
    assert_eq!(
        copied, "3",
        "of the first copy; the one that was too many is the last"
    );
    let resyncs = "select count(*) from pgbell.change where id = '*' and entity = 'product' and 'store:*' = any (rooms)";
    assert_eq!(database.value(resyncs).await, "1");
    replica.messages().await;

    let resynced = told(
        &replica
            .messages_of("update products set price = price + 1")
            .await,
    );
    for room in [
        "product:1",
        "product:4",
        "product:42",
        "seller:12",
        "store:2",
        "storefront:11",
    ] {
        assert!(resynced[room].contains("resync"), "{room}: {resynced:?}");
    }
    assert_eq!(
        replica
            .scene
            .database
            .value(&listed("product:price_changed"))
            .await,
        "3"
    );
    let one = "update products set price = price + 1 where id = 1";
    replica
        .told(one, &lines(&PRODUCT, "product:price_changed"))
        .await;
}

#[tokio::test]
async fn a_partitioned_table_of_a_subscriber_tells_what_is_applied_to_its_partitions() {
    // The keys of the two tables differ.
    let whole = "alter table orders replica identity full";
    let mut replica = Replica::with(whole, PARTITIONED).await;
    replica.messages().await;
    replica
        .told(&order(5), &lines(&ORDER, "order:created"))
        .await;
    let events = "order:status_changed order:shipped";
    replica
        .told(
            "update orders set status = 'shipped'",
            &lines(&ORDER, events),
        )
        .await;
    // Applied as a row that goes and a row that comes.
    let moved = lines(
        &["order:5", "user:9", "seller:11", "admin:orders"],
        "order:updated order:created",
    ) + &lines(&["shop_1"], "order:updated")
        + &lines(&["shop_2"], "order:created");
    replica.told("update orders set store_id = 2", &moved).await;
    let gone = ["order:5", "user:9", "seller:11", "shop_2", "admin:orders"];
    replica
        .told("delete from orders", &lines(&gone, "order:updated"))
        .await;
    let resynced = told(&replica.messages_of("truncate orders cascade").await);
    assert!(resynced["order:5"].contains("resync"), "{resynced:?}");
}

#[tokio::test]
async fn an_applied_row_rings_the_bell_of_the_subscriber() {
    let replica = Replica::of("").await;
    replica
        .awaits("select pg_sequence_last_value('pgbell.doorbell') is null")
        .await;
    let mut rings = replica.scene.database.listen().await;
    replica.publisher.run(&order(5)).await;
    let rung = async { while !rings.recv().await.expect("a ring").is_empty() {} };
    soon("a ring", rung).await;
}
