//! A subscriber of logical replication, with pgbell on it. Applied rows fire no statement triggers, so row triggers for
//! replicas stand beside them.

use pgbell::{
    demo::postgres::{Options, ThrowawayPostgres},
    install::triggers,
};

use super::{ORDER, PRODUCT, lines, order, partitions::PARTITIONED};
use crate::{
    catalogue::Scene,
    support::{
        client::{changes_in, expect, ids_in, told},
        database::{Database, TEMPLATE, shop_server, trigger_file},
        soon,
    },
};

const TABLES: [&str; 4] = ["products", "inventory", "sales", "orders"];

/// A shop, and a server that subscribes to it and has a daemon and a client.
struct Replica {
    publisher: Database,
    scene: Scene,
    _servers: [ThrowawayPostgres; 2],
}

impl Replica {
    /// The publisher begins with `rows`, which are copied while the client listens.
    async fn of(rows: &str) -> Self {
        Self::with(rows, "").await
    }

    /// `set` runs on the subscriber before it has triggers for replicas.
    async fn with(rows: &str, set: &str) -> Self {
        let options = || Options {
            fsync: false,
            ..Options::default()
        };
        let logical = Options {
            settings: vec![("wal_level".into(), "logical".into())],
            ..options()
        };
        let origin = ThrowawayPostgres::start(logical)
            .await
            .expect("a publisher");
        origin
            .create_database("shop", None)
            .await
            .expect("a database");
        let publisher = Database::at(&origin.url("shop")).await;
        publisher
            .run(include_str!("../../sql/shop/schema.sql"))
            .await;
        // The last of what was written: what comes before it has been applied before it.
        publisher
            .run("create table tide (height serial primary key)")
            .await;
        publisher.run(rows).await;
        publisher.run("create publication shop for table products, product_variants, inventory, sales, orders, tide").await;

        let here = shop_server(options()).await;
        let url = here.url(TEMPLATE);
        let subscriber = Database::at(&url).await;
        subscriber.run(set).await;
        let files = TABLES.map(|table| [table.to_owned(), format!("subscriber/{table}")]);
        let files = files.as_flattened().iter().map(|name| trigger_file(name));
        let files: Vec<_> = files.collect();
        triggers::apply(&url, &files).await.expect("triggers");
        subscriber
            .run("create table tide (height serial primary key)")
            .await;
        let scene = Scene::on(subscriber).await;
        let subscribe = format!(
            "create subscription shop connection '{}' publication shop",
            origin.url("shop")
        );
        scene.database.run(&subscribe).await;
        let replica = Self {
            publisher,
            scene,
            _servers: [origin, here],
        };
        replica
            .awaits("select bool_and(srsubstate = 'r') from pg_subscription_rel")
            .await;
        replica
    }

    /// Waits until the subscriber says `true`.
    async fn awaits(&self, sql: &str) {
        let answered = async { while self.scene.database.value(sql).await != "true" {} };
        soon(sql, answered).await;
    }

    /// All that is told of what the publisher has written.
    async fn messages_of(&mut self, sql: &str) -> Vec<serde_json::Value> {
        self.publisher.run(sql).await;
        self.messages().await
    }

    async fn messages(&mut self) -> Vec<serde_json::Value> {
        let height = self
            .publisher
            .value("select nextval('tide_height_seq')")
            .await;
        self.publisher
            .run(&format!("insert into tide values ({height})"))
            .await;
        self.awaits(&format!(
            "select exists (select from tide where height = {height})"
        ))
        .await;
        self.scene.client.messages(&self.scene.database).await
    }

    async fn told(&mut self, sql: &str, lines: &str) {
        let messages = self.messages_of(sql).await;
        assert_eq!(told(&messages), expect(lines), "{sql}");
    }
}

#[tokio::test]
async fn what_is_applied_is_told_as_if_it_had_been_written_here() {
    let mut replica = Replica::of("").await;
    replica.messages().await;
    let new = "insert into products (id, store_id, seller_id, name) values (1, 1, 11, 'Kettle')";
    replica
        .told(new, &lines(&PRODUCT[1..], "product:created"))
        .await;
    let both = "product:price_changed product:attributes_changed";
    let attributes = lines(&["product:1", "storefront:11"], both)
        + &lines(&["seller:11", "store:1"], "product:price_changed");
    replica
        .told(
            "update products set price = 2, pack_sizes = '{6}' where id = 1",
            &attributes,
        )
        .await;
    replica
        .told("update products set updated_at = now()", "")
        .await;

    let stock = |events| lines(&["product:1", "seller:11", "shop_1"], events);
    replica
        .told(
            "insert into inventory (product_id, quantity) values (1, 12)",
            &stock("product:stock_changed"),
        )
        .await;
    let low = lines(&["product:1"], "product:stock_changed")
        + &lines(&["seller:11", "shop_1"], "product:stock_changed stock:low")
        + &lines(&["admin:stock"], "stock:low");
    replica
        .told("update inventory set quantity = 9", &low)
        .await;
    let out = stock("product:stock_changed stock:out") + &lines(&["admin:stock"], "stock:out");
    replica
        .told("update inventory set reserved = 9", &out)
        .await;
    replica
        .told(
            "update inventory set reserved = 0",
            &stock("product:stock_changed stock:restocked"),
        )
        .await;

    let sale = lines(
        &["sale:3", "product:1", "seller:11", "storefront:11"],
        "EVENTS",
    );
    let sale = |events| sale.replace("EVENTS", events);
    let begun = "insert into sales (id, product_id, discount_percent, starts_at, ends_at)
                 values (3, 1, 10, now() - interval '1 day', now() + interval '1 day')";
    replica
        .told(begun, &sale("sale:created sale:started"))
        .await;
    replica
        .told(
            "update sales set discount_percent = 20",
            &sale("sale:updated sale:discount_changed"),
        )
        .await;
    let moments = "select string_agg(what || ' ' || id, ' ') from pgbell.schedule";
    assert_eq!(replica.scene.database.value(moments).await, "end 3");
    replica
        .told("delete from sales", &sale("sale:deleted sale:ended"))
        .await;
    assert_eq!(replica.scene.database.value(moments).await, "");

    let metrics = lines(
        &["analytics:11", "admin:metrics"],
        "analytics:sale_completed analytics:revenue_updated",
    );
    replica
        .told(&order(5), &lines(&ORDER, "order:created"))
        .await;
    let completed = lines(&ORDER, "order:status_changed order:completed") + &metrics;
    replica
        .told("update orders set status = 'completed'", &completed)
        .await;
    let six = order(6)
        .replace("total)", "total, payment_status)")
        .replace("99.50", "99.50, 'paid'");
    let rooms = ["order:6", "user:9", "seller:11", "shop_1", "admin:orders"];
    replica
        .told(&six, &(lines(&rooms, "order:created") + &metrics))
        .await;
    replica
        .told(
            "delete from orders where id = 5",
            &lines(&ORDER[..3], "order:updated"),
        )
        .await;

    let moved = lines(&["product:1"], "product:deleted product:stock_changed")
        + &lines(&["product:2"], "product:stock_changed")
        + &lines(&["shop_1"], "product:stock_changed")
        + &lines(
            &["storefront:11", "store:1"],
            "product:deleted product:created",
        )
        + &lines(
            &["seller:11"],
            "product:deleted product:created product:stock_changed",
        );
    let sql = "begin; insert into products (id, store_id, seller_id) values (2, 1, 11);
               update inventory set product_id = 2; delete from products where id = 1; commit";
    replica.told(sql, &moved).await;
    let resynced = told(&replica.messages_of("truncate inventory, sales").await);
    for room in ["product:2", "seller:11", "shop_1", "sale:3"] {
        assert_eq!(resynced[room], ["resync".to_owned()].into(), "{room}");
    }
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
        &["order:5", "user:9", "seller:11"],
        "order:updated order:created",
    ) + &lines(&["shop_2", "admin:orders"], "order:created");
    replica.told("update orders set store_id = 2", &moved).await;
    replica
        .told("delete from orders", &lines(&ORDER[..3], "order:updated"))
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
    let rung = async { while rings.recv().await.expect("a ring") != "" {} };
    soon("a ring", rung).await;
}
