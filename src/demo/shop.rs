//! The shop's tables, goods and triggers.

use sqlx::{Connection, PgConnection};

use super::Error;
use crate::install::{self, SqlFile, triggers};

macro_rules! sql {
    ($path:literal) => {
        SqlFile::embedded($path, include_str!(concat!("../../", $path)))
    };
}

/// Tables get their mark in the transaction that makes them.
static SHOP: [SqlFile; 4] = [
    sql!("sql/shop/schema.sql"),
    sql!("src/demo/storefront/views.sql"),
    sql!("src/demo/mark.sql"),
    sql!("sql/shop/seed.sql"),
];

static TRIGGERS: [SqlFile; 10] = [
    sql!("sql/triggers/products.sql"),
    sql!("sql/triggers/inventory.sql"),
    sql!("sql/triggers/sales.sql"),
    sql!("sql/triggers/orders.sql"),
    sql!("sql/triggers/packs/stores.sql"),
    sql!("sql/triggers/packs/carts.sql"),
    sql!("sql/triggers/packs/wholesale.sql"),
    sql!("sql/triggers/packs/quotations.sql"),
    sql!("sql/triggers/packs/notifications.sql"),
    sql!("sql/triggers/packs/analytics.sql"),
];

/// Names that the shop needs and that are taken by tables without its mark.
const FOREIGN_TABLES: &str = "
    select string_agg(relname, ', ' order by relname)
      from pg_class
     where relnamespace = 'public'::regnamespace
       and relname in ('stores', 'sellers', 'users', 'categories', 'products', 'product_variants',
                       'inventory', 'sales', 'orders', 'order_items', 'carts', 'cart_items',
                       'wholesale_invitations', 'wholesale_orders', 'quotations', 'notifications',
                       'product_views', 'seller_metrics', 'product_cards', 'order_cards', 'low_stock')
       and obj_description(oid, 'pg_class') is distinct from 'Part of the pgbell demo shop.'";

/// Installs pgbell and opens the shop. Harmless to repeat; touches nothing if the database is
/// somebody's own.
pub(super) async fn open(url: &str) -> Result<(), Error> {
    if let Some(tables) = foreign_tables(url).await.map_err(Error::Unreachable)? {
        return Err(Error::Occupied(tables));
    }
    install::install(url).await?;
    install::run(url, &SHOP).await?;
    triggers::apply(url, &TRIGGERS).await?;
    Ok(())
}

async fn foreign_tables(url: &str) -> Result<Option<String>, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    let tables = sqlx::query_scalar(FOREIGN_TABLES)
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    Ok(tables)
}
