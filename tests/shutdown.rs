//! How a daemon goes, and how another takes its place.

use std::{
    collections::HashSet,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{
    client::Client,
    daemon::{Daemon, get},
    database::{Database, SELL_ONE},
    program::Program,
    soon,
};

/// Reads until the connection is closed; returns what it was told last.
async fn farewell(client: &mut Client) -> Value {
    let goodbye = client.next_of("goodbye").await;
    assert_eq!(client.next().await["closed"], 4201);
    goodbye
}

#[tokio::test]
async fn clients_leave_one_by_one_and_are_told_of_changes_until_their_turn() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.gateway.drain = Duration::from_secs(60);
    })
    .await;
    // A hundred per second are sent away: the last has some seconds yet.
    let mut clients = Vec::new();
    for _ in 0..500 {
        clients.push(daemon.client().await);
    }
    let mut last = daemon.client_in(&["product:1"]).await;
    let (addr, stopping) = (daemon.addr, tokio::spawn(daemon.stop()));
    let mut goodbyes = vec![farewell(&mut clients[0]).await];

    assert_eq!(get(addr, "/readyz").await, (503, "draining\n".into()));
    assert_eq!(get(addr, "/livez").await.0, 200);
    let mut newcomer = Client::open(addr, Some("pgbell.v1")).await;
    farewell(&mut newcomer).await;
    database.run(SELL_ONE).await;
    assert_eq!(last.next_of("invalidate").await["room"], "product:1");

    for client in &mut clients[1..] {
        goodbyes.push(farewell(client).await);
    }
    goodbyes.push(farewell(&mut last).await);
    let retries: HashSet<u64> = goodbyes
        .iter()
        .map(|goodbye| goodbye["retry_after_ms"].as_u64().expect("a time"))
        .collect();
    assert_eq!(
        retries.len(),
        goodbyes.len(),
        "each comes back at another time"
    );
    drop((clients, newcomer, last));
    let drained = stopping.await.unwrap().expect("everybody left in time");
    assert_eq!((drained.told, drained.left), (501, 0));
}

#[tokio::test]
async fn a_client_that_does_not_answer_the_close_is_cut_off() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.gateway.drain = Duration::from_secs(1);
    })
    .await;
    let deaf = daemon.client().await;
    let error = daemon.stop().await.expect_err("somebody did not leave");
    assert_eq!(
        error.to_string(),
        "1 connections were cut off after the time to drain; 1 were told, 0 left by themselves"
    );
    drop(deaf);
}

#[tokio::test]
async fn the_exit_code_and_the_last_line_say_how_it_ended() {
    let database = Database::with_shop().await;
    let program = Program::with(&database, &[]).await;
    program.signal(Signal::SIGTERM);
    let (code, line) = program.end().await;
    assert_eq!(code, Some(0));
    assert!(line.ends_with("stopped in order told=0 left=0"), "{line}");

    let program = Program::with(&database, &[]).await;
    let mut client = Client::connect(program.addr).await;
    program.signal(Signal::SIGTERM);
    farewell(&mut client).await;
    drop(client);
    let (code, line) = program.end().await;
    assert_eq!(code, Some(0));
    assert!(line.ends_with("stopped in order told=1 left=0"), "{line}");

    let program = Program::with(&database, &[("PGBELL_GATEWAY__DRAIN", "1s")]).await;
    let deaf = Client::connect(program.addr).await;
    program.signal(Signal::SIGTERM);
    let (code, line) = program.end().await;
    assert_eq!(code, Some(1));
    assert!(line.contains("1 connections were cut off"), "{line}");
    drop(deaf);
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let database = Database::with_shop().await;
    let mut program = Program::with(&database, &[("PGBELL_GATEWAY__DRAIN", "10m")]).await;
    let deaf = Client::connect(program.addr).await;
    program.signal(Signal::SIGTERM);
    program.says("draining").await;
    program.signal(Signal::SIGTERM);
    let (code, line) = program.end().await;
    assert_eq!(code, Some(1));
    assert!(line.contains("stopped at once"), "{line}");
    drop(deaf);
}

/// Opens connections as fast as it can; a refused or reset one is a panic.
struct Callers {
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    answered: Arc<AtomicUsize>,
}

impl Callers {
    fn start(addr: SocketAddr) -> Self {
        let (stop, answered) = (CancellationToken::new(), Arc::<AtomicUsize>::default());
        let tasks = (0..4).map(|number| {
            let (stop, answered) = (stop.clone(), answered.clone());
            tokio::spawn(async move {
                while !stop.is_cancelled() {
                    if number % 2 == 0 {
                        assert_eq!(get(addr, "/livez").await, (200, "ok\n".into()));
                    } else {
                        open(addr).await;
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let tasks = tasks.collect();
        Self {
            stop,
            tasks,
            answered,
        }
    }

    /// Until so many more have been answered.
    async fn answered(&self, more: usize) {
        let before = self.answered.load(Ordering::Relaxed);
        let answered = async {
            while self.answered.load(Ordering::Relaxed) < before + more {
                assert!(
                    !self.tasks.iter().any(|task| task.is_finished()),
                    "somebody was refused"
                );
                tokio::task::yield_now().await;
            }
        };
        soon("answers", answered).await;
    }

    async fn end(self) {
        self.stop.cancel();
        for task in self.tasks {
            soon("the last answer", task)
                .await
                .expect("nobody was refused");
        }
    }
}

/// A client is welcomed, or sent away in order.
async fn open(addr: SocketAddr) {
    let mut client = Client::open(addr, Some("pgbell.v1")).await;
    let first = client.next().await;
    if first["type"] != "welcome" {
        assert_eq!(first["type"], "goodbye", "{first}");
        assert_eq!(client.next().await["closed"], 4201);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connection_is_refused_while_daemons_take_turns_on_one_socket() {
    let database = Database::with_shop().await;
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = socket.local_addr().expect("an address");
    let mut old = Program::on(&database, &socket, &[]).await;
    assert_eq!(old.addr, addr);
    let callers = Callers::start(addr);
    callers.answered(20).await;
    for _ in 0..3 {
        let mut new = Program::on(&database, &socket, &[]).await;
        new.says("database is live").await;
        old.signal(Signal::SIGTERM);
        let (code, line) = old.end().await;
        assert_eq!(code, Some(0), "{line}");
        callers.answered(20).await;
        old = new;
    }
    // Without an overlap, who comes meanwhile waits.
    old.signal(Signal::SIGTERM);
    assert_eq!(old.end().await.0, Some(0));
    let last = Program::on(&database, &socket, &[]).await;
    callers.answered(20).await;
    callers.end().await;
    last.signal(Signal::SIGTERM);
    assert_eq!(last.end().await.0, Some(0));
}

#[tokio::test]
async fn a_client_of_a_daemon_that_goes_resumes_on_the_next() {
    let database = Database::with_shop().await;
    let (old, new) = (
        Daemon::start(&database).await,
        Daemon::start(&database).await,
    );
    let mut client = old.client_in(&["product:1"]).await;
    database.run(SELL_ONE).await;
    let cursor = client.next_of("invalidate").await["cursor"].clone();
    let stopping = tokio::spawn(old.stop());
    farewell(&mut client).await;
    drop(client);
    database.run(SELL_ONE).await;
    let mut client = new.client().await;
    client
        .say(json!({"type": "subscribe", "id": 1, "rooms": ["product:1"], "since": cursor}))
        .await;
    let subscribed = client.next_of("subscribed").await;
    assert_eq!(subscribed["rooms"][0]["status"], "replayed");
    let missed = client.next_of("invalidate").await;
    assert_eq!(
        (&missed["room"], &missed["replayed"]),
        (&json!("product:1"), &json!(true))
    );
    stopping.await.unwrap().expect("everybody left in time");
}
