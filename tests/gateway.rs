//! What a client can do, and what it is told when it does something else.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    client::Client,
    daemon::Daemon,
    database::{Database, SELL_ONE},
    soon,
};

async fn shop() -> (Database, Daemon) {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    (database, daemon)
}

#[tokio::test]
async fn a_client_is_welcomed_with_all_it_needs() {
    let (_database, daemon) = shop().await;
    let welcome = daemon.client().await.welcome;
    assert_eq!(
        (&welcome["protocol"], &welcome["user"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(
        (&welcome["heartbeat_ms"], &welcome["limits"]["rooms"]),
        (&json!(25_000), &json!(1_000))
    );
    assert!(welcome["cursor"].as_str().unwrap().contains('.'));
    assert!(welcome["connection"].is_string() && welcome["server_time"].is_string());
}

#[tokio::test]
async fn an_invalidation_says_everything_about_a_change() {
    let (database, daemon) = shop().await;
    let mut client = daemon.client_in(&["product:1"]).await;
    database.run(SELL_ONE).await;
    let message = client.next_of("invalidate").await;
    assert_eq!(message["room"], "product:1");
    let mut change = message["changes"][0].clone();
    let at = change["at"].take();
    let age = jiff::Timestamp::now().duration_since(at.as_str().unwrap().parse().unwrap());
    assert!(age.as_secs_f64().abs() < 30.0, "{at} is now");
    assert_eq!(
        change,
        json!({
            "entity": "product", "id": "1", "op": "update", "events": ["product:stock_changed"], "count": 1,
            "at": null, "old": {"available": 100}, "new": {"available": 99},
        })
    );
}

#[tokio::test]
async fn subscribing_twice_is_harmless_and_leaving_ends_it() {
    let (database, daemon) = shop().await;
    let mut client = daemon
        .client_in(&["product:1", "product:1", "seller:11"])
        .await;
    let again = client.subscribe(&["product:1"]).await;
    assert_eq!(
        again["rooms"],
        json!([{"room": "product:1", "status": "live"}])
    );
    assert_eq!(
        client.messages_of(&database, SELL_ONE).await.len(),
        2,
        "one message per room"
    );
    client
        .say(json!({"type": "unsubscribe", "id": 8, "rooms": ["product:1", "never:joined"]}))
        .await;
    let left = client.next_of("unsubscribed").await;
    assert_eq!(
        (&left["id"], &left["rooms"]),
        (&json!(8), &json!(["product:1", "never:joined"]))
    );
    let messages = client.messages_of(&database, SELL_ONE).await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["room"], "seller:11");
}

#[tokio::test]
async fn a_client_may_talk_before_it_is_welcomed() {
    let (_database, daemon) = shop().await;
    let mut client = Client::open(daemon.addr, Some("pgbell.v1")).await;
    client
        .say(json!({"type": "subscribe", "id": 1.5, "rooms": ["a"]}))
        .await;
    client.say(json!({"type": "ping"})).await;
    assert_eq!(client.next().await["type"], "welcome");
    let mut replies = [client.next().await, client.next().await];
    replies.sort_by_key(|reply| reply["type"].to_string());
    assert_eq!(
        (&replies[0]["type"], replies[0].get("id")),
        (&json!("pong"), None)
    );
    assert_eq!(
        (&replies[1]["type"], &replies[1]["id"]),
        (&json!("subscribed"), &json!(1.5))
    );
}

#[tokio::test]
async fn each_room_that_cannot_be_joined_says_why_and_the_others_are() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.gateway.max_rooms_per_connection = 2
    })
    .await;
    let mut client = daemon.client().await;
    let subscribed = client.subscribe(&["a", "not a room", "b", "c"]).await;
    let rooms = subscribed["rooms"].as_array().unwrap();
    let standing = |index: usize| {
        (
            rooms[index]["status"].as_str().unwrap(),
            rooms[index]["code"].as_str(),
        )
    };
    assert_eq!(standing(0), ("live", None));
    assert_eq!(standing(1), ("denied", Some("bad_room")));
    assert_eq!(standing(2), ("live", None));
    assert_eq!(standing(3), ("denied", Some("limit_exceeded")));
    assert!(
        rooms[3]["message"]
            .as_str()
            .unwrap()
            .contains("leave some first")
    );
}

#[tokio::test]
async fn nonsense_is_answered_and_ends_nothing() {
    let (database, daemon) = shop().await;
    let mut client = daemon.client_in(&["product:1"]).await;
    for nonsense in [
        "",
        "{",
        "[]",
        r#"{"type":"subscribe"}"#,
        r#"{"type":"subscribe","id":"x","rooms":[]}"#,
    ] {
        client.say_raw(Message::text(nonsense)).await;
        let error = client.next_of("error").await;
        assert_eq!(
            (&error["code"], &error["retryable"]),
            (&json!("bad_request"), &json!(false)),
            "{nonsense}"
        );
    }
    client.say(json!({"type": "subscribe", "id": 6})).await;
    assert_eq!(client.next_of("error").await["id"], 6, "told which request");
    client
        .say(json!({"type": "from_the_future", "id": 1}))
        .await;
    client
        .say(json!({"type": "ping", "id": 7, "also": "this"}))
        .await;
    assert_eq!(
        client.next().await["type"],
        "pong",
        "what is unknown is passed over"
    );
    let rooms: Vec<String> = (0..1_001).map(|room| format!("r:{room}")).collect();
    client
        .say(json!({"type": "subscribe", "id": 3, "rooms": rooms}))
        .await;
    let error = client.next_of("error").await;
    assert_eq!(
        (&error["id"], &error["code"]),
        (&json!(3), &json!("limit_exceeded"))
    );
    assert_eq!(client.messages_of(&database, SELL_ONE).await.len(), 1);
}

#[tokio::test]
async fn what_breaks_the_protocol_closes_the_connection_with_its_code() {
    let (_database, daemon) = shop().await;
    let mut client = daemon.client().await;
    client.say_raw(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(client.next().await["closed"], 1003);
    let mut client = daemon.client().await;
    client.say_raw(Message::text("x".repeat(65 * 1024))).await;
    assert_eq!(client.next().await["closed"], 1009);
    let mut client = Client::open(daemon.addr, Some("graphql-ws")).await;
    let closed = client.next().await;
    assert_eq!(
        (&closed["closed"], &closed["reason"]),
        (&json!(4002), &json!("unsupported_protocol"))
    );
    let mut client = Client::open(daemon.addr, None).await;
    assert_eq!(
        client.next().await["type"],
        "welcome",
        "no protocol offered is ours"
    );
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_the_others_go_on() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| config.gateway.max_connections = 2).await;
    let (mut first, second) = (daemon.client().await, daemon.client().await);
    let mut third = Client::open(daemon.addr, Some("pgbell.v1")).await;
    assert_eq!(third.next().await["closed"], 4004);
    drop((second, third));
    first.say(json!({"type": "ping"})).await;
    first.next_of("pong").await;
    let freed = async { while daemon.health().await["connections"] != 1 {} };
    soon("the second to leave", freed).await;
    daemon.client().await;
}

#[tokio::test]
async fn a_thousand_sockets_in_one_room_all_hear_it() {
    let (database, daemon) = shop().await;
    let mut clients = Vec::new();
    for _ in 0..1_000 {
        clients.push(daemon.client_in(&["product:1"]).await);
    }
    let health = daemon.health().await;
    assert_eq!(
        (&health["connections"], &health["subscribers"]),
        (&json!(1_000), &json!(1_000))
    );
    assert_eq!(health["rooms"], 1);
    database.run(SELL_ONE).await;
    for client in &mut clients {
        assert_eq!(client.next_of("invalidate").await["room"], "product:1");
    }
    drop(clients);
    let empty = async { while daemon.health().await["rooms"] != 0 {} };
    soon("everybody to leave", empty).await;
}

#[tokio::test]
async fn a_window_tells_the_first_change_at_once_and_folds_the_rest() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.coalesce.window = Duration::from_secs(2)
    })
    .await;
    let mut client = daemon.client_in(&["product:1"]).await;
    database.run(SELL_ONE).await;
    let first = client.next_of("invalidate").await;
    assert_eq!(first["changes"][0]["count"], 1);
    for _ in 0..7 {
        database.run(SELL_ONE).await;
    }
    let second = client.next_of("invalidate").await;
    let change = &second["changes"][0];
    assert_eq!(
        (&change["count"], &change["old"], &change["new"]),
        (
            &json!(7),
            &json!({"available": 99}),
            &json!({"available": 92})
        )
    );
}

#[tokio::test]
async fn a_heartbeat_comes_when_nothing_else_does() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.gateway.heartbeat = Duration::from_secs(1)
    })
    .await;
    let mut client = daemon.client().await;
    let heartbeat = client.next_of("heartbeat").await;
    assert!(
        heartbeat["cursor"].as_str().unwrap().contains('.') && heartbeat["server_time"].is_string()
    );
}

#[tokio::test]
async fn a_shutdown_flushes_what_waits_says_goodbye_and_closes() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.coalesce.window = Duration::from_secs(600)
    })
    .await;
    let mut client = daemon.client_in(&["product:1", "seen"]).await;
    let mut witness = daemon.client_in(&["witness"]).await;
    database.run(SELL_ONE).await;
    client.next_of("invalidate").await;
    let waiting = "insert into pgbell.change (entity, id, events, rooms) values ('x', '1', '{x:y}', '{witness}')";
    database.run(&format!("{SELL_ONE}; {waiting}")).await;
    witness.next_of("invalidate").await;
    let stopping = tokio::spawn(daemon.stop());
    assert_eq!(client.next_of("invalidate").await["room"], "product:1");
    let goodbye = client.next_of("goodbye").await;
    assert_eq!(
        (&goodbye["code"], &goodbye["reason"]),
        (&json!(4201), &json!("draining"))
    );
    assert!(goodbye["retry_after_ms"].is_u64());
    assert_eq!(client.next().await["closed"], 4201);
    drop((client, witness));
    stopping.await.unwrap().expect("everybody left in time");
}

#[tokio::test]
async fn the_pages_tell_how_the_daemon_is() {
    let (_database, daemon) = shop().await;
    let _client = daemon.client_in(&["a", "b"]).await;
    assert_eq!(daemon.get("/livez").await, (200, "ok\n".into()));
    assert_eq!(daemon.get("/readyz").await.0, 200);
    let health = daemon.health().await;
    assert_eq!(
        (&health["status"], &health["connections"]),
        (&json!("ok"), &json!(1))
    );
    assert_eq!(
        (&health["rooms"], &health["subscribers"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(
        (
            &health["database"]["state"],
            &health["database"]["transport"]
        ),
        (&json!("live"), &json!("doorbell"))
    );
    assert!(health["pending_batches"].is_u64());
    let (status, metrics) = daemon.get("/metrics").await;
    assert_eq!(status, 200);
    for metric in [
        "pgbell_connections 1",
        "pgbell_subscribers 2",
        "pgbell_database_up 1",
        "pgbell_deliveries_total",
    ] {
        assert!(metrics.contains(metric), "{metric} in {metrics}");
    }
    assert!(daemon.get("/").await.1.contains("<title>"));
    assert_eq!(
        daemon.get("/ws").await.0,
        426,
        "a browser's address bar is no WebSocket"
    );
    assert_eq!(daemon.get("/nothing/here").await.0, 404);
    assert_eq!(daemon.get("/demo.json").await.0, 204);
}

#[tokio::test]
async fn pages_of_any_origin_may_load_the_client_and_load_it_once() {
    let (_database, daemon) = shop().await;
    for path in ["/client.js", "/client.events.js", "/client.global.js"] {
        let script = daemon.ask("GET", path, "").await;
        assert!(script.starts_with("HTTP/1.1 200 "), "{script}");
        let head = script.split("\r\n\r\n").next().expect("a head");
        for header in [
            "content-type: text/javascript; charset=utf-8",
            "access-control-allow-origin: *",
            "cross-origin-resource-policy: cross-origin",
            "cache-control: no-cache",
        ] {
            assert!(head.contains(header), "{header} in {head}");
        }
        let tag = head
            .lines()
            .find_map(|line| line.strip_prefix("etag: "))
            .expect("a tag");
        let again = daemon
            .ask("GET", path, &format!("If-None-Match: {tag}\r\n"))
            .await;
        assert!(again.starts_with("HTTP/1.1 304 "), "{again}");
        let (status, map) = daemon.get(&format!("{path}.map")).await;
        assert_eq!(status, 200);
        serde_json::from_str::<Value>(&map).expect("JSON");
    }
    let (_, document) = daemon.get("/asyncapi.json").await;
    let document: Value = serde_json::from_str(&document).expect("JSON");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn a_client_that_closes_is_answered_and_forgotten() {
    let (_database, daemon) = shop().await;
    let mut client = daemon.client_in(&["a"]).await;
    let farewell = tokio_tungstenite::tungstenite::protocol::CloseFrame {
        code: 1000.into(),
        reason: "bye".into(),
    };
    client.say_raw(Message::Close(Some(farewell))).await;
    assert_eq!(client.next().await["closed"], 1000);
    let forgotten = async { while daemon.health().await["connections"] != 0 {} };
    soon("the session to end", forgotten).await;
}
