//! What holds for all packs.

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::{
    client::told,
    daemon::Daemon,
    database::{Database, trigger_file},
};

const PACKS: [&str; 6] = [
    "stores",
    "carts",
    "wholesale",
    "quotations",
    "notifications",
    "analytics",
];

/// Table, two rows, a change of both, one room of each kind that could be told.
const TABLES: [(&str, &str, &str, &[&str]); 8] = [
    (
        "stores",
        "(id, name) values (51, 'a'), (52, 'b')",
        "name = 'c'",
        &["store:5", "buyers", "storefront:5"],
    ),
    (
        "carts",
        "(user_id) values (5), (6)",
        "user_id = user_id + 1",
        &["cart:5"],
    ),
    (
        "cart_items",
        "(cart_id, product_id) values (50, 1), (50, 2)",
        "quantity = 2",
        &["cart:5"],
    ),
    (
        "wholesale_invitations",
        "(seller_id, buyer_id) values (5, 5), (6, 6)",
        "message = 'x'",
        &["seller:5", "user:5"],
    ),
    (
        "wholesale_orders",
        "(seller_id, buyer_id) values (5, 5), (6, 6)",
        "note = 'x'",
        &["seller:5", "user:5"],
    ),
    (
        "quotations",
        "(seller_id, buyer_id, status, sent_at) values (5, 5, 'sent', now()), (6, 6, 'sent', now())",
        "note = 'x'",
        &["seller:5", "user:5"],
    ),
    (
        "notifications",
        "(user_id) values (5), (6)",
        "title = 'x'",
        &["user:5", "buyers", "sellers"],
    ),
    (
        "product_views",
        "(product_id) values (1), (2)",
        "",
        &["analytics:5"],
    ),
];

async fn database_with_packs() -> Database {
    let database = Database::with_shop().await;
    let files = PACKS.map(|pack| trigger_file(&format!("packs/{pack}")));
    for _ in 0..2 {
        // Also again.
        database.apply(&files).await;
    }
    database
        .run("insert into carts (id, user_id) values (50, 5)")
        .await;
    database
}

#[tokio::test]
async fn statements_on_very_many_rows_and_truncate_make_rooms_resync() {
    let database = database_with_packs().await;
    let daemon = Daemon::start(&database).await;
    database.run("set pgbell.bulk_limit = 1").await;
    for (table, rows, change, rooms) in TABLES {
        let mut client = daemon.client_in(rooms).await;
        let mut statements = vec![format!("insert into {table} {rows}")];
        if !change.is_empty() {
            statements.push(format!("update {table} set {change}"));
            statements.push(format!("delete from {table}"));
            statements.push(format!("truncate {table} cascade"));
        }
        for sql in statements {
            let messages = client.messages_of(&database, &sql).await;
            for room in rooms {
                let told = told(&messages);
                let events = told.get(*room).unwrap_or_else(|| panic!("{room} of {sql}"));
                assert!(events.contains("resync"), "{room} of {sql}: {events:?}");
            }
        }
        if table == "carts" {
            database
                .run("insert into carts (id, user_id) values (50, 5)")
                .await;
        }
    }
}

#[tokio::test]
async fn the_switch_silences_every_pack() {
    let database = database_with_packs().await;
    database.run("set pgbell.enabled = off").await;
    let logged = "select count(*) from pgbell.change";
    let before = database.value(logged).await;
    for (table, rows, change, _) in TABLES {
        database.run(&format!("insert into {table} {rows}")).await;
        if !change.is_empty() {
            database
                .run(&format!("update {table} set {change} where id > 50"))
                .await;
        }
        database
            .run(&format!("delete from {table} where id > 50"))
            .await;
    }
    database
        .run("insert into sellers (id) values (1); delete from sellers")
        .await;
    database.run("truncate stores, carts, wholesale_invitations, wholesale_orders, quotations, notifications cascade").await;
    assert_eq!(database.value(logged).await, before);
    assert_eq!(
        database.value("select count(*) from pgbell.schedule").await,
        "0"
    );
}

#[tokio::test]
async fn a_writer_needs_no_right_on_anything_of_pgbell() {
    let database = database_with_packs().await;
    let role = format!("writer_{}", fastrand::u32(..));
    database
        .run(&format!(
            "create role {role}; grant all on all tables in schema public to {role};
             grant usage on all sequences in schema public to {role}; set role {role}"
        ))
        .await;
    for (table, rows, change, _) in TABLES {
        database.run(&format!("insert into {table} {rows}")).await;
        if !change.is_empty() {
            database.run(&format!("update {table} set {change}")).await;
        }
    }
    database.run("update inventory set quantity = 0").await;
    let of_seller =
        "insert into sellers (id) values (1); update sellers set id = 2; delete from sellers";
    database.run(of_seller).await;
    for (table, ..) in TABLES {
        database.run(&format!("delete from {table}")).await;
    }
    database
        .run(&format!(
            "reset role; drop owned by {role}; drop role {role}"
        ))
        .await;
}

/// Modules of events; what else looks like one is a room.
const MODULES: [&str; 10] = [
    "product",
    "stock",
    "sale",
    "order",
    "analytics",
    "store",
    "cart",
    "wholesale",
    "quotation",
    "notification",
];

/// Every `module:action` in a text.
fn events_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':')));
    let events = words.filter(|word| {
        word.split_once(':').is_some_and(|(module, action)| {
            let letter = |c: char| c.is_ascii_lowercase() || c == '_';
            MODULES.contains(&module) && !action.is_empty() && action.chars().all(letter)
        })
    });
    events.map(str::to_owned).collect()
}

fn texts_under(directory: &Path) -> String {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut all = String::new();
    for entry in entries {
        let path = entry.expect("an entry").path();
        all += &if path.is_dir() {
            texts_under(&path)
        } else {
            fs::read_to_string(&path).expect("a text")
        };
    }
    all
}

#[test]
fn every_event_of_the_trigger_files_is_named_in_a_test_and_in_the_document() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let told = events_in(&texts_under(&root.join("sql/triggers")));
    assert!(told.len() > 45, "{told:?}");
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("a text");
    let tests = events_in(&(read("tests/catalogue.rs") + &texts_under(&root.join("tests/packs"))));
    let missing: Vec<_> = told.difference(&tests).collect();
    assert!(missing.is_empty(), "in no test: {missing:?}");
    let document = read("docs/events.md");
    // One section names what others call these.
    let sections = document
        .split("\n## ")
        .filter(|text| !text.starts_with("Coming from"));
    let document = events_in(&sections.collect::<String>());
    let missing: Vec<_> = told.symmetric_difference(&document).collect();
    assert!(
        missing.is_empty(),
        "in a file or in docs/events.md only: {missing:?}"
    );
}
