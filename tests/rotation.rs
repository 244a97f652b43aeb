//! The log forgets by whole leaves, without making anybody wait and without losing a row.

use std::collections::BTreeSet;

use crate::support::{
    client::{changes_in, expect},
    daemon::Daemon,
    database::Database,
};

/// One step, with a size and a grace that make every step due.
const ROTATE: &str = "pgbell.rotate('1 hour', 1, '0 s')";

fn order(id: usize) -> String {
    format!(
        "insert into orders (id, order_number, user_id, seller_id, store_id) values ({id}, '{id}', 1, 11, 1)"
    )
}

#[tokio::test]
async fn every_row_is_told_while_the_leaves_go_round() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["admin:orders"]).await;
    let mut steps = BTreeSet::new();
    let mut leaves = BTreeSet::new();
    for id in 1..=40 {
        let messages = client.messages_of(&database, &order(id)).await;
        let changes = changes_in(&messages, "admin:orders");
        assert_eq!(changes.len(), 1, "order {id}: {messages:?}");
        assert_eq!(changes[0]["id"], id.to_string());
        steps.insert(database.value(ROTATE).await);
        leaves.insert(
            database
                .value("select max(slot) from pgbell.change where entity = 'order'")
                .await,
        );
    }
    for step in ["rotated", "sealed", "cleared"] {
        assert!(steps.contains(step), "{step} in {steps:?}");
    }
    let kept: usize = database
        .value("select count(*) from pgbell.change")
        .await
        .parse()
        .expect("a number");
    assert!(kept < 60, "{kept} rows are kept of 80 and more");
    assert_ne!(
        database
            .value("select horizon::text from pgbell.install")
            .await,
        "0"
    );
}

#[tokio::test]
async fn a_writer_that_stays_open_keeps_its_leaf_and_is_told_when_it_commits() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["product:1"]).await;
    let slow = database.session().await;
    slow.run("begin; update products set price = 1 where id = 1")
        .await;
    let mut steps = Vec::new();
    for id in 1..=12 {
        database.run(&order(id)).await;
        steps.push(database.value(ROTATE).await);
    }
    assert_eq!(
        steps.last().map(String::as_str),
        Some("blocked"),
        "{steps:?}"
    );
    assert_eq!(client.messages(&database).await.len(), 0);

    slow.run("update products set price = 2 where id = 1; commit")
        .await;
    let messages = client.messages(&database).await;
    assert_eq!(changes_in(&messages, "product:1")[0]["count"], 2);
    let mut steps = BTreeSet::new();
    for id in 13..=20 {
        client.messages_of(&database, &order(id)).await;
        steps.insert(database.value(ROTATE).await);
    }
    assert!(
        steps.contains("sealed") && steps.contains("cleared"),
        "{steps:?}"
    );
    let told = client
        .told_of(&database, "update products set price = 3 where id = 1")
        .await;
    assert_eq!(told, expect("product:1 <- product:price_changed"));
}

#[tokio::test]
async fn a_leaf_is_not_emptied_before_readers_had_time() {
    let database = Database::with_shop().await;
    for id in 1..=12 {
        database.run(&order(id)).await;
        database.value("pgbell.rotate('1 hour', 1)").await;
    }
    database.run(&order(13)).await;
    assert_eq!(
        database.value("pgbell.rotate('1 hour', 1)").await,
        "blocked"
    );
    assert_eq!(
        database
            .value("select count(*) >= 13 from pgbell.change")
            .await,
        "true"
    );
    assert_eq!(
        database
            .value("select horizon::text from pgbell.install")
            .await,
        "0"
    );
}
