//! Floods: what runs out, and who pays for it.

use std::{net::TcpStream, process::Command};

use crate::support::{
    client::Client,
    daemon::{Daemon, get},
    database::{Database, SELL_ONE},
    program::Program,
};

const CUT_THE_DAEMON_OFF: &str = "select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid()";

#[tokio::test]
async fn a_flood_of_clients_leaves_files_for_the_database() {
    let database = Database::with_shop().await;
    let settings = [("PGBELL_GATEWAY__HEADER_TIMEOUT", "1s")];
    let mut program = Program::with_files(&database, 128, &settings).await;
    let warning = program.says("gateway.max_connections is lowered").await;
    assert!(warning.contains("effective=48"), "{warning}");
    let mut witness = Client::connect(program.addr).await;
    witness.subscribe(&["product:1"]).await;

    let mut crowd = Vec::new();
    loop {
        let mut client = Client::open(program.addr, Some("pgbell.v1")).await;
        if client.next().await["closed"] == 4004 {
            break;
        }
        crowd.push(client);
    }
    assert_eq!(
        crowd.len(),
        47,
        "with the witness, as many as were announced"
    );
    let silent: Vec<TcpStream> = (0..200)
        .map(|_| TcpStream::connect(program.addr).expect("the system's backlog takes it"))
        .collect();
    database.run(CUT_THE_DAEMON_OFF).await;
    witness.next_of("stale").await;
    witness.next_of("fresh").await;
    database.run(SELL_ONE).await;
    assert_eq!(witness.next_of("invalidate").await["room"], "product:1");

    drop((silent, crowd));
    let mut client = Client::open(program.addr, Some("pgbell.v1")).await;
    while client.next().await["type"] != "welcome" {
        client = Client::open(program.addr, Some("pgbell.v1")).await;
    }
    let (_, metrics) = get(program.addr, "/metrics").await;
    // For a place for HTTP, or for any, if the one who was refused had not left yet.
    let pauses = ["http_connections", "connections"];
    let paused = |reason| metrics.contains(&format!("accept_pauses_total{{reason=\"{reason}\"}}"));
    assert!(pauses.into_iter().any(paused), "{metrics}");
    assert!(
        !program
            .log()
            .iter()
            .any(|line| line.contains("cannot accept")),
        "{:?}",
        program.log()
    );
}

#[tokio::test]
async fn who_speaks_http_waits_for_a_place_and_gets_it() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.gateway.max_http_connections = 2;
        config.gateway.header_timeout = std::time::Duration::from_secs(1);
    })
    .await;
    let mut first = daemon.client().await;
    let silent: Vec<TcpStream> = (0..6)
        .map(|_| TcpStream::connect(daemon.addr).expect("a connection"))
        .collect();
    // Those before it have to go, one header timeout after the other.
    assert_eq!(daemon.get("/livez").await.0, 200);
    first.say(serde_json::json!({"type": "ping"})).await;
    first.next_of("pong").await;
    drop(silent);
}

/// Lets the daemon have no more files than it has, or as many as it may.
fn allow_files(program: &Program, files: &str) {
    let status = Command::new("prlimit")
        .args([
            &format!("--pid={}", program.id()),
            &format!("--nofile={files}:"),
        ])
        .status();
    assert!(status.expect("util-linux has prlimit").success());
}

#[tokio::test]
async fn when_files_run_out_connections_wait_and_are_served_afterwards() {
    let database = Database::with_shop().await;
    let mut program = Program::with(&database, &[]).await;
    let mut witness = Client::connect(program.addr).await;
    witness.subscribe(&["product:1"]).await;
    allow_files(&program, "1");
    let (early, addr) = (TcpStream::connect(program.addr), program.addr);
    let late = tokio::spawn(async move { get(addr, "/livez").await });
    let warning = program.says("cannot accept connections; they wait").await;
    assert!(warning.contains("Too many open files"), "{warning}");
    database.run(SELL_ONE).await;
    witness.next_of("invalidate").await;
    allow_files(&program, "200");
    assert_eq!(late.await.expect("no panic").0, 200);
    program.says("connections are accepted again").await;
    let warnings = program
        .log()
        .into_iter()
        .filter(|line| line.contains("cannot accept"));
    assert_eq!(warnings.count(), 1, "told once");
    drop(early);
}
