//! Clients that come back with a position are told what they missed, or to fetch everything again.

use std::time::Duration;

use pgbell::{
    capture::Transport,
    demo::postgres::{Options, ThrowawayPostgres},
};
use serde_json::{Value, json};

use crate::support::{client::changes_in, daemon::Daemon, database::Database, soon};

const REPRICE: &str = "update products set price = price + 1 where id = 1";
const SELL_ONE: &str =
    "update inventory set quantity = quantity - 1 where product_id = 1 and variant_id is null";

async fn here(database: &Database) -> String {
    database.value("pgbell.cursor()").await
}

/// `live`, `replayed` or `resync`, by room.
fn standing(reply: &Value) -> Vec<&str> {
    let rooms = reply["rooms"].as_array().expect("rooms");
    rooms
        .iter()
        .map(|room| room["status"].as_str().expect("a status"))
        .collect()
}

async fn history_reads(daemon: &Daemon) -> u64 {
    daemon.metric("pgbell_history_reads_total").await
}

/// Waits until the daemon has told all that was committed, and remembers the rooms that somebody is in.
async fn settled(daemon: &Daemon, database: &Database) {
    daemon.client().await.messages(database).await;
}

#[tokio::test]
async fn nothing_missed_is_live_and_something_missed_is_replayed() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let since = here(&database).await;
    let mut client = daemon.client().await;
    let reply = client.resume(&["product:1", "product:2"], &since).await;
    assert_eq!(standing(&reply), ["live", "live"]);
    drop(client);

    database.run(REPRICE).await;
    let mut client = daemon.client().await;
    let reply = client.resume(&["product:1", "product:2"], &since).await;
    assert_eq!(standing(&reply), ["replayed", "live"]);
    assert_eq!(
        reply["cursor"], since,
        "until it has the replay, it is where it was"
    );
    let replay = client.next_of("invalidate").await;
    assert_eq!(
        (&replay["room"], &replay["replayed"]),
        (&json!("product:1"), &json!(true))
    );
    assert_eq!(
        replay["changes"][0]["events"],
        json!(["product:price_changed"])
    );

    settled(&daemon, &database).await;
    let since = replay["cursor"].as_str().expect("a cursor");
    let mut again = daemon.client().await;
    assert_eq!(
        standing(&again.resume(&["product:1"], since).await),
        ["live"]
    );
}

#[tokio::test]
async fn a_room_that_somebody_was_in_lately_is_answered_from_memory() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let client = daemon.client_in(&["product:1", "seller:11"]).await;
    settled(&daemon, &database).await;
    let since = daemon.client().await.cursor;
    drop(client);
    database.run(REPRICE).await;
    database.run(SELL_ONE).await;
    settled(&daemon, &database).await;

    let before = history_reads(&daemon).await;
    let mut client = daemon.client().await;
    let reply = client.resume(&["product:1", "seller:11"], &since).await;
    assert_eq!(standing(&reply), ["replayed", "replayed"]);
    let product = client.next_of("invalidate").await;
    assert_eq!(
        product["changes"][0]["events"],
        json!(["product:price_changed", "product:stock_changed"])
    );
    assert_eq!(product["changes"][0]["count"], 2);
    client.next_of("invalidate").await;
    assert_eq!(history_reads(&daemon).await, before);
}

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
async fn a_room_that_was_left_before_the_answer_is_told_nothing() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let since = here(&database).await;
    database.run(REPRICE).await;
    let mut client = daemon.client().await;
    let history = database.session().await;
    history.run("begin; lock pgbell.install").await;
    let rooms = ["product:1"];
    client
        .say(json!({"type": "subscribe", "id": 1, "rooms": rooms, "since": since}))
        .await;
    client
        .say(json!({"type": "unsubscribe", "id": 2, "rooms": rooms}))
        .await;
    client.next_of("unsubscribed").await;
    history.run("commit").await;
    let reply = client.next_of("subscribed").await;
    assert_eq!(standing(&reply), ["denied"]);
    assert!(client.messages(&database).await.is_empty());
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
async fn too_much_to_list_is_a_resync() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.coalesce.max_entities_per_room = 2
    })
    .await;
    let since = here(&database).await;
    database.run("update products set price = price + 1").await;
    settled(&daemon, &database).await;
    let mut client = daemon.client().await;
    let reply = client.resume(&["product:1", "seller:11"], &since).await;
    assert_eq!(
        standing(&reply),
        ["replayed", "resync"],
        "three products of seller 11"
    );

    let everything = "insert into pgbell.change (entity, id, op, events, rooms)
                      values ('product', '*', 'update', '{product:updated}', '{product:*}')";
    let since = here(&database).await;
    database.run(everything).await;
    settled(&daemon, &database).await;
    let reply = daemon
        .client()
        .await
        .resume(&["product:1", "seller:11"], &since)
        .await;
    assert_eq!(standing(&reply), ["resync", "live"]);
}

#[tokio::test]
async fn more_changes_than_a_read_takes_are_a_resync_for_those_who_missed_them_alone() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| config.database.read_limit = 20).await;
    let long_ago = here(&database).await;
    for _ in 0..30 {
        database.run(REPRICE).await;
    }
    let lately = here(&database).await;
    database.run(REPRICE).await;
    settled(&daemon, &database).await;
    let resume = async |since: &str| {
        let mut client = daemon.client().await;
        client.resume(&["product:1"], since).await
    };
    let (old, new) = tokio::join!(resume(&long_ago), resume(&lately));
    assert_eq!(
        (standing(&old), standing(&new)),
        (vec!["resync"], vec!["replayed"]),
        "{old} {new}"
    );
}

#[tokio::test]
async fn sync_tells_what_was_missed_without_joining_anything() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["product:1", "product:2"]).await;
    settled(&daemon, &database).await;
    let since = client.cursor.clone();
    client.messages_of(&database, REPRICE).await;
    let named =
        json!({"type": "sync", "id": 5, "since": since, "rooms": ["product:1", "product:3"]});
    client.say(named).await;
    let synced = client.next_of("synced").await;
    assert_eq!(
        (standing(&synced), &synced["id"]),
        (vec!["replayed", "denied"], &json!(5))
    );
    assert_eq!(client.next_of("invalidate").await["replayed"], true);

    client
        .say(json!({"type": "sync", "id": 6, "since": client.cursor}))
        .await;
    let synced = client.next_of("synced").await;
    assert_eq!(standing(&synced), ["live", "live"]);
}

#[tokio::test]
async fn a_change_that_travelled_in_a_notification_cannot_be_told_again() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.database.transport = Transport::Payload;
    })
    .await;
    let since = here(&database).await;
    let mut client = daemon.client().await;
    assert_eq!(
        standing(&client.resume(&["product:1"], &since).await),
        ["resync"]
    );
}

#[tokio::test]
async fn news_of_a_room_follow_the_answer_about_its_past() {
    let database = Database::with_shop().await;
    let since = here(&database).await;
    database.run(REPRICE).await;
    let daemon = Daemon::start(&database).await;
    let mut witness = daemon.client_in(&["product:1"]).await;
    // Whoever asks where the log stands has to wait; reading what is new does not.
    let blocker = database.session().await;
    blocker
        .run("begin; lock table pg_stat_bgwriter in access exclusive mode")
        .await;
    let mut client = daemon.client().await;
    let subscribe = json!({"type": "subscribe", "id": 1, "rooms": ["product:1"], "since": since});
    client.say(subscribe).await;
    client.say(json!({"type": "ping", "id": 2})).await;
    client.next_of("pong").await;
    database.run(SELL_ONE).await;
    witness.next_of("invalidate").await;
    blocker.run("rollback").await;

    let reply = client.next().await;
    assert_eq!(
        (&reply["type"], standing(&reply)),
        (&json!("subscribed"), vec!["replayed"])
    );
    let replay = client.next().await;
    let events = json!(["product:price_changed", "product:stock_changed"]);
    assert_eq!(
        (&replay["replayed"], &replay["changes"][0]["events"]),
        (&json!(true), &events)
    );
    let told = client.messages_of(&database, SELL_ONE).await;
    assert_eq!(told.len(), 1, "the room is live from here on");
}

#[tokio::test]
async fn what_a_client_asks_while_it_waits_is_answered_in_turn() {
    let database = Database::with_shop().await;
    let since = here(&database).await;
    database.run(REPRICE).await;
    let daemon = Daemon::start(&database).await;
    let blocker = database.session().await;
    blocker
        .run("begin; lock table pg_stat_bgwriter in access exclusive mode")
        .await;
    let mut client = daemon.client().await;
    let ask = json!({"type": "subscribe", "id": 1, "rooms": ["product:1"], "since": since});
    client.say(ask).await;
    // Answered at once, they would say that nothing was missed.
    client
        .say(json!({"type": "subscribe", "id": 2, "rooms": ["product:1"]}))
        .await;
    client
        .say(json!({"type": "sync", "id": 3, "since": client.cursor}))
        .await;
    client.say(json!({"type": "ping", "id": 4})).await;
    assert_eq!(client.next().await["type"], "pong");
    blocker.run("rollback").await;
    let first = client.next().await;
    assert_eq!(
        (&first["id"], standing(&first)),
        (&json!(1), vec!["replayed"])
    );
    assert_eq!(client.next().await["replayed"], true);
    assert_eq!(client.next().await["id"], 2);
    assert_eq!(client.next_of("synced").await["id"], 3);
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

#[tokio::test]
async fn a_row_that_cannot_be_read_is_a_resync_for_those_who_come_back() {
    let database = Database::with_shop().await;
    let since = here(&database).await;
    let odd = "insert into pgbell.change (entity, id, events, rooms)
               values ('x', '1', '{{a:b,c:d}}', '{product:1}')";
    database.run(odd).await;
    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client().await;
    assert_eq!(
        standing(&client.resume(&["product:1"], &since).await),
        ["resync"]
    );
}

#[tokio::test]
async fn a_client_that_comes_back_does_not_wait_for_a_database_that_is_gone() {
    let mut server = ThrowawayPostgres::start(Options::default())
        .await
        .expect("a server");
    let url = server.url("postgres");
    pgbell::install::install(&url).await.expect("installed");
    let daemon = Daemon::unready(&url, |_| {});
    daemon.ready().await;
    let mut client = daemon.client_in(&["room"]).await;
    let since = client.cursor.clone();
    server.crash().await.expect("crashed");
    client.next_of("stale").await;
    let mut late = daemon.client().await;
    assert_eq!(standing(&late.resume(&["other"], &since).await), ["resync"]);
    drop((client, late));
    daemon.stop().await.expect("stopped");
    server.stop().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_that_come_back_at_once_share_a_few_looks_at_the_log() {
    const CLIENTS: usize = 400;
    let database = Database::with_shop().await;
    let since = here(&database).await;
    for _ in 0..20 {
        database.run(REPRICE).await;
    }
    // Freshly started, it remembers nothing.
    let daemon = Daemon::start(&database).await;
    let mut witness = daemon.client_in(&["product:2"]).await;
    let storm = async {
        let come_back = (0..CLIENTS).map(|number| {
            let (daemon, since) = (&daemon, &since);
            async move {
                let mut client = daemon.client().await;
                let own = format!("user:{number}");
                let reply = client.resume(&["product:1", &own], since).await;
                assert_eq!(standing(&reply), ["replayed", "live"]);
                let replay = client.next_of("invalidate").await;
                assert_eq!(changes_in(&[replay], "product:1")[0]["count"], 20);
            }
        });
        futures_util::future::join_all(come_back).await;
    };
    let others = async {
        let other = "update products set price = price + 1 where id = 2";
        for _ in 0..10 {
            database.run(other).await;
            witness.next_of("invalidate").await;
        }
    };
    soon("everybody to be back", async {
        tokio::join!(storm, others)
    })
    .await;
    let reads = history_reads(&daemon).await;
    assert!(
        reads <= 100,
        "{reads} looks at the log for {CLIENTS} clients"
    );
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
