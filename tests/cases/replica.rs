//! Two servers: a shop, and a subscriber of it that has pgbell.

use pgbell::{
    demo::postgres::{Options, ThrowawayPostgres},
    install::triggers,
};
use serde_json::Value;

use crate::{
    support::scene::Scene,
    support::{
        client::{expect, told},
        database::{Database, TEMPLATE, shop_server, trigger_file},
        soon,
    },
};

const TABLES: [&str; 4] = ["products", "inventory", "sales", "orders"];

/// A shop, and a server that subscribes to it and has a daemon and a client.
pub(super) struct Replica {
    pub(super) publisher: Database,
    pub(super) scene: Scene,
    _servers: [ThrowawayPostgres; 2],
}

impl Replica {
    /// The publisher begins with `rows`, which are copied while the client listens.
    pub(super) async fn of(rows: &str) -> Self {
        Self::with(rows, "").await
    }

    /// `set` runs on the subscriber before it has triggers for replicas.
    pub(super) async fn with(rows: &str, set: &str) -> Self {
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
    pub(super) async fn awaits(&self, sql: &str) {
        let answered = async { while self.scene.database.value(sql).await != "true" {} };
        soon(sql, answered).await;
    }

    /// All that is told of what the publisher has written.
    pub(super) async fn messages_of(&mut self, sql: &str) -> Vec<Value> {
        self.publisher.run(sql).await;
        self.messages().await
    }

    pub(super) async fn messages(&mut self) -> Vec<Value> {
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

    pub(super) async fn told(&mut self, sql: &str, lines: &str) {
        let messages = self.messages_of(sql).await;
        assert_eq!(told(&messages), expect(lines), "{sql}");
    }
}
