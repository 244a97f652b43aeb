//! Any role that may connect may notify. What that is good for: waking the daemon.

use std::time::{Duration, Instant};

use pgbell::capture::Transport;

use crate::support::{
    client::{Client, changes_in},
    daemon::Daemon,
    database::{Database, SELL_ONE},
    server::change,
    soon,
};

/// A session of a role that may do nothing.
async fn stranger(database: &Database) -> Database {
    let name = format!("stranger_{:x}", fastrand::u64(..));
    database.run(&format!("create role {name} login")).await;
    let url = database
        .url
        .replace("user=postgres", &format!("user={name}"));
    Database::at(&url).await
}

async fn notify(stranger: &Database, payload: &str) {
    let quoted = payload.replace('\'', "''");
    stranger
        .run(&format!("select pg_notify('pgbell', '{quoted}')"))
        .await;
}

const FORGED: &str = r#"{"xid":"7","at":"2026-01-01T00:00:00Z","entity":"product","id":"1","op":"update",
    "events":["product:price_changed"],"rooms":["product:1","*"],"old":null,"new":{"price":1},"origin":null}"#;

/// What somebody who has read the source would try, and what nobody would.
fn payloads(heard: &[String]) -> Vec<String> {
    let signature = "0123456789abcdef".repeat(2);
    let mut all = vec![
        String::new(),
        "muted".into(),
        "Muted ".into(),
        "armed".into(),
        "beat ".into(),
        "beat 0 0".into(),
        "{".into(),
        "{}".into(),
        "null".into(),
        FORGED.into(),
        format!("{signature}{FORGED}"),
        format!("{}{FORGED}", "0".repeat(32)),
        "x".repeat(7999),
        format!("{{{}", "[".repeat(7990)),
        "ü".repeat(3999),
        "\u{1}\r\n\u{7f}".into(),
    ];
    // Heartbeats of the daemon are heard by everybody: later ones, and ones that cannot be.
    for beat in heard.iter().filter(|heard| heard.starts_with("beat ")) {
        let (name, _) = beat.rsplit_once(' ').expect("a number");
        for number in [
            "1",
            "2",
            "18446744073709551615",
            "99999999999999999999",
            "-1",
            "",
        ] {
            all.push(format!("{name} {number}"));
        }
    }
    let mut chance = fastrand::Rng::with_seed(7);
    for _ in 0..200 {
        let length = chance.usize(1..40);
        let letters = (0..length).map(|_| chance.char('\u{1}'..'\u{2ff}'));
        all.push(letters.collect());
    }
    all
}

/// Told to a client in a room of the shop: nothing, whatever the stranger says.
async fn nothing_is_told(client: &mut Client, database: &Database, stranger: &Database) {
    let mut listening = database.listen().await;
    let heard = soon("a heartbeat", listening.recv())
        .await
        .expect("a notification");
    for payload in payloads(&[heard]) {
        notify(stranger, &payload).await;
    }
    let told = client.messages(database).await;
    assert!(told.is_empty(), "{told:?}");
}

async fn daemon(database: &Database, transport: Transport, heartbeat: Duration) -> Daemon {
    Daemon::with(database, |config| {
        config.database.transport = transport;
        config.database.heartbeat = heartbeat;
    })
    .await
}

/// Often enough to be listened to.
const OFTEN: Duration = Duration::from_millis(500);
/// So patient that a server busy with a flood is not given up.
const PATIENT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_stranger_who_notifies_tells_clients_nothing() {
    for transport in [Transport::Doorbell, Transport::Payload] {
        let database = Database::with_shop().await;
        let stranger = stranger(&database).await;
        let daemon = daemon(&database, transport, OFTEN).await;
        let mut client = daemon.client_in(&["product:1"]).await;
        nothing_is_told(&mut client, &database, &stranger).await;
        let foreign = daemon.number("pgbell_foreign_notifications_total").await;
        assert!(foreign > 200.0, "{transport:?}: {foreign} were counted");
        assert_eq!(client.messages_of(&database, SELL_ONE).await.len(), 1);
        for lost in ["heartbeat_lost", "listener_ended", "query", "no_answer"] {
            assert_eq!(daemon.losses(lost).await, 0.0, "{transport:?}: {lost}");
        }
    }
}

/// Notifies in transactions of their own, as fast as the server goes.
fn flood(payload: &str, times: u32) -> String {
    format!(
        "do $$ begin for i in 1..{times} loop perform pg_notify('pgbell', {payload}); commit; end loop; end $$"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_notifications_costs_as_many_reads_as_polling_does() {
    const TIMES: u32 = 15_000;
    for (transport, payload) in [
        (Transport::Doorbell, "''"),
        (Transport::Doorbell, "'muted'"),
        (
            Transport::Doorbell,
            "'{\"entity\":\"x\",\"rooms\":[\"*\"]}' || i",
        ),
        (Transport::Payload, "''"),
        (
            Transport::Payload,
            "repeat('0', 32) || '{\"rooms\":[\"*\"]}' || i",
        ),
    ] {
        let database = Database::with_shop().await;
        let (one, other) = (stranger(&database).await, stranger(&database).await);
        let daemon = daemon(&database, transport, PATIENT).await;
        let mut client = daemon.client_in(&["room"]).await;
        let reads = async || daemon.number("pgbell_log_reads_total").await;
        let (before, began) = (reads().await, Instant::now());
        let sql = flood(payload, TIMES);
        let (_, _, told) = tokio::join!(one.run(&sql), other.run(&sql), async {
            client.messages_of(&database, &change("room")).await
        });
        let took = began.elapsed();
        let read = reads().await - before;
        // Twice the pace of polling, and a moment in which rings are believed.
        let bound = 500.0 + took.as_secs_f64() * 400.0;
        assert!(
            read <= bound,
            "{transport:?} {payload}: {read} reads in {took:?}"
        );
        println!(
            "{transport:?} {payload}: {:.0} notifications/s, {:.0} reads/s",
            f64::from(2 * TIMES) / took.as_secs_f64(),
            read / took.as_secs_f64()
        );
        assert_eq!(
            changes_in(&told, "room").len(),
            1,
            "{transport:?} {payload}"
        );
        let more = client.messages(&database).await;
        assert!(more.is_empty(), "{transport:?} {payload}: {more:?}");
        let resyncs = daemon.get("/metrics").await.1;
        assert!(!resyncs.contains("pgbell_resyncs_total{"), "{resyncs}");
        if transport == Transport::Doorbell {
            let armed = async { while daemon.health().await["database"]["doorbell"] != "armed" {} };
            soon("the bell to be armed again", armed).await;
        }
        drop(client);
        daemon.stop().await.expect("stopped");
    }
}

#[tokio::test]
async fn a_change_inside_a_notification_can_be_repeated_but_not_altered() {
    let database = Database::with_shop().await;
    let stranger = stranger(&database).await;
    let daemon = daemon(&database, Transport::Payload, OFTEN).await;
    let mut client = daemon.client_in(&["product:1"]).await;
    // Whoever may connect may also listen.
    let mut listening = stranger.listen().await;
    assert_eq!(client.messages_of(&database, SELL_ONE).await.len(), 1);
    let signed = async {
        loop {
            let heard = listening.recv().await.expect("a notification");
            if heard.contains("product:1") {
                return heard;
            }
        }
    };
    let signed = soon("the change", signed).await;
    notify(&stranger, &signed.replace("product:1", "product:2")).await;
    notify(&stranger, &signed[..signed.len() - 1]).await;
    notify(&stranger, &signed[32..]).await;
    assert_eq!(client.messages(&database).await.len(), 0);
    notify(&stranger, &signed).await;
    client.next_of("invalidate").await;
    let refused = stranger
        .client()
        .batch_execute("select payload_key from pgbell.install");
    let refused = refused.await.expect_err("a secret");
    assert!(
        refused
            .as_db_error()
            .expect("refused")
            .message()
            .contains("permission denied")
    );
}

#[tokio::test]
async fn another_key_is_noticed_and_every_room_resyncs() {
    let database = Database::with_shop().await;
    let daemon = daemon(&database, Transport::Payload, OFTEN).await;
    let mut client = daemon.client_in(&["product:1"]).await;
    database
        .run("update pgbell.install set payload_key = '\\x00'")
        .await;
    database.run(SELL_ONE).await;
    client.next_of("resync").await;
    assert!(daemon.losses("reinstalled").await >= 1.0);
    daemon.ready().await;
    assert_eq!(client.messages_of(&database, SELL_ONE).await.len(), 1);
}
