//! Clients that do not read, or are not there any more.

use std::time::Duration;

use serde_json::Value;

use crate::support::{client::Client, daemon::Daemon, database::Database, soon};

/// Changes of a hundred entities, again and again: a kilobyte each.
const FLOOD: &str = "insert into pgbell.change (entity, id, events, rooms, new)
     select 'thing', (n % 100)::text, '{thing:changed}', '{flood}', jsonb_build_object('n', n, 'x', repeat('x', 1000))
     from generate_series(%from, %to) n";

async fn flood(database: &Database, from: u32, to: u32) {
    let sql = FLOOD
        .replace("%from", &from.to_string())
        .replace("%to", &to.to_string());
    database.run(&sql).await;
}

async fn counted(daemon: &Daemon, metric: &str) {
    let counted = async { while !daemon.get("/metrics").await.1.contains(metric) {} };
    soon(metric, counted).await;
}

/// The newest number that each entity was told with, up to the mark; `None` after a resync.
async fn newest(client: &mut Client) -> Option<Vec<u64>> {
    let mut newest = vec![0; 100];
    let mut resynced = false;
    loop {
        let message = client.next().await;
        let changes = message["changes"].as_array().into_iter().flatten();
        match message["type"].as_str() {
            Some("resync") => resynced = true,
            Some("invalidate") if message["room"] == "mark" => {
                return (!resynced).then_some(newest);
            }
            Some("invalidate") => changes.for_each(|change| note(&mut newest, change)),
            other => panic!("{other:?}: {message}"),
        }
    }
}

fn note(newest: &mut [u64], change: &Value) {
    let id: usize = change["id"]
        .as_str()
        .expect("an id")
        .parse()
        .expect("a number");
    let number = change["new"]["n"].as_u64().expect("a number");
    assert!(newest[id] < number, "in order");
    newest[id] = number;
}

#[tokio::test]
async fn a_client_that_pauses_is_told_the_latest_of_everything_in_fewer_messages() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.gateway.write_deadline = Duration::from_secs(60);
    })
    .await;
    let mut client = daemon.client_in(&["flood", "mark"]).await;
    let witness = &mut daemon.client_in(&["flood"]).await;
    // More than the system takes for a client that does not read, and than may wait besides.
    for part in 0..20 {
        flood(&database, part * 100 + 1, part * 100 + 100).await;
        witness.next_of("invalidate").await;
    }
    counted(&daemon, r#"slow_consumers_total{reason="folded"}"#).await;
    database
        .run("insert into pgbell.change (entity, id, events, rooms) values ('m', '1', '{m:m}', '{mark}')")
        .await;
    let newest = newest(&mut client)
        .await
        .expect("no resync: a hundred entities fit");
    assert!(newest.iter().all(|number| *number > 1_900), "{newest:?}");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_closed_as_a_slow_consumer() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.gateway.write_deadline = Duration::from_secs(2);
        config.hub.queue_size = bytesize::ByteSize::kib(16);
    })
    .await;
    let deaf = daemon.client_in(&["flood"]).await;
    let witness = &mut daemon.client_in(&["flood"]).await;
    for part in 0..20 {
        flood(&database, part * 100 + 1, part * 100 + 100).await;
        witness.next_of("invalidate").await;
    }
    counted(&daemon, r#"slow_consumers_total{reason="resync"}"#).await;
    counted(&daemon, r#"slow_consumers_total{reason="closed"} 1"#).await;
    counted(&daemon, r#"closes_total{reason="slow_consumer"} 1"#).await;
    counted(&daemon, "pgbell_connections 1\n").await;
    drop(deaf);
}

#[tokio::test]
async fn a_client_that_is_silent_for_heartbeat_and_grace_is_gone() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.gateway.heartbeat = Duration::from_secs(1);
    })
    .await;
    // It answers no ping, because it reads none; there is nothing to read but signs of life.
    let silent = daemon.client_in(&["quiet"]).await;
    let mut alive = daemon.client_in(&["quiet"]).await;
    let ended = async {
        while !daemon
            .get("/metrics")
            .await
            .1
            .contains(r#"closes_total{reason="no_pong"} 1"#)
        {
            alive.next_of("heartbeat").await;
        }
    };
    soon("the silent client's end", ended).await;
    drop(silent);
}
