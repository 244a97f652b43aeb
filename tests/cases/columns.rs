//! Tables that look different from the shop's.

use pgbell::install::SqlFile;
use serde_json::json;

use super::{ORDER, PRODUCT, lines, order, release};
use crate::{
    support::scene::Scene,
    support::{
        client::changes_in,
        database::{Database, trigger_file},
    },
};

/// A file edited as its header says, for a table that lacks these columns: what stands for them where they are read.
fn lacking(table: &str, columns: &[(&str, &str)]) -> SqlFile {
    let file = trigger_file(table);
    let mut parts: Vec<String> = file.text().split("$$").map(str::to_owned).collect();
    for (column, by) in columns {
        for body in parts
            .iter_mut()
            .filter(|part| part.trim_start().starts_with("begin"))
        {
            let lines = body.lines().map(|line| replace_column(line, column, by));
            *body = lines.collect::<Vec<_>>().join("\n");
        }
        if let Some(last) = parts.last_mut() {
            *last = last.replace(&format!("{table}.{column}"), by);
        }
    }
    SqlFile::embedded("edited.sql", parts.join("$$").leak())
}

/// Replaces a column, with `o.` or `n.` before it if that is there, outside of quotes and comments.
fn replace_column(line: &str, column: &str, by: &str) -> String {
    let of_word = |character: char| character.is_alphanumeric() || character == '_';
    if line.trim_start().starts_with("--") {
        return line.to_owned();
    }
    let mut parts: Vec<String> = line.split('\'').map(str::to_owned).collect();
    for part in parts.iter_mut().step_by(2) {
        let mut replaced = String::new();
        let mut rest = part.as_str();
        while let Some(at) = rest.find(column) {
            let (before, after) = (&rest[..at], &rest[at + column.len()..]);
            let whole = !before.ends_with(of_word) && !after.starts_with(of_word);
            let bare = before.strip_suffix("o.").or(before.strip_suffix("n."));
            replaced.push_str(if whole {
                bare.unwrap_or(before)
            } else {
                before
            });
            replaced.push_str(if whole { by } else { column });
            rest = after;
        }
        *part = replaced + rest;
    }
    parts.join("'")
}

#[tokio::test]
async fn tables_without_the_optional_columns_do_with_null_in_their_place() {
    let null = |columns: &[&'static str]| columns.iter().map(|column| (*column, "null")).collect();
    let optional: [(&str, Vec<(&str, &str)>); 4] = [
        (
            "products",
            null(&[
                "description",
                "images",
                "category_id",
                "status",
                "attributes",
                "options",
                "pack_sizes",
            ]),
        ),
        (
            "inventory",
            vec![
                ("variant_id", "null"),
                ("low_stock_threshold", "null"),
                ("reserved", "0"),
            ],
        ),
        ("sales", null(&["ends_at", "stock_limit", "sold_count"])),
        (
            "orders",
            null(&["payment_status", "tracking_number", "note"]),
        ),
    ];
    let database = Database::with_shop().await;
    database
        .run("delete from inventory where variant_id is not null")
        .await;
    for (table, columns) in optional {
        for (column, _) in &columns {
            database
                .run(&format!("alter table {table} drop column {column} cascade"))
                .await;
        }
        database.apply(&[lacking(table, &columns)]).await;
    }
    let mut scene = Scene::on(database).await;
    scene
        .told(
            "insert into products (id, store_id, seller_id) values (9, 1, 11)",
            &lines(&PRODUCT[1..], "product:created"),
        )
        .await;
    let both = "product:updated product:price_changed";
    scene
        .told(
            "update products set name = 'Pot', price = 1 where id = 1",
            &lines(&PRODUCT, both),
        )
        .await;
    let stock = |events| lines(&["product:2", "seller:11", "shop_1"], events);
    scene
        .told(
            "update inventory set quantity = 99 where product_id = 2",
            &stock("product:stock_changed"),
        )
        .await;
    let low = lines(&["product:2"], "product:stock_changed")
        + &lines(&["seller:11", "shop_1"], "product:stock_changed stock:low")
        + &lines(&["admin:stock"], "stock:low");
    scene
        .told(
            "update inventory set quantity = 5 where product_id = 2",
            &low,
        )
        .await;
    scene
        .told(
            "delete from inventory where product_id = 2",
            &stock("product:stock_changed"),
        )
        .await;
    scene
        .told(
            "insert into inventory (product_id) values (2)",
            &stock("product:stock_changed"),
        )
        .await;
    let sale = ["sale:3", "product:1", "seller:11", "storefront:11"];
    let insert = "insert into sales (id, product_id, starts_at) values (3, 1, '2020-01-01')";
    scene
        .told(insert, &lines(&sale, "sale:created sale:started"))
        .await;
    let events = "sale:updated sale:discount_changed";
    scene
        .told(
            "update sales set discount_percent = 1",
            &lines(&sale, events),
        )
        .await;
    scene
        .told(
            "delete from sales",
            &lines(&sale, "sale:deleted sale:ended"),
        )
        .await;
    scene.told(&order(5), &lines(&ORDER, "order:created")).await;
    let events = "order:status_changed order:shipped";
    scene
        .told(
            "update orders set status = 'shipped'",
            &lines(&ORDER, events),
        )
        .await;
    scene
        .told("delete from orders", &lines(&ORDER, "order:updated"))
        .await;
}

#[tokio::test]
async fn columns_may_stand_in_another_order_and_some_may_have_been_dropped() {
    let database = Database::with_shop().await;
    database
        .run("drop table orders cascade;
              create table orders (
                  note text not null default '', gone int, total numeric not null default 0,
                  status text not null default 'pending', tracking_number text, store_id int not null, also_gone text,
                  user_id int not null, seller_id int not null, order_number varchar(20) not null,
                  payment_status text not null default 'pending', id int primary key);
              alter table orders drop column gone, drop column also_gone;")
        .await;
    database.apply(&[trigger_file("orders")]).await;
    let mut scene = Scene::on(database).await;
    scene.told(&order(5), &lines(&ORDER, "order:created")).await;
    let messages = scene
        .client
        .messages_of(
            &scene.database,
            "update orders set status = 'shipped', note = 'x'",
        )
        .await;
    let shown = &changes_in(&messages, "admin:orders")[0];
    assert_eq!(
        shown["old"],
        json!({"status": "pending", "tracking_number": null})
    );
    assert_eq!(
        shown["new"],
        json!({"status": "shipped", "tracking_number": null})
    );
}

#[tokio::test]
async fn columns_that_come_and_go_between_two_writes_of_a_session_disturb_neither() {
    let mut scene = Scene::set(&order(5)).await;
    let events = "order:status_changed";
    for (number, change) in [
        "alter table orders add column gift boolean default true",
        "alter table orders drop column gift",
        "alter table orders drop column created_at, add column colour text",
        "alter table orders alter column note type varchar(200)",
    ]
    .iter()
    .enumerate()
    {
        let sql = format!(
            "update orders set status = 'before {number}'; {change}; update orders set status = 'after {number}'"
        );
        scene.told(&sql, &lines(&ORDER, events)).await;
        scene
            .told(
                &format!("update orders set status = 'later {number}'"),
                &lines(&ORDER, events),
            )
            .await;
    }
}

#[tokio::test]
async fn a_stored_generated_column_is_a_column_like_any_other() {
    let database = Database::with_shop().await;
    database
        .run(
            "alter table products drop column price, add column net numeric not null default 10,
                  add column price numeric generated always as (net * 1.2) stored",
        )
        .await;
    let mut scene = Scene::on(database).await;
    let messages = scene
        .client
        .messages_of(&scene.database, "update products set net = 20 where id = 1")
        .await;
    let change = &changes_in(&messages, "product:1")[0];
    assert_eq!(
        (&change["old"], &change["new"]),
        (&json!({"price": 12.0}), &json!({"price": 24.0}))
    );
}

/// Postgres computes it for queries of the table, and leaves it null in the rows that it hands to triggers.
#[tokio::test]
async fn a_virtual_generated_column_is_told_where_its_expression_is_written_out() {
    let database = Database::with_shop().await;
    if release(&database).await < 18 {
        return;
    }
    database
        .run(
            "alter table products drop column price, add column net numeric not null default 10,
                  add column price numeric generated always as (net * 1.2) virtual",
        )
        .await;
    let mut scene = Scene::on(database).await;
    scene
        .told("update products set net = 20 where id = 1", "")
        .await;
    let mut text = trigger_file("products").text().to_owned();
    for (row, name) in [("o.", "o.net"), ("n.", "n.net")] {
        text = text.replace(&format!("{row}price"), &format!("({name} * 1.2)"));
    }
    let text = text.replace("'price', price", "'price', net * 1.2");
    scene
        .database
        .apply(&[SqlFile::embedded("edited.sql", text.leak())])
        .await;
    let messages = scene
        .client
        .messages_of(&scene.database, "update products set net = 30 where id = 1")
        .await;
    let change = &changes_in(&messages, "product:1")[0];
    assert_eq!(
        (&change["old"], &change["new"]),
        (&json!({"price": 24.0}), &json!({"price": 36.0}))
    );
}
