//! A client of server-sent events that shares no code with the daemon.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::soon;

pub(crate) struct Events {
    stream: BufReader<TcpStream>,
    pub(crate) head: String,
}

/// One event: its fields, and its data as JSON.
#[derive(Debug, Default)]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<u64>,
    pub(crate) data: Value,
}

impl Events {
    /// Asks for `query` with these header lines, and reads the head of the answer.
    pub(crate) async fn open(addr: SocketAddr, query: &str, headers: &str) -> Self {
        let stream = TcpStream::connect(addr).await.expect("a connection");
        Self::on(stream, query, headers).await
    }

    pub(crate) async fn on(mut stream: TcpStream, query: &str, headers: &str) -> Self {
        let request = format!("GET /events?{query} HTTP/1.1\r\nHost: pgbell\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut events = Self {
            stream: BufReader::new(stream),
            head: String::new(),
        };
        events.head = events.block("\r\n").await.expect("a head");
        events
    }

    /// Opens a stream and waits until its rooms are joined.
    pub(crate) async fn subscribed(addr: SocketAddr, rooms: &str) -> (Self, Event) {
        let mut events = Self::open(addr, &format!("rooms={rooms}"), "").await;
        let subscribed = events.next_of("subscribed").await;
        (events, subscribed)
    }

    /// The next event with data; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block("\n").await?;
            let mut event = Event::default();
            for line in block.lines() {
                match line.split_once(": ").expect("a field") {
                    ("event", kind) => event.kind = kind.to_owned(),
                    ("id", id) => event.id = Some(id.to_owned()),
                    ("retry", time) => event.retry = Some(time.parse().expect("milliseconds")),
                    ("data", json) => event.data = serde_json::from_str(json).expect("JSON"),
                    other => panic!("{other:?} is no field"),
                }
            }
            if !event.data.is_null() {
                assert_eq!(event.data["type"], event.kind);
                return Some(event);
            }
        }
    }

    pub(crate) async fn next_of(&mut self, kind: &str) -> Event {
        loop {
            let event = self.next().await;
            let event = event.unwrap_or_else(|| panic!("wanted {kind}, but it ended"));
            if event.kind == kind {
                return event;
            }
        }
    }

    /// Lines up to an empty one.
    async fn block(&mut self, end: &str) -> Option<String> {
        let mut block = String::new();
        loop {
            let start = block.len();
            let read = self.stream.read_line(&mut block);
            if soon("a line", read).await.expect("no error") == 0 {
                return None;
            }
            if &block[start..] == end {
                block.truncate(start);
                return Some(block);
            }
        }
    }
}
