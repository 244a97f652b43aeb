//! The daemon, in this process but behind its real port.

use std::{net::SocketAddr, time::Duration};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use pgbell::{
    app::{App, Drained},
    config::Config,
    secret::Secret,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

use super::{client::Client, database::Database, soon};

pub(crate) struct Daemon {
    pub(crate) addr: SocketAddr,
    /// Where the operator's paths are, if that is elsewhere.
    pub(crate) operator: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<Drained, pgbell::app::Error>>,
}

impl Daemon {
    /// A daemon without a window, so that every read of the log is told at once.
    pub(crate) async fn start(database: &Database) -> Self {
        Self::with(database, |_| {}).await
    }

    /// Waits until the daemon is ready.
    pub(crate) async fn with(database: &Database, set: impl FnOnce(&mut Config)) -> Self {
        let daemon = Self::unready(&database.url, set);
        daemon.ready().await;
        daemon
    }

    pub(crate) fn unready(url: &str, set: impl FnOnce(&mut Config)) -> Self {
        raise_open_files();
        let mut config = Config::default();
        config.database.url = Secret::new(url);
        config.gateway.listen = ([127, 0, 0, 1], 0).into();
        config.coalesce.window = Duration::ZERO;
        config.coalesce.rooms.clear();
        config.access.open = true;
        set(&mut config);
        let app = App::bind(config).expect("a free port");
        let (addr, operator) = (app.local_addr(), app.operator_addr());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(app.run(async {
            let _ = stopped.await;
        }));
        Self {
            addr,
            operator,
            stop: Some(stop),
            task,
        }
    }

    pub(crate) async fn ready(&self) {
        let ready = async { while self.get("/readyz").await.0 != 200 {} };
        soon("a ready daemon", ready).await;
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.addr).await
    }

    /// A client in these rooms.
    pub(crate) async fn client_in(&self, rooms: &[&str]) -> Client {
        let mut client = self.client().await;
        client.subscribe(rooms).await;
        client
    }

    /// Status and body of a page.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        get(self.addr, path).await
    }

    /// The whole answer to a request for `path` with these header lines.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &str) -> String {
        soon(path, answer(self.addr, method, path, headers)).await
    }

    /// Waits until `/readyz` says no and says why in these words; returns all that it says.
    pub(crate) async fn complains(&self, words: &str) -> String {
        let said = async {
            loop {
                match self.get("/readyz").await {
                    (503, why) if why.contains(words) => return why,
                    _ => tokio::task::yield_now().await,
                }
            }
        };
        soon(words, said).await
    }

    /// Waits until `/metrics` has these words.
    pub(crate) async fn counted(&self, metric: &str) {
        let counted = async { while !self.get("/metrics").await.1.contains(metric) {} };
        soon(metric, counted).await;
    }

    /// The value of a metric with its labels; zero if it has never counted.
    pub(crate) async fn number(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics").await;
        let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        let mut values = lines.filter(|(found, _)| *found == name);
        let value = values.next().map_or("0", |(_, value)| value);
        value.parse().expect("a number")
    }

    /// How often the database was lost for this reason.
    pub(crate) async fn losses(&self, reason: &str) -> f64 {
        let name = format!("pgbell_database_losses_total{{reason=\"{reason}\"}}");
        self.number(&name).await
    }

    /// The value of an unlabelled metric.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let (_, text) = self.get("/metrics").await;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value
            .and_then(|value| value.parse().ok())
            .expect("a metric")
    }

    pub(crate) async fn health(&self) -> serde_json::Value {
        let (status, body) = self.get("/health").await;
        assert_eq!(status, 200);
        serde_json::from_str(&body).expect("JSON")
    }

    /// Stops in an orderly way.
    pub(crate) async fn stop(mut self) -> Result<Drained, pgbell::app::Error> {
        drop(self.stop.take());
        soon("the daemon to stop", &mut self.task)
            .await
            .expect("no panic")
    }
}

/// Status and body of a page of whichever daemon is there.
pub(crate) async fn get(addr: SocketAddr, path: &str) -> (u16, String) {
    soon(path, page(addr, path)).await
}

/// The whole answer of whichever daemon is there to a request with these header lines.
pub(crate) async fn answer_of(addr: SocketAddr, method: &str, path: &str, headers: &str) -> String {
    soon(path, answer(addr, method, path, headers)).await
}

/// Head and body of what is answered on a connection of its own.
async fn answer(addr: SocketAddr, method: &str, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.expect("a connection");
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: pgbell\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut response = String::new();
    stream
        .read_to_string(&mut response)
        .await
        .expect("a response");
    response
}

async fn page(addr: SocketAddr, path: &str) -> (u16, String) {
    let response = answer(addr, "GET", path, "").await;
    let (head, body) = response.split_once("\r\n\r\n").expect("a head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .expect("a status");
    (status, body.to_owned())
}

/// Daemons and clients of all tests are in this one process, and many systems give it 1024 files.
pub(crate) fn raise_open_files() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("raised");
}
