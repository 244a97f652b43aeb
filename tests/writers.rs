//! Whatever a writer does: what commits is told, what is rolled back is not.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{
    client::{changes_in, expect, told},
    daemon::Daemon,
    database::Database,
};

/// The ids told in a room.
fn ids(messages: &[Value], room: &str) -> BTreeSet<String> {
    let id = |change: Value| change["id"].as_str().expect("an id").to_owned();
    changes_in(messages, room).into_iter().map(id).collect()
}

fn set<const N: usize>(ids: [&str; N]) -> BTreeSet<String> {
    ids.map(str::to_owned).into()
}

async fn shop() -> (Database, Daemon) {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    (database, daemon)
}

#[tokio::test]
async fn a_rollback_tells_nothing_and_a_savepoint_only_what_it_keeps() {
    let (database, daemon) = shop().await;
    let mut client = daemon.client_in(&["seller:11"]).await;
    let rolled_back = "begin; update products set price = price + 1; rollback";
    assert_eq!(client.told_of(&database, rolled_back).await, expect(""));
    let partly = "begin;
                  update products set price = price + 1 where id = 1;
                  savepoint s; update products set price = price + 1 where id = 2; rollback to s;
                  savepoint t; update products set price = price + 1 where id = 3; release t;
                  commit";
    let messages = client.messages_of(&database, partly).await;
    assert_eq!(ids(&messages, "seller:11"), set(["1", "3"]));
}

#[tokio::test]
async fn commits_out_of_order_lose_nothing() {
    let (database, daemon) = shop().await;
    let mut client = daemon.client_in(&["seller:11"]).await;
    let slow = database.session().await;
    let sleeper = database.session().await;
    sleeper.run("begin; select pg_current_xact_id()").await;
    slow.run("begin; update products set price = 1 where id = 1")
        .await;
    let messages = client
        .messages_of(&database, "update products set price = 1 where id = 2")
        .await;
    assert_eq!(
        ids(&messages, "seller:11"),
        set(["2"]),
        "told although an earlier transaction is open"
    );
    slow.run("commit").await;
    let messages = client.messages(&database).await;
    assert_eq!(
        ids(&messages, "seller:11"),
        set(["1"]),
        "told although later ones were told before"
    );
    sleeper.run("commit").await;
    assert_eq!(
        client.messages(&database).await,
        [json!(null); 0],
        "nothing is told twice"
    );
}

#[tokio::test]
async fn an_update_of_many_rows_is_one_statement_with_each_row_once() {
    let (database, daemon) = shop().await;
    let mut client = daemon
        .client_in(&["seller:11", "seller:12", "product:1"])
        .await;
    let messages = client
        .messages_of(&database, "update products set price = price * 2")
        .await;
    assert_eq!(messages.len(), 3, "one message per room: {messages:?}");
    assert_eq!(ids(&messages, "seller:11"), set(["1", "2", "3"]));
    assert_eq!(ids(&messages, "seller:12"), set(["4"]));
    assert!(
        changes_in(&messages, "seller:11")
            .iter()
            .all(|change| change["count"] == 1)
    );
    assert_eq!(database.value("select count(distinct xid) from pgbell.change where op = 'update' and events = '{product:price_changed}'").await, "1");
}

#[tokio::test]
async fn several_changes_of_one_row_in_one_transaction_fold() {
    let (database, daemon) = shop().await;
    let mut client = daemon.client_in(&["product:1"]).await;
    let sql = "do $$ begin for i in 1..5 loop
                   update inventory set quantity = quantity - 1 where product_id = 1 and variant_id is null;
               end loop; end $$";
    let messages = client.messages_of(&database, sql).await;
    let changes = changes_in(&messages, "product:1");
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0]["count"], 5);
    assert_eq!(changes[0]["old"], json!({"available": 100}));
    assert_eq!(changes[0]["new"], json!({"available": 95}));
}

#[tokio::test]
async fn copy_upsert_and_merge_are_writes_like_any_other() {
    let (database, daemon) = shop().await;
    let mut client = daemon.client_in(&["seller:11"]).await;
    let copy = database
        .client()
        .copy_in("copy products (id, store_id, seller_id, name) from stdin")
        .await;
    let sink = copy.expect("copy begins");
    let mut sink = std::pin::pin!(sink);
    futures_util::SinkExt::send(
        &mut sink,
        bytes::Bytes::from("30\t1\t11\tA\n31\t1\t11\tB\n"),
    )
    .await
    .expect("sent");
    sink.finish().await.expect("copied");
    let messages = client.messages(&database).await;
    assert_eq!(ids(&messages, "seller:11"), set(["30", "31"]));

    let insert = "insert into products (id, store_id, seller_id, name, price) values (30, 1, 11, 'A', 7), (32, 1, 11, 'C', 7)";
    let nothing = format!("{insert} on conflict do nothing");
    let told_of_new = client.messages_of(&database, &nothing).await;
    assert_eq!(ids(&told_of_new, "seller:11"), set(["32"]));
    let update = format!("{insert} on conflict (id) do update set price = excluded.price");
    let messages = client.messages_of(&database, &update).await;
    assert_eq!(
        ids(&messages, "seller:11"),
        set(["30"]),
        "32 costs 7 already"
    );
    assert_eq!(
        client.told_of(&database, &update).await,
        expect(""),
        "an upsert that changes nothing tells nothing"
    );

    if database
        .value("select current_setting('server_version_num')::int >= 150000")
        .await
        == "true"
    {
        let merge = "merge into products p using (values (30), (33)) as s (id) on p.id = s.id
                     when matched then delete
                     when not matched then insert (id, store_id, seller_id) values (s.id, 1, 11)";
        let told = client.told_of(&database, merge).await;
        assert_eq!(told, expect("seller:11 <- product:deleted product:created"));
    }
}

#[tokio::test]
async fn truncate_resyncs_every_room_that_could_be_concerned() {
    let (database, daemon) = shop().await;
    let mut client = daemon
        .client_in(&["product:1", "product:999", "shop_1", "order:1", "buyers"])
        .await;
    let told = client.told_of(&database, "truncate inventory").await;
    assert_eq!(
        told,
        expect("product:1 <- resync\n product:999 <- resync\n shop_1 <- resync")
    );
    let mut client = daemon.client_in(&["store:1", "order:1", "buyers"]).await;
    let told = client.told_of(&database, "truncate products cascade").await;
    assert_eq!(told, expect("store:1 <- resync"), "orders were not touched");
}

#[tokio::test]
async fn a_cascade_tells_about_what_went_with_the_product() {
    let (database, daemon) = shop().await;
    let mut client = daemon.client_in(&["product:1", "variant:7"]).await;
    let told = client
        .told_of(&database, "delete from products where id = 1")
        .await;
    assert_eq!(
        told,
        expect(
            "product:1 <- product:deleted product:stock_changed\n variant:7 <- product:stock_changed"
        )
    );
}

#[tokio::test]
async fn a_statement_beyond_the_bulk_limit_becomes_a_resync() {
    let (database, daemon) = shop().await;
    let mut client = daemon
        .client_in(&["product:1", "seller:11", "order:1"])
        .await;
    let bulk =
        "begin; set local pgbell.bulk_limit = 3; update products set price = price + 1; commit";
    let messages = client.messages_of(&database, bulk).await;
    assert!(
        messages.iter().all(|message| message["reason"] == "bulk"),
        "{messages:?}"
    );
    assert_eq!(
        told(&messages),
        expect("product:1 <- resync\n seller:11 <- resync")
    );
    let at_limit =
        "begin; set local pgbell.bulk_limit = 4; update products set price = price + 1; commit";
    assert_eq!(
        client.messages_of(&database, at_limit).await[0]["type"],
        "invalidate"
    );
}

#[tokio::test]
async fn anybody_with_the_right_can_announce_by_hand_and_mark_an_origin() {
    let (database, daemon) = shop().await;
    let mut client = daemon.client_in(&["buyers", "sellers"]).await;
    let sql = r#"begin; set local pgbell.origin = 'desk-1';
                 insert into pgbell.change (entity, id, op, events, rooms, new)
                 values ('notice', '1', 'insert', '{notification:system}', '{buyers,sellers}', '{"text": "closed"}'); commit"#;
    let messages = client.messages_of(&database, sql).await;
    assert_eq!(
        told(&messages),
        expect("buyers <- notification:system\n sellers <- notification:system")
    );
    let change = &changes_in(&messages, "buyers")[0];
    assert_eq!(
        (&change["origin"], &change["new"]["text"]),
        (&json!("desk-1"), &json!("closed"))
    );
}

#[tokio::test]
async fn the_kill_switch_silences_a_session_at_once() {
    let (database, daemon) = shop().await;
    let mut client = daemon.client_in(&["product:1"]).await;
    let writer = database.session().await;
    writer
        .run("set pgbell.enabled = off; update products set price = 1 where id = 1")
        .await;
    assert_eq!(client.messages(&database).await, [json!(null); 0]);
    writer
        .run("set pgbell.enabled = on; update products set price = 2 where id = 1")
        .await;
    assert_eq!(client.messages(&database).await.len(), 1);
}

#[tokio::test]
async fn a_writer_needs_no_right_on_pgbell_and_a_wrong_row_fails_no_write() {
    let (database, daemon) = shop().await;
    let mut client = daemon.client_in(&["product:1", "odd"]).await;
    let role = format!("clerk_{}", fastrand::u32(..));
    database
        .run(&format!(
            "create role {role}; grant update, select on products to {role}"
        ))
        .await;
    let told = client
        .told_of(
            &database,
            &format!("set role {role}; update products set price = 3 where id = 1; reset role"),
        )
        .await;
    assert_eq!(told, expect("product:1 <- product:price_changed"));
    database
        .run(&format!("drop owned by {role}; drop role {role}"))
        .await;
    let odd = "insert into pgbell.change (rooms, old, op) values ('{odd,\"not a room\",null}', '[1]', 'upsert'), (null, null, null)";
    assert_eq!(
        client.told_of(&database, odd).await,
        expect("odd <- resync")
    );
}

#[tokio::test]
async fn a_row_that_cannot_be_read_holds_up_nothing() {
    let (database, daemon) = shop().await;
    let mut client = daemon.client_in(&["product:1"]).await;
    for odd in [
        "(rooms) values (array[array['product:1', 'x']])",
        "(entity, id, rooms, events) values ('x', '1', '{product:1}', array[array['a:b']])",
        "(entity, id, rooms, at) values ('x', '1', '{product:1}', 'infinity')",
    ] {
        let sql = format!("insert into pgbell.change {odd}");
        assert_eq!(
            client.told_of(&database, &sql).await,
            expect("* <- resync"),
            "{odd}"
        );
    }
    let told = client
        .told_of(&database, "update products set price = 1 where id = 1")
        .await;
    assert_eq!(told, expect("product:1 <- product:price_changed"));
}
