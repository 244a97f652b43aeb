//! What writers and schemas do to the triggers of the four core tables, and what clients are told of it.

mod cascades;
mod columns;
mod keys;
mod partitions;
mod replica;
mod rights;
mod statements;
mod subscriber;
mod thresholds;
mod transactions;

use crate::support::database::{Database, trigger_file};

/// Lines that say `events` for each of these rooms.
fn lines(rooms: &[&str], events: &str) -> String {
    let lines = rooms.iter().map(|room| format!("{room} <- {events}\n"));
    lines.collect()
}

/// Everybody who hears of product 1.
const PRODUCT: [&str; 4] = ["product:1", "seller:11", "storefront:11", "store:1"];

/// Everybody who hears of the status of order 5.
const ORDER: [&str; 5] = ["order:5", "user:9", "seller:11", "shop_1", "admin:orders"];

/// An order of user 9 at shop 1, pending.
fn order(id: u32) -> String {
    format!(
        "insert into orders (id, order_number, user_id, seller_id, store_id, total)
         values ({id}, 'A-{id}', 9, 11, 1, 99.50)"
    )
}

/// The triggers of a file once more, for a partition or a child of its table.
fn triggers_on(child: &str, table: &str) -> String {
    let file = trigger_file(table);
    let start = file
        .text()
        .find("create or replace trigger")
        .expect("triggers");
    let triggers = file.text()[start..]
        .split("\n\n")
        .filter(|part| part.starts_with("create or replace trigger"));
    let triggers: Vec<_> = triggers
        .map(|part| part.replace(&format!("public.{table}"), &format!("public.{child}")))
        .collect();
    triggers.join("\n")
}

/// The major version of the server.
async fn release(database: &Database) -> u32 {
    let release = database
        .value("current_setting('server_version_num')::int / 10000")
        .await;
    release.parse().expect("a number")
}
