//! A client of the protocol that notes everything it is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite};
use tungstenite::{Message, client::IntoClientRequest, http::HeaderValue};

use super::{database::Database, soon};

pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) welcome: Value,
    /// The newest position it was told.
    pub(crate) cursor: String,
    /// What was told about rooms while something else was waited for.
    passed_over: Vec<Value>,
}

/// Room to the events it was told.
pub(crate) type Told = BTreeMap<String, BTreeSet<String>>;

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let mut client = Self::open(addr, Some("pgbell.v1")).await;
        client.welcome = client.next().await;
        assert_eq!(client.welcome["type"], "welcome");
        client
    }

    /// Connects without waiting for a welcome.
    pub(crate) async fn open(addr: SocketAddr, protocol: Option<&'static str>) -> Self {
        let protocol = protocol.map(|protocol| ("sec-websocket-protocol", protocol.to_owned()));
        Self::open_with(addr, protocol.as_slice()).await
    }

    /// The same with these headers.
    pub(crate) async fn open_with(addr: SocketAddr, headers: &[(&'static str, String)]) -> Self {
        let mut request = format!("ws://{addr}/ws")
            .into_client_request()
            .expect("a URL");
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).expect("a header");
            request.headers_mut().insert(*name, value);
        }
        let connected = soon("a WebSocket", tokio_tungstenite::connect_async(request)).await;
        Self {
            socket: connected.expect("a WebSocket").0,
            welcome: Value::Null,
            cursor: String::new(),
            passed_over: Vec::new(),
        }
    }

    /// Connects over a given connection, with these header lines, and waits for nothing.
    pub(crate) async fn on(stream: TcpStream, headers: &[(&'static str, &str)]) -> Self {
        let mut request = "ws://pgbell/ws".into_client_request().expect("a URL");
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            request.headers_mut().append(*name, value);
        }
        let stream = MaybeTlsStream::Plain(stream);
        let connected = tokio_tungstenite::client_async(request, stream);
        Self {
            socket: soon("a WebSocket", connected).await.expect("a WebSocket").0,
            welcome: Value::Null,
            cursor: String::new(),
            passed_over: Vec::new(),
        }
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.say_raw(Message::text(message.to_string())).await;
    }

    /// Says something that a connection which has just ended does not carry any more.
    pub(crate) async fn try_say(&mut self, message: Value) {
        let _ = self.socket.send(Message::text(message.to_string())).await;
    }

    pub(crate) async fn say_raw(&mut self, message: Message) {
        self.socket.send(message).await.expect("sent");
    }

    /// The next message, or the close frame as `{"closed": code}`.
    pub(crate) async fn next(&mut self) -> Value {
        let next = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let message: Value = serde_json::from_str(&text).expect("JSON");
                        if let Some(cursor) = message["cursor"].as_str() {
                            cursor.clone_into(&mut self.cursor);
                        }
                        return message;
                    }
                    Some(Ok(Message::Close(Some(frame)))) => {
                        return json!({"closed": u16::from(frame.code), "reason": frame.reason.as_str()});
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => return json!({"ended": format!("{other:?}")}),
                }
            }
        };
        soon("a message", next).await
    }

    /// The next message of this type; heartbeats and others are passed over.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Value {
        let next = async {
            loop {
                let message = self.next().await;
                let over = message.get("ended").or(message.get("closed")).is_some();
                assert!(!over, "wanted {kind}, but {message}");
                if message["type"] == kind {
                    return message;
                }
                if message["type"] == "invalidate" || message["type"] == "resync" {
                    self.passed_over.push(message);
                }
            }
        };
        soon(kind, next).await
    }

    pub(crate) async fn subscribe(&mut self, rooms: &[&str]) -> Value {
        self.say(json!({"type": "subscribe", "id": 1, "rooms": rooms}))
            .await;
        self.next_of("subscribed").await
    }

    /// Subscribes as somebody who was here before.
    pub(crate) async fn resume(&mut self, rooms: &[&str], since: &str) -> Value {
        self.say(json!({"type": "subscribe", "id": 1, "rooms": rooms, "since": since}))
            .await;
        self.next_of("subscribed").await
    }

    /// Everything about rooms that `sql` makes the daemon tell.
    pub(crate) async fn messages_of(&mut self, database: &Database, sql: &str) -> Vec<Value> {
        database.run(sql).await;
        self.messages(database).await
    }

    /// Everything about rooms that is told until now. Two marks are committed for that: what is read
    /// together with the first may be told behind it, but is told before the second.
    pub(crate) async fn messages(&mut self, database: &Database) -> Vec<Value> {
        let mark = format!("mark:{}", fastrand::u32(..));
        self.subscribe(&[&mark]).await;
        let mut messages = std::mem::take(&mut self.passed_over);
        for number in ["first", "second"] {
            let marked = self.messages_before(&mark, number, database);
            messages.extend(soon("a mark", marked).await);
        }
        self.say(json!({"type": "unsubscribe", "id": 0, "rooms": [mark]}))
            .await;
        self.next_of("unsubscribed").await;
        messages.append(&mut self.passed_over);
        messages.retain(|message| message["room"] != mark);
        messages
    }

    /// What is told until a change of `id` is told to `room`, which is written here, and once more for
    /// each resync that may have been told in its place.
    async fn messages_before(&mut self, room: &str, id: &str, database: &Database) -> Vec<Value> {
        let insert = "insert into pgbell.change (entity, id, op, events, rooms) values";
        let insert = format!("{insert} ('mark', '{id}', 'update', '{{a:mark}}', '{{{room}}}')");
        let mut messages = Vec::new();
        database.run(&insert).await;
        loop {
            let message = self.next().await;
            let over = message.get("ended").or(message.get("closed")).is_some();
            assert!(!over, "{message}");
            match message["type"].as_str() {
                Some("invalidate") if message["room"] == room => {
                    let changes = changes_in(std::slice::from_ref(&message), room);
                    if changes.iter().any(|change| change["id"] == id) {
                        return messages;
                    }
                }
                Some("invalidate") => messages.push(message),
                Some("resync") => {
                    messages.push(message);
                    database.run(&insert).await;
                }
                _ => {}
            }
        }
    }

    /// Everything that is told about other rooms until `room` is told something. None of it may be a resync.
    pub(crate) async fn messages_until(&mut self, room: &str) -> Vec<Value> {
        let mut messages = Vec::new();
        loop {
            let message = self.next().await;
            match message["room"].as_str() {
                Some(named) if named == room => return messages,
                Some(_) => messages.push(message),
                None => assert!(
                    message["type"].is_string() && message["type"] != "resync",
                    "{message}"
                ),
            }
        }
    }

    /// Which rooms are told which events by `sql`.
    pub(crate) async fn told_of(&mut self, database: &Database, sql: &str) -> Told {
        told(&self.messages_of(database, sql).await)
    }
}

pub(crate) fn told(messages: &[Value]) -> Told {
    let mut told = Told::new();
    for message in messages {
        if message["type"] == "resync" {
            let rooms = message["rooms"]
                .as_array()
                .cloned()
                .unwrap_or_else(|| vec![message["rooms"].clone()]);
            for room in rooms {
                told.entry(text(&room)).or_default().insert("resync".into());
            }
            continue;
        }
        let events = told.entry(text(&message["room"])).or_default();
        for change in message["changes"].as_array().expect("changes") {
            events.extend(
                change["events"]
                    .as_array()
                    .expect("events")
                    .iter()
                    .map(text),
            );
        }
    }
    told
}

/// The changes of one room, in the order they were told.
pub(crate) fn changes_in(messages: &[Value], room: &str) -> Vec<Value> {
    let of_room = messages.iter().filter(|message| message["room"] == room);
    of_room
        .flat_map(|message| message["changes"].as_array().expect("changes").clone())
        .collect()
}

/// The ids of the entities that one room was told of.
pub(crate) fn ids_in(messages: &[Value], room: &str) -> BTreeSet<String> {
    changes_in(messages, room)
        .iter()
        .map(|change| text(&change["id"]))
        .collect()
}

/// `room: event event` per line.
pub(crate) fn expect(lines: &str) -> Told {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (room, events) = line.split_once(" <- ").expect("room <- events");
            (
                room.trim().to_owned(),
                events.split_whitespace().map(str::to_owned).collect(),
            )
        })
        .collect()
}

/// A JSON text without its quotes.
pub(crate) fn text_of(value: &Value) -> String {
    text(value)
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
