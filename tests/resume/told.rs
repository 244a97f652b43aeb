//! What returners are told of what they missed: from memory, or from the log.

use pgbell::capture::Transport;
use serde_json::json;

use super::{here, history_reads, settled, standing};
use crate::support::{daemon::Daemon, database::Database, database::REPRICE, database::SELL_ONE};

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
    // Before that is told, the room may be live, and the news follow.
    settled(&daemon, &database).await;
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
