//! Those who wait for an answer: in turn, together, and not for ever.

use pgbell::demo::postgres::{Options, ThrowawayPostgres};
use serde_json::json;

use super::{here, history_reads, standing};
use crate::support::{
    client::changes_in, daemon::Daemon, database::Database, database::REPRICE, database::SELL_ONE,
    soon,
};

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
