//! Clients that do not read, or are not there any more.

use std::time::Duration;

use crate::support::{
    client::Client,
    daemon::Daemon,
    database::Database,
    flood::{Newest, closed_who_is_deaf, flood, mark},
    soon,
};

/// The newest number that each entity was told with, up to the mark; `None` after a resync.
async fn newest(client: &mut Client) -> Option<Newest> {
    let mut newest = Newest::new();
    let mut resynced = false;
    loop {
        let message = client.next().await;
        match message["type"].as_str() {
            Some("resync") => resynced = true,
            Some("invalidate") if message["room"] == "mark" => {
                return (!resynced).then_some(newest);
            }
            Some("invalidate") => newest.note(&message),
            other => panic!("{other:?}: {message}"),
        }
    }
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
        flood(&database, part).await;
        witness.next_of("invalidate").await;
    }
    daemon
        .counted(r#"slow_consumers_total{reason="folded"}"#)
        .await;
    mark(&database).await;
    let newest = newest(&mut client)
        .await
        .expect("no resync: a hundred entities fit");
    assert!(newest.is_of_the_last_of(20), "{newest:?}");
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
        flood(&database, part).await;
        witness.next_of("invalidate").await;
    }
    closed_who_is_deaf(&daemon).await;
    daemon.counted("pgbell_connections 1\n").await;
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
