//! The demo's storefront, from outside: its API over HTTP, and what its writes tell clients.

mod chaos;
mod checkout;
mod page;
mod reads;
mod tls;
mod writes;

use std::{collections::HashMap, net::SocketAddr};

use pgbell::{
    config::Config,
    demo::{Demo, Error, Traffic, storefront::Settings},
    secret::Secret,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Runtime,
    sync::oneshot,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::{client::Client, database::Database, soon};

/// A demo in a database of its own.
pub(super) struct Shop {
    addr: SocketAddr,
    daemon: SocketAddr,
    database: Database,
    stop: DropGuard,
    ended: oneshot::Receiver<Result<(), Error>>,
}

/// What the API said.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The JSON of an answer that has to be this one.
    #[track_caller]
    fn with(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }
}

impl Shop {
    /// Without traffic, so that only the test writes.
    async fn open() -> Self {
        Self::with(Settings::default(), 0.0).await
    }

    async fn with(storefront: Settings, rate: f64) -> Self {
        let database = Database::empty().await;
        let url = database.url.clone();
        Self::on(database, url, storefront, rate).await
    }

    /// A demo that reaches its database by this URL.
    async fn on(database: Database, url: String, mut storefront: Settings, rate: f64) -> Self {
        let mut config = Config::default();
        config.gateway.listen = ([127, 0, 0, 1], 0).into();
        config.database.url = Secret::new(url.clone());
        config.coalesce.window = std::time::Duration::ZERO;
        config.coalesce.rooms.clear();
        storefront.listen = Some(([127, 0, 0, 1], 0).into());
        let demo = Demo {
            config,
            database_url: Some(url),
            traffic: Traffic { rate, seed: 1 },
            storefront,
        };
        let (tell, told) = oneshot::channel();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let (end, ended) = oneshot::channel();
        // A runtime of its own, as in the program: what a demo does is not for moving between threads.
        std::thread::spawn(move || {
            let running = demo.run(stopped, |welcome| {
                let _ = tell.send(welcome.to_owned());
                Ok(())
            });
            let runtime = Runtime::new().expect("a runtime");
            let _ = end.send(runtime.block_on(running));
        });
        let welcome = soon("a shop", told).await.expect("a welcome");
        let address = |name: &str| {
            let line = welcome
                .lines()
                .find_map(|line| line.trim().strip_prefix(name));
            let url = line.expect("a line").trim();
            let addr = url.trim_start_matches("http://").trim_end_matches('/');
            addr.parse().expect("an address")
        };
        Self {
            addr: address("shop"),
            daemon: address("page"),
            database,
            stop: stop.drop_guard(),
            ended,
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, &[], &body.to_string()).await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.ask("PATCH", path, &[], &body.to_string()).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, &[], "").await
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let what = format!("{method} {path}");
        soon(&what, ask(self.addr, method, path, headers, body)).await
    }

    /// A client in these rooms.
    async fn client_in(&self, rooms: &[&str]) -> Client {
        let mut client = Client::connect(self.daemon).await;
        client.subscribe(rooms).await;
        client
    }

    /// Stops in an orderly way.
    async fn close(self) {
        drop(self.stop);
        let ended = soon("the demo to stop", self.ended).await;
        ended.expect("no panic").expect("an orderly end");
    }
}

async fn ask(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut stream = TcpStream::connect(addr).await.expect("a connection");
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut response = String::new();
    // Who is refused for the size of what he says may be cut off while he speaks.
    let _ = stream.read_to_string(&mut response).await;
    let (head, body) = response.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let headers = lines.filter_map(|line| line.split_once(": "));
    Answer {
        status: status.and_then(|code| code.parse().ok()).expect("a status"),
        headers: headers
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        body: body.to_owned(),
    }
}
