//! A storm: clients that are all dropped at once, come back by themselves, and say how long that took.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::extract::State;
use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::Barrier,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use super::done;
use crate::{
    backoff::Backoff,
    demo::storefront::{
        Shop,
        answer::{Answer, Failure},
        asked::Said,
    },
    protocol::SUBPROTOCOL,
};

const MOST_CLIENTS: usize = 200;
/// Rooms of each client: as many cards as a page of a shop shows.
const ROOMS: usize = 24;
/// Bound on getting there, and once more on coming back.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bound on one attempt.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Ceilings of the wait before an attempt, as the protocol advises.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What is asked for, and what is under way.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Storm {
    clients: usize,
}

/// Answers when all clients are back.
pub(super) async fn run(State(shop): State<Shop>, Said(storm): Said<Storm>) -> Answer {
    if !(1..=MOST_CLIENTS).contains(&storm.clients) {
        let text = format!("clients has to be from 1 to {MOST_CLIENTS}");
        return Err(Failure::bad(text));
    }
    let place = shop.chaos.storm.take(storm)?;
    let mut addr = shop.chaos.daemon.addr();
    if addr.ip().is_unspecified() {
        addr.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let all_there = Arc::new(Barrier::new(storm.clients));
    // Dropped with this request: nobody comes back for somebody who has left.
    let mut clients = JoinSet::new();
    for number in 0..storm.clients {
        clients.spawn(client(addr, number, all_there.clone()));
    }
    let weathered = timeout(2 * PATIENCE, clients.join_all()).await;
    drop(place);
    let mut back: Vec<u64> = weathered
        .unwrap_or_default()
        .into_iter()
        .flatten()
        .collect();
    if back.len() < storm.clients {
        let text = format!(
            "only {} of {} clients came back: is the daemon up?",
            back.len(),
            storm.clients
        );
        return Err(Failure::away(text));
    }
    back.sort_unstable();
    let part = |percent: usize| back[(back.len() * percent).div_ceil(100).max(1) - 1];
    Ok(done(&json!({
        "clients": storm.clients,
        "back_ms": { "p50": part(50), "p99": part(99), "max": part(100) },
    })))
}

/// How many milliseconds a client was away.
async fn client(addr: SocketAddr, number: usize, all_there: Arc<Barrier>) -> Option<u64> {
    let rooms: Vec<String> = (0..ROOMS)
        .map(|place| format!("product:{}", number + place + 1))
        .chain(["buyers".into()])
        .collect();
    let mut since = None;
    let socket = timeout(PATIENCE, join(addr, &rooms, &mut since)).await.ok();
    timeout(PATIENCE, all_there.wait()).await.ok()?;
    let dropped = Instant::now();
    // No closing handshake: the network is gone.
    drop(socket?);
    timeout(PATIENCE, join(addr, &rooms, &mut since))
        .await
        .ok()?;
    u64::try_from(dropped.elapsed().as_millis()).ok()
}

/// Tries until it is in its rooms; whoever has been there before waits first.
async fn join(addr: SocketAddr, rooms: &[String], since: &mut Option<String>) -> Socket {
    let mut backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
    if since.is_some() {
        sleep(backoff.next(fastrand::f64())).await;
    }
    loop {
        if let Ok(Some((socket, cursor))) = timeout(ATTEMPT, attempt(addr, rooms, since)).await {
            *since = Some(cursor);
            return socket;
        }
        sleep(backoff.next(fastrand::f64())).await;
    }
}

/// A socket in its rooms, and its position.
async fn attempt(
    addr: SocketAddr,
    rooms: &[String],
    since: &Option<String>,
) -> Option<(Socket, String)> {
    let mut request = format!("ws://{addr}/ws").into_client_request().ok()?;
    let protocol = HeaderValue::from_static(SUBPROTOCOL);
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = connect_async(request).await.ok()?;
    let mut subscribe = json!({ "type": "subscribe", "id": 1, "rooms": rooms });
    if let Some(since) = since {
        subscribe["since"] = json!(since);
    }
    socket
        .send(Message::text(subscribe.to_string()))
        .await
        .ok()?;
    loop {
        let Message::Text(text) = socket.next().await?.ok()? else {
            continue;
        };
        let message: Value = serde_json::from_str(&text).ok()?;
        match message["type"].as_str()? {
            "subscribed" => return Some((socket, message["cursor"].as_str()?.to_owned())),
            "goodbye" | "error" => return None,
            _ => {}
        }
    }
}
