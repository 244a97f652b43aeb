//! The demo shop on a throw-away Postgres whose commits wait for the disk.

use std::{io, path::Path};

use pgbell::{
    demo::{ThrowawayPostgres, postgres::Options},
    install::{self, SqlFile, triggers},
};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls, Statement};

const DATABASE: &str = "shop";
/// So many of the files are the shop itself; the others are trigger files.
const SHOP: usize = 2;
/// In the order in which they must be applied.
const FILES: [&str; 6] = [
    "shop/schema",
    "shop/seed",
    "triggers/products",
    "triggers/inventory",
    "triggers/sales",
    "triggers/orders",
];

/// Postgres ends with this value.
pub(crate) struct Shop {
    server: ThrowawayPostgres,
    _runtime: Runtime,
}

impl Shop {
    pub(crate) fn open() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let server = runtime
            .block_on(async {
                let server = ThrowawayPostgres::start(Options::default()).await?;
                server.create_database(DATABASE, None).await?;
                Ok::<_, pgbell::demo::postgres::Error>(server)
            })
            .map_err(io::Error::other)?;
        let sql = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
        let read = |name| SqlFile::read(&sql.join(format!("{name}.sql")));
        let files: Vec<SqlFile> = FILES.into_iter().map(read).collect::<io::Result<_>>()?;
        let url = server.url(DATABASE);
        runtime
            .block_on(async {
                install::install(&url).await?;
                let (shop, watchers) = files.split_at(SHOP);
                install::run(&url, shop).await?;
                triggers::apply(&url, watchers).await.map(drop)
            })
            .map_err(io::Error::other)?;
        Ok(Self {
            server,
            _runtime: runtime,
        })
    }

    pub(crate) fn url(&self) -> String {
        self.server.url(DATABASE)
    }

    /// The product that room number `room` is about.
    pub(crate) fn product(room: usize) -> i64 {
        room as i64 + 1
    }

    pub(crate) fn writer(&self) -> io::Result<Writer> {
        Writer::connect(&self.url())
    }
}

/// One connection of an application that writes.
pub(crate) struct Writer {
    runtime: Runtime,
    client: Client,
    restock: Statement,
}

impl Writer {
    pub(crate) fn connect(url: &str) -> io::Result<Self> {
        const RESTOCK: &str = "update inventory set quantity = quantity + 1 \
                               where product_id = $1 and variant_id is null";
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (client, restock) = runtime
            .block_on(async {
                let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
                tokio::spawn(connection);
                let restock = client.prepare(RESTOCK).await?;
                Ok::<_, tokio_postgres::Error>((client, restock))
            })
            .map_err(io::Error::other)?;
        Ok(Self {
            runtime,
            client,
            restock,
        })
    }

    /// More than the system and the daemon hold for a client that does not read.
    pub(crate) fn flood(&mut self) -> io::Result<()> {
        const FLOOD: &str = "insert into pgbell.change (entity, id, events, rooms, new) \
                             values ('thing', '1', '{thing:changed}', '{deaf}', \
                                     jsonb_build_object('x', repeat('x', 7000)))";
        let flood = async {
            for _ in 0..100 {
                self.client.batch_execute(FLOOD).await?;
            }
            Ok::<_, tokio_postgres::Error>(())
        };
        self.runtime.block_on(flood).map_err(io::Error::other)
    }

    /// One more of a product in stock, committed.
    pub(crate) fn restock(&mut self, product: i64) -> io::Result<()> {
        let update = async { self.client.execute(&self.restock, &[&product]).await };
        let updated = self.runtime.block_on(update).map_err(io::Error::other)?;
        if updated == 1 {
            Ok(())
        } else {
            Err(io::Error::other(format!("no stock of product {product}")))
        }
    }
}
