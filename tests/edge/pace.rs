//! How much one connection may say.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    client::Client,
    daemon::Daemon,
    database::{Database, SELL_ONE},
};

async fn told_until_closed(client: &mut Client) -> (Vec<Value>, Value) {
    let mut told = Vec::new();
    loop {
        let message = client.next().await;
        if message.get("closed").or(message.get("ended")).is_some() {
            return (told, message["closed"].clone());
        }
        told.push(message);
    }
}

#[tokio::test]
async fn messages_that_come_too_fast_are_refused_and_who_goes_on_is_closed() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        (config.gateway.message_rate, config.gateway.message_burst) = (2, 10);
    })
    .await;
    let mut patient = daemon.client().await;
    for _ in 0..15 {
        patient.say(json!({"type": "ping"})).await;
    }
    patient
        .say(json!({"type": "subscribe", "id": 7, "rooms": ["product:1"]}))
        .await;
    let mut error = patient.next_of("error").await;
    while error["id"] != 7 {
        error = patient.next_of("error").await;
    }
    assert_eq!(
        (&error["code"], &error["retryable"]),
        (&json!("rate_limited"), &json!(true))
    );
    let wait = error["retry_after_ms"].as_u64().expect("a time");
    assert!((1..=5_000).contains(&wait), "{wait}");
    tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
    patient.subscribe(&["product:1"]).await;

    let mut pushy = daemon.client().await;
    for _ in 0..40 {
        pushy.say(json!({"type": "ping", "id": 1})).await;
    }
    let (told, code) = told_until_closed(&mut pushy).await;
    assert_eq!(code, 4103);
    let pongs = told
        .iter()
        .filter(|message| message["type"] == "pong")
        .count();
    assert!((9..30).contains(&pongs), "{told:?}");
    let closed = r#"pgbell_closes_total{reason="rate_limited"}"#;
    while daemon.number(closed).await != 1.0 {}
    database.run(SELL_ONE).await;
    patient.next_of("invalidate").await;
}

#[tokio::test]
async fn pings_of_the_websocket_itself_count_as_messages() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        (config.gateway.message_rate, config.gateway.message_burst) = (1, 10);
    })
    .await;
    for ping in [
        Message::Ping(b"x"[..].into()),
        Message::Pong(b"x"[..].into()),
    ] {
        let mut client = daemon.client().await;
        for _ in 0..40 {
            client.say_raw(ping.clone()).await;
        }
        assert_eq!(told_until_closed(&mut client).await.1, 4103);
    }
}

#[tokio::test]
async fn rooms_are_counted_one_by_one_and_nothing_else_is_held_up() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        (
            config.gateway.subscribe_rate,
            config.gateway.subscribe_burst,
        ) = (1, 10);
    })
    .await;
    let mut client = daemon
        .client_in(&["a", "b", "c", "d", "e", "f", "g", "h"])
        .await;
    client
        .say(json!({"type": "subscribe", "id": 2, "rooms": ["product:1", "j", "k", "l", "m", "n"]}))
        .await;
    let error = client.next_of("error").await;
    assert_eq!(
        (&error["code"], &error["id"]),
        (&json!("rate_limited"), &json!(2))
    );
    let wait = error["retry_after_ms"].as_u64().expect("a time");
    assert!((1_000..=5_000).contains(&wait), "{wait}");
    client.say(json!({"type": "ping", "id": 3})).await;
    assert_eq!(client.next_of("pong").await["id"], 3);
    client
        .say(json!({"type": "unsubscribe", "id": 4, "rooms": ["a", "b", "c", "d", "e", "f"]}))
        .await;
    assert_eq!(client.next_of("error").await["id"], 4);
    assert_eq!(daemon.health().await["subscribers"], 8);
    // All of its rooms are eight, although none is named.
    let since = client.cursor.clone();
    client
        .say(json!({"type": "sync", "id": 5, "since": since}))
        .await;
    assert_eq!(client.next_of("error").await["id"], 5);
}

#[tokio::test]
async fn the_defaults_hold_up_nobody_who_comes_back_to_all_its_rooms_at_once() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let rooms: Vec<String> = (0..1_000).map(|room| format!("room:{room}")).collect();
    let mut client = daemon.client().await;
    for part in rooms.chunks(1) {
        client
            .say(json!({"type": "subscribe", "id": 1, "rooms": part}))
            .await;
    }
    for _ in &rooms {
        client.next_of("subscribed").await;
    }
    let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
    assert_eq!(
        client.subscribe(&rooms).await["rooms"][999]["status"],
        "live"
    );
}
