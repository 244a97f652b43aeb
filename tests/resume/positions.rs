//! What a position proves, and what it must not claim.

use std::time::Duration;

use pgbell::demo::postgres::{Options, ThrowawayPostgres};
use serde_json::{Value, json};

use super::{here, settled, standing};
use crate::support::{daemon::Daemon, database::Database, database::REPRICE, database::SELL_ONE};

#[tokio::test]
async fn a_cursor_means_the_same_to_another_daemon_and_after_a_restart() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let other = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["product:1"]).await;
    client.messages_of(&database, REPRICE).await;
    let since = client.cursor.clone();
    drop(client);
    daemon.stop().await.expect("stopped");
    database.run(SELL_ONE).await;

    let restarted = Daemon::start(&database).await;
    for daemon in [&other, &restarted] {
        let mut client = daemon.client().await;
        assert_eq!(
            standing(&client.resume(&["product:1"], &since).await),
            ["replayed"]
        );
        let replay = client.next_of("invalidate").await;
        let events = replay["changes"][0]["events"].as_array().expect("events");
        assert!(events.contains(&json!("product:stock_changed")), "{replay}");
    }
}

#[tokio::test]
async fn a_transaction_that_was_open_at_the_cursor_is_replayed_when_it_has_committed() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let slow = database.session().await;
    slow.run(&format!("begin; {REPRICE}")).await;
    database
        .run("update products set price = price + 1 where id = 2")
        .await;
    let since = here(&database).await;
    slow.run("commit").await;
    settled(&daemon, &database).await;
    let mut client = daemon.client().await;
    let reply = client.resume(&["product:1", "product:2"], &since).await;
    assert_eq!(standing(&reply), ["replayed", "live"]);
}

#[tokio::test]
async fn what_waits_in_a_window_is_not_behind_the_cursor_of_what_was_told() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        let pattern = "product:1".parse().expect("a pattern");
        let window = Duration::from_secs(600);
        config.coalesce.rooms = vec![pgbell::coalesce::RoomRule { pattern, window }];
    })
    .await;
    let mut client = daemon.client_in(&["product:1", "product:2"]).await;
    client.messages_of(&database, REPRICE).await;
    // The next change of the first room waits ten minutes; the other room is told at once.
    database.run(REPRICE).await;
    let other = "update products set price = price + 1 where id = 2";
    let messages = client.messages_of(&database, other).await;
    assert_eq!(
        (messages.len(), &messages[0]["room"]),
        (1, &json!("product:2"))
    );
    let since = client.cursor.clone();
    drop(client);
    daemon.stop().await.expect("stopped");

    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client().await;
    assert_eq!(
        standing(&client.resume(&["product:1"], &since).await),
        ["replayed"]
    );
}

#[tokio::test]
async fn a_position_that_proves_nothing_is_a_resync() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let old = here(&database).await;
    let (epoch, _) = old.split_once('.').expect("a cursor");
    let mut client = daemon.client().await;
    for since in [
        "never a cursor",
        "0123456789abcdef.700:700:",
        &format!("{epoch}.9000000000:9000000000:"),
    ] {
        let reply = client.resume(&["product:1"], since).await;
        assert_eq!(standing(&reply), ["resync"], "{since}");
        assert_eq!(reply["rooms"][0]["code"], "cursor_unrecoverable");
    }
    let raise =
        "update pgbell.install set horizon = pg_snapshot_xmax(pg_current_snapshot())::text::xid8";
    database.run(raise).await;
    let reply = client.resume(&["product:2"], &old).await;
    assert_eq!(standing(&reply), ["resync"], "the log was emptied");
    let told = client.messages_of(&database, REPRICE).await;
    assert!(!told.is_empty(), "the room is live all the same");
}

#[tokio::test]
async fn a_position_of_a_transaction_that_goes_on_does_not_claim_what_it_writes_later() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let writer = database.session().await;
    writer
        .run("begin; update products set price = price + 1 where id = 2")
        .await;
    let other = database.session().await;
    other
        .run("begin; update products set price = price + 1 where id = 3; commit")
        .await;
    let since = writer.value("pgbell.cursor()").await;
    writer.run(&format!("{REPRICE}; commit")).await;
    settled(&daemon, &database).await;
    let mut client = daemon.client().await;
    let reply = client.resume(&["product:1", "product:3"], &since).await;
    assert_eq!(standing(&reply)[0], "replayed");
}

/// A commit that does not wait for the disk can be taken back by a crash, and its transaction id is
/// then given to another one. Now and then the server writes it in time; then there is nothing to see.
#[tokio::test]
async fn no_cursor_claims_what_a_crash_can_take_back() {
    const ATTEMPTS: usize = 5;
    for _ in 0..ATTEMPTS {
        if let Some(answer) = Box::pin(answer_after_a_crash()).await {
            assert_ne!(standing(&answer), ["live"]);
            return;
        }
    }
    panic!("no commit was lost in {ATTEMPTS} crashes");
}

/// What a client is answered that was told of a lost commit, if one was lost.
async fn answer_after_a_crash() -> Option<Value> {
    let options = Options {
        settings: vec![("wal_writer_delay".into(), "10s".into())],
        ..Options::default()
    };
    let mut server = ThrowawayPostgres::start(options).await.expect("a server");
    let url = server.url("postgres");
    pgbell::install::install(&url).await.expect("installed");
    let daemon = Daemon::unready(&url, |_| {});
    daemon.ready().await;
    let mut client = daemon.client_in(&["room"]).await;
    let change = |id: &str| {
        format!(
            "insert into pgbell.change (entity, id, op, events, rooms)
             values ('x', '{id}', 'update', '{{x:y}}', '{{room}}') returning xid"
        )
    };
    let writer = Database::at(&url).await;
    writer.run("set synchronous_commit = off").await;
    let lost = writer.xid(&change("lost")).await;
    assert_eq!(
        client.next_of("invalidate").await["changes"][0]["id"],
        "lost"
    );
    client.subscribe(&["room"]).await;
    let since = client.cursor.clone();
    drop(client);
    server.crash().await.expect("crashed");
    daemon.stop().await.expect("stopped");
    server.resume().await.expect("recovered");

    let writer = Database::at(&url).await;
    let mut kept = writer.xid(&change("kept")).await;
    while kept < lost {
        kept = writer.xid(&change("kept")).await;
    }
    let daemon = Daemon::unready(&url, |_| {});
    daemon.ready().await;
    let mut client = daemon.client().await;
    let answer = client.resume(&["room"], &since).await;
    drop(client);
    daemon.stop().await.expect("stopped");
    server.stop().await.expect("stopped");
    (kept == lost).then_some(answer)
}
