//! Databases on a server of our own.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicU32, Ordering},
};

use pgbell::{
    demo::postgres::{Options, ThrowawayPostgres},
    install::{
        self, SqlFile,
        triggers::{self, Finding},
    },
};
use tokio::sync::{OnceCell, mpsc};
use tokio_postgres::{AsyncMessage, Client, NoTls, error::SqlState};

use super::soon;

/// One server for all tests of this binary. It ends with the process, whatever ends that.
static SERVER: OnceCell<ThrowawayPostgres> = OnceCell::const_new();
static NUMBER: AtomicU32 = AtomicU32::new(0);
pub(crate) const TEMPLATE: &str = "shop_template";

/// Changes the price of the first product of the shop.
pub(crate) const REPRICE: &str = "update products set price = price + 1 where id = 1";
/// Takes one of the first product from stock.
pub(crate) const SELL_ONE: &str =
    "update inventory set quantity = quantity - 1 where product_id = 1 and variant_id is null";

/// A database with the shop, pgbell and the four core triggers, and no rows.
pub(crate) struct Database {
    pub(crate) url: String,
    client: Client,
}

impl Database {
    pub(crate) async fn new() -> Self {
        let server = SERVER.get_or_init(start).await;
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        server
            .create_database(&name, Some(TEMPLATE))
            .await
            .expect("a copy of the template");
        let url = server.url(&name);
        let client = connect(&url).await;
        Self { url, client }
    }

    /// A database that is there already, on any server.
    pub(crate) async fn at(url: &str) -> Self {
        let (url, client) = (url.to_owned(), connect(url).await);
        Self { url, client }
    }

    /// An empty database on the same server.
    pub(crate) async fn empty() -> Self {
        let server = SERVER.get_or_init(start).await;
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        server
            .create_database(&name, None)
            .await
            .expect("an empty database");
        let url = server.url(&name);
        let client = connect(&url).await;
        Self { url, client }
    }

    /// A database with pgbell, and what `sql` makes.
    pub(crate) async fn installed(sql: &str) -> Self {
        let database = Self::empty().await;
        let installed = install::install(&database.url).await;
        installed.expect("installed");
        database.run(sql).await;
        database
    }

    /// Two sellers with a store each, three products of the first and one of the second; the first
    /// product has a variant. Users, orders and sales are left to the tests.
    pub(crate) async fn with_shop() -> Self {
        let database = Self::new().await;
        database.run(include_str!("shop.sql")).await;
        database
    }

    /// Applies trigger files, and says what that did.
    pub(crate) async fn apply(&self, files: &[SqlFile]) -> Vec<Finding> {
        let applied = soon("apply", triggers::apply(&self.url, files)).await;
        applied.expect("applied")
    }

    /// Runs a statement that returns one transaction id.
    pub(crate) async fn xid(&self, sql: &str) -> u64 {
        let rows = soon(sql, self.client.simple_query(sql)).await;
        let rows = rows.expect("a row");
        let row = rows.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        row.and_then(|xid| xid.parse().ok())
            .expect("a transaction id")
    }

    /// Runs statements, as one transaction if there are several.
    pub(crate) async fn run(&self, sql: &str) {
        if let Err(error) = soon(sql, self.client.batch_execute(sql)).await {
            panic!("{sql}: {error:?}");
        }
    }

    /// Runs a statement and returns its only value as text.
    pub(crate) async fn value(&self, sql: &str) -> String {
        let select = format!("select ({sql})::text");
        let row = soon(sql, self.client.query_one(&select, &[])).await;
        row.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
            .get::<_, Option<String>>(0)
            .unwrap_or_default()
    }

    /// One more connection to the same database.
    pub(crate) async fn session(&self) -> Self {
        Self::at(&self.url).await
    }

    /// What is notified on channel `pgbell` from now on.
    pub(crate) async fn listen(&self) -> mpsc::UnboundedReceiver<String> {
        let connected = tokio_postgres::connect(&self.url, NoTls).await;
        let (client, mut connection) = connected.expect("a connection");
        let (heard, hears) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notification(notification) = message {
                    // The test may have ended.
                    let _ = heard.send(notification.payload().to_owned());
                }
            }
        });
        client
            .batch_execute("listen pgbell")
            .await
            .expect("listening");
        std::mem::forget(client);
        hears
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}

async fn start() -> ThrowawayPostgres {
    let settings = [
        ("max_connections", "400"),
        ("max_prepared_transactions", "20"),
    ];
    let options = Options {
        fsync: false,
        settings: settings
            .map(|(name, value)| (name.into(), value.into()))
            .into(),
        ..Options::default()
    };
    shop_server(options).await
}

/// A server with one database, [`TEMPLATE`]: the shop without rows, pgbell and the core triggers.
pub(crate) async fn shop_server(options: Options) -> ThrowawayPostgres {
    let server = ThrowawayPostgres::start(options)
        .await
        .expect("a Postgres server of our own");
    server
        .create_database(TEMPLATE, None)
        .await
        .expect("a template");
    let url = server.url(TEMPLATE);
    install::install(&url).await.expect("installed");
    let shop = connect(&url).await;
    shop.batch_execute(include_str!("../../sql/shop/schema.sql"))
        .await
        .expect("a shop");
    let applied = triggers::apply(&url, &core_files()).await;
    applied.expect("triggers");
    server
}

pub(crate) fn core_files() -> [SqlFile; 4] {
    ["products", "inventory", "sales", "orders"].map(trigger_file)
}

pub(crate) fn trigger_file(table: &str) -> SqlFile {
    let path = format!("{}/sql/triggers/{table}.sql", env!("CARGO_MANIFEST_DIR"));
    SqlFile::read(path.as_ref()).expect("a trigger file")
}

/// A trigger file with something else in it.
pub(crate) fn edited(table: &str, from: &str, to: &str) -> SqlFile {
    let text = trigger_file(table).text().to_owned();
    assert!(text.contains(from), "{table}.sql does not say {from}");
    sql_file(&format!("{table}.sql"), &text.replace(from, to))
}

/// A file of this name that says `text`.
pub(crate) fn sql_file(name: &str, text: &str) -> SqlFile {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(name);
    std::fs::write(&path, text).expect("a file");
    SqlFile::read(&path).expect("a file")
}

/// Waits for a server that starts.
async fn connect(url: &str) -> Client {
    let connecting = async {
        loop {
            match tokio_postgres::connect(url, NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    return client;
                }
                Err(error) if error.code() == Some(&SqlState::CANNOT_CONNECT_NOW) => {}
                Err(error) => panic!("{url}: {error:?}"),
            }
        }
    };
    soon("a connection", connecting).await
}
