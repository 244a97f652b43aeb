//! The three ways a change can travel, and the doorbell that arms and mutes.

use std::{collections::BTreeSet, time::Duration};

use pgbell::capture::Transport;
use serde_json::json;

use crate::support::{
    client::{changes_in, expect, ids_in},
    daemon::Daemon,
    database::{Database, SELL_ONE},
    soon,
};

async fn doorbell_becomes(daemon: &Daemon, state: &str) {
    let becomes = async { while daemon.health().await["database"]["doorbell"] != state {} };
    soon(&format!("the doorbell to be {state}"), becomes).await;
}

/// Nothing but a notification could be in time.
fn never_by_itself(config: &mut pgbell::config::Config) {
    config.database.safety_interval = Duration::from_secs(600);
}

#[tokio::test]
async fn an_armed_bell_wakes_the_daemon() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, never_by_itself).await;
    doorbell_becomes(&daemon, "armed").await;
    let mut client = daemon.client_in(&["product:1"]).await;
    database.run(SELL_ONE).await;
    client.next_of("invalidate").await;
}

#[tokio::test]
async fn only_a_change_rings_and_only_once_per_transaction() {
    let database = Database::with_shop().await;
    let mut heard = database.listen().await;
    let mut rings = async |sql: &str| {
        database.run(sql).await;
        database.run("notify pgbell, 'witness'").await;
        let mut rings = 0;
        while soon("the witness", heard.recv())
            .await
            .expect("a notification")
            != "witness"
        {
            rings += 1;
        }
        rings
    };
    assert_eq!(
        rings("update products set price = price").await,
        0,
        "nothing changed"
    );
    assert_eq!(
        rings("begin; update products set price = 6; rollback").await,
        0
    );
    assert_eq!(
        rings("begin; set local pgbell.ring = off; update products set price = 7; commit").await,
        0
    );
    assert_eq!(
        rings("begin; update products set price = 8; update products set price = 9; commit").await,
        1
    );
    database.run("select pgbell.mute()").await;
    assert_eq!(rings(SELL_ONE).await, 1, "that was the muting itself");
    assert_eq!(rings(SELL_ONE).await, 0, "muted");
}

#[tokio::test]
async fn a_change_that_did_not_ring_is_found_by_the_safety_read() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.database.safety_interval = Duration::from_millis(200);
    })
    .await;
    doorbell_becomes(&daemon, "armed").await;
    let mut client = daemon.client_in(&["product:1"]).await;
    let name = format!("two_phase_{}", fastrand::u32(..));
    database.run("set pgbell.ring = off").await;
    database
        .run(&format!("begin; {SELL_ONE}; prepare transaction '{name}'"))
        .await;
    database.run(&format!("commit prepared '{name}'")).await;
    client.next_of("invalidate").await;
}

#[tokio::test]
async fn without_notify_the_log_is_polled() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.database.transport = Transport::Poll
    })
    .await;
    doorbell_becomes(&daemon, "muted").await;
    assert_eq!(daemon.health().await["database"]["transport"], "poll");
    let mut client = daemon.client_in(&["product:1"]).await;
    assert_eq!(
        client.told_of(&database, SELL_ONE).await,
        expect("product:1 <- product:stock_changed")
    );
    let name = format!("polled_{}", fastrand::u32(..));
    database
        .run(&format!("begin; {SELL_ONE}; prepare transaction '{name}'"))
        .await;
    database.run(&format!("commit prepared '{name}'")).await;
    client.next_of("invalidate").await;
}

#[tokio::test]
async fn a_payload_travels_inside_the_notification_and_is_not_stored() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.database.transport = Transport::Payload;
        never_by_itself(config);
    })
    .await;
    let stored = database.value("select count(*) from pgbell.change").await;
    let mut client = daemon.client_in(&["product:1", "seller:11"]).await;
    let messages = client.messages_of(&database, SELL_ONE).await;
    let change = &changes_in(&messages, "product:1")[0];
    assert_eq!(
        (&change["old"], &change["count"]),
        (&json!({"available": 100}), &json!(1))
    );
    assert_eq!(
        database.value("select count(*) from pgbell.change").await,
        stored,
        "what was there was written before the daemon came"
    );

    let rolled_back = format!("begin; {SELL_ONE}; rollback");
    assert_eq!(client.told_of(&database, &rolled_back).await, expect(""));
}

#[tokio::test]
async fn a_payload_too_large_for_a_notification_fails_no_write() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.database.transport = Transport::Payload
    })
    .await;
    let mut client = daemon.client_in(&["product:1"]).await;
    let name = "update products set name = repeat('x', 20000) where id = 1";
    let messages = client.messages_of(&database, name).await;
    assert_eq!(messages[0]["changes"][0]["id"], "1");
    assert!(
        messages[0]["changes"][0].get("new").is_none(),
        "the values did not fit, the key did"
    );
    let rooms = "insert into pgbell.change (entity, id, op, events, rooms)
                 select 'x', '1', 'update', '{x:y}', array_agg('product:' || n) from generate_series(1, 3000) n";
    assert_eq!(
        client.told_of(&database, rooms).await,
        expect("product:1 <- resync")
    );
}

#[tokio::test]
async fn switching_the_transport_back_stores_changes_again() {
    let database = Database::with_shop().await;
    let payload = Daemon::with(&database, |config| {
        config.database.transport = Transport::Payload
    })
    .await;
    payload.stop().await.expect("stopped");
    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["product:1"]).await;
    assert_eq!(client.messages_of(&database, SELL_ONE).await.len(), 1);
    assert_eq!(
        database
            .value("select count(*) > 0 from pgbell.change")
            .await,
        "true"
    );
}

/// Eight writers, in bursts that mute the bell and pauses that arm it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_the_bell_arms_and_mutes() {
    const WRITERS: u64 = 8;
    const BURSTS: u64 = 5;
    const PER_BURST: u64 = 500;
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.database.mute_above = 100;
        // Whatever the safety read would find late was lost by the doorbell.
        never_by_itself(config);
        config.coalesce.max_entities_per_room = 100_000;
        config.hub.queue_frames = 100_000;
        config.hub.queue_size = bytesize::ByteSize::gib(1);
    })
    .await;
    let mut client = daemon.client_in(&["admin:orders", "written"]).await;
    let writing = async {
        let mut committed = BTreeSet::new();
        for burst in 0..BURSTS {
            doorbell_becomes(&daemon, "armed").await;
            let writers = (0..WRITERS)
                .map(|writer| write(&database, (burst * WRITERS + writer) * PER_BURST, PER_BURST));
            committed.extend(
                futures_util::future::join_all(writers)
                    .await
                    .into_iter()
                    .flatten(),
            );
        }
        let written = "insert into pgbell.change (entity, id, events, rooms) values ('x', '1', '{x:y}', '{written}')";
        database.run(written).await;
        committed
    };
    let (committed, messages) = tokio::join!(writing, client.messages_until("written"));
    let told = ids_in(&messages, "admin:orders");
    let missing: Vec<_> = committed.difference(&told).take(5).collect();
    let invented: Vec<_> = told.difference(&committed).take(5).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "missing {missing:?}, never committed {invented:?}"
    );
}

/// Orders from number `first` on, a third of them rolled back. Returns those that were committed.
async fn write(database: &Database, first: u64, count: u64) -> Vec<String> {
    let session = database.session().await;
    let mut committed = Vec::new();
    for id in first + 1..=first + count {
        let keep = fastrand::u8(..3) > 0;
        let end = if keep { "commit" } else { "rollback" };
        let columns = "id, order_number, user_id, seller_id, store_id";
        let insert = format!("insert into orders ({columns}) values ({id}, '{id}', 1, 11, 1)");
        session.run(&format!("begin; {insert}; {end}")).await;
        committed.extend(keep.then(|| id.to_string()));
    }
    committed
}
