//! The same messages as server-sent events.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    client::Client,
    daemon::Daemon,
    database::{Database, SELL_ONE},
    events::Events,
    flood::{Newest, closed_who_is_deaf, flood, mark},
    soon,
};

async fn shop() -> (Database, Daemon) {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    (database, daemon)
}

#[tokio::test]
async fn a_stream_tells_what_a_websocket_tells() {
    let (database, daemon) = shop().await;
    let mut client = daemon.client_in(&["product:1"]).await;
    let mut events = Events::open(daemon.addr, "rooms=product:1,bad%20room,order:7", "").await;
    for header in [
        "HTTP/1.1 200 OK",
        "content-type: text/event-stream",
        "cache-control: no-store",
        "x-accel-buffering: no",
        "access-control-allow-origin: *",
    ] {
        assert!(events.head.contains(header), "{header} in {}", events.head);
    }
    let welcome = events.next().await.expect("a welcome");
    assert_eq!(
        (welcome.kind.as_str(), welcome.id),
        ("welcome", None),
        "a position that is not the client's"
    );
    assert_eq!(welcome.data["protocol"], 1);
    let subscribed = events.next().await.expect("an answer");
    assert_eq!(subscribed.kind, "subscribed");
    assert_eq!(subscribed.id.as_deref(), subscribed.data["cursor"].as_str());
    let rooms = subscribed.data["rooms"].as_array().expect("rooms");
    let standing: Vec<_> = rooms.iter().map(|room| &room["status"]).collect();
    assert_eq!(standing, ["live", "denied", "live"]);
    assert_eq!(rooms[1]["code"], "bad_room");

    database.run(SELL_ONE).await;
    let told = events.next_of("invalidate").await;
    assert_eq!(told.data, client.next_of("invalidate").await);
    assert_eq!(told.id.as_deref(), told.data["cursor"].as_str());
    let health = daemon.health().await;
    assert_eq!(
        (&health["connections"], &health["rooms"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(daemon.metric("pgbell_event_streams").await, 1);
}

#[tokio::test]
async fn a_browser_that_comes_back_by_itself_is_told_what_it_missed() {
    let (database, daemon) = shop().await;
    let (events, subscribed) = Events::subscribed(daemon.addr, "product:1").await;
    let (old, query) = (subscribed.id.expect("a position"), "rooms=product:1");
    drop(events);
    database.run(SELL_ONE).await;
    let last = format!("Last-Event-ID: {old}\r\n");
    let mut events = Events::open(daemon.addr, query, &last).await;
    let subscribed = events.next_of("subscribed").await;
    assert_eq!(subscribed.data["rooms"][0]["status"], "replayed");
    assert_eq!(
        subscribed.id.as_deref(),
        Some(&*old),
        "not before it was told"
    );
    let missed = events.next_of("invalidate").await;
    assert_eq!(missed.data["replayed"], true);
    assert_eq!(missed.id.as_deref(), missed.data["cursor"].as_str());

    // A browser repeats the URL that it began with: what it was told last is newer.
    let query = format!("{query}&since={old}");
    let standing = async |last: &str| {
        let mut events = Events::open(daemon.addr, &query, last).await;
        let subscribed = events.next_of("subscribed").await;
        subscribed.data["rooms"][0]["status"].clone()
    };
    assert_eq!(standing("").await, "replayed");
    let newer = async {
        // A position may lag behind what was told for a moment.
        let mut last = String::new();
        while standing(&last).await != "live" {
            let (_, subscribed) = Events::subscribed(daemon.addr, "product:1").await;
            last = format!("Last-Event-ID: {}\r\n", subscribed.id.expect("a position"));
        }
    };
    soon("a newer position to win", newer).await;
}

#[tokio::test]
async fn a_request_that_cannot_be_served_is_answered_before_a_stream_begins() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| config.gateway.max_rooms_per_message = 2).await;
    for (path, code) in [
        ("/events", "bad_request"),
        ("/events?rooms=", "bad_request"),
        ("/events?rooms=a,b,c", "limit_exceeded"),
    ] {
        let answer = daemon.ask("GET", path, "").await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
        assert!(head.contains("access-control-allow-origin: *"), "{head}");
        let error: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!("error"), &json!(code))
        );
        assert_eq!(error["retryable"], false);
    }
    let answer = daemon.ask("POST", "/events?rooms=a", "").await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    let answer = daemon.ask("HEAD", "/events?rooms=a", "").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        answer.contains("content-type: text/event-stream"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\n"), "no body: {answer}");
    assert_eq!(daemon.metric("pgbell_connections").await, 0);
}

#[tokio::test]
async fn a_connection_that_served_a_page_may_become_a_stream() {
    let (database, daemon) = shop().await;
    let mut stream = TcpStream::connect(daemon.addr).await.expect("a connection");
    let page = b"GET /livez HTTP/1.1\r\nHost: pgbell\r\n\r\n";
    stream.write_all(page).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok\n") {
        soon("a page", stream.read_buf(&mut answer))
            .await
            .expect("an answer");
    }
    let mut events = Events::on(stream, "rooms=product:1", "").await;
    events.next_of("subscribed").await;
    database.run(SELL_ONE).await;
    assert_eq!(events.next_of("invalidate").await.data["room"], "product:1");
    daemon.counted("pgbell_http_connections 1\n").await;
    drop(events);
    daemon.counted("pgbell_event_streams 0\n").await;
    daemon.counted("pgbell_rooms 0\n").await;
}

#[tokio::test]
async fn streams_and_websockets_share_the_places_there_are() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| config.gateway.max_connections = 2).await;
    let client = daemon.client().await;
    let (first, _) = Events::subscribed(daemon.addr, "a").await;
    let mut second = Events::open(daemon.addr, "rooms=a", "").await;
    let goodbye = second.next().await.expect("a goodbye");
    assert_eq!(
        (&goodbye.data["code"], &goodbye.data["reason"]),
        (&json!(4004), &json!("connection_limit"))
    );
    assert_eq!(goodbye.retry, goodbye.data["retry_after_ms"].as_u64());
    assert!(second.next().await.is_none(), "and the stream ends");
    let mut socket = Client::open(daemon.addr, Some("pgbell.v1")).await;
    assert_eq!(socket.next().await["closed"], 4004);
    drop(first);
    daemon.counted("pgbell_connections 1\n").await;
    Events::subscribed(daemon.addr, "a").await;
    drop(client);
}

#[tokio::test]
async fn a_heartbeat_comes_when_nothing_else_does() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.gateway.heartbeat = Duration::from_secs(1)
    })
    .await;
    let (mut events, _) = Events::subscribed(daemon.addr, "a").await;
    let heartbeat = events.next().await.expect("a heartbeat");
    assert_eq!(heartbeat.kind, "heartbeat");
    assert_eq!(heartbeat.id.as_deref(), heartbeat.data["cursor"].as_str());
}

#[tokio::test]
async fn a_shutdown_tells_what_waits_and_when_to_come_back() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.coalesce.window = Duration::from_secs(600);
        // Nobody may leave before the newcomer has come.
        config.gateway.drain = Duration::from_secs(60);
    })
    .await;
    let (mut events, _) = Events::subscribed(daemon.addr, "product:1").await;
    database.run(SELL_ONE).await;
    events.next_of("invalidate").await;
    database.run(&format!("{SELL_ONE}; {SELL_ONE}")).await;
    daemon.counted("pgbell_pending_entities 1\n").await;
    let (addr, stopping) = (daemon.addr, tokio::spawn(daemon.stop()));
    assert_eq!(events.next_of("invalidate").await.data["room"], "product:1");
    let goodbye = events.next_of("goodbye").await;
    assert_eq!((&goodbye.data["code"], &goodbye.id), (&json!(4201), &None));
    assert_eq!(goodbye.retry, goodbye.data["retry_after_ms"].as_u64());
    // It has not closed its side yet, so the daemon is still there.
    let mut newcomer = Events::open(addr, "rooms=a", "").await;
    let goodbye = newcomer.next().await.expect("a goodbye");
    assert_eq!(
        (goodbye.kind.as_str(), &goodbye.data["code"]),
        ("goodbye", &json!(4201))
    );
    assert!(newcomer.next().await.is_none() && events.next().await.is_none());
    drop((events, newcomer));
    let drained = stopping.await.unwrap().expect("everybody left in time");
    assert_eq!((drained.told, drained.left), (1, 0));
}

#[tokio::test]
async fn a_stream_that_is_read_late_tells_the_latest_in_fewer_events() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.gateway.write_deadline = Duration::from_secs(60);
    })
    .await;
    let (mut events, _) = Events::subscribed(daemon.addr, "flood,mark").await;
    let witness = &mut daemon.client_in(&["flood"]).await;
    for part in 0..20 {
        flood(&database, part).await;
        witness.next_of("invalidate").await;
    }
    daemon
        .counted(r#"slow_consumers_total{reason="folded"}"#)
        .await;
    mark(&database).await;
    let (mut newest, mut told) = (Newest::new(), 0);
    loop {
        let event = events.next().await.expect("an event");
        assert_ne!(event.kind, "resync", "a hundred entities fit");
        if event.data["room"] == "mark" {
            break;
        }
        told += 1;
        newest.note(&event.data);
    }
    assert!(newest.is_of_the_last_of(20), "{newest:?}");
    assert!(told < 20, "{told} events");
}

#[tokio::test]
async fn a_stream_that_nobody_reads_is_closed_after_the_write_deadline() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.gateway.write_deadline = Duration::from_secs(2);
        config.hub.queue_size = bytesize::ByteSize::kib(16);
    })
    .await;
    let (deaf, _) = Events::subscribed(daemon.addr, "flood").await;
    let (mut witness, _) = Events::subscribed(daemon.addr, "flood").await;
    for part in 0..20 {
        flood(&database, part).await;
        witness.next_of("invalidate").await;
    }
    closed_who_is_deaf(&daemon).await;
    daemon.counted("pgbell_event_streams 1\n").await;
    drop(deaf);
}
