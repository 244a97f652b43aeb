//! Each way in which the database can go away while it is there to come back.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{
    client::Client,
    daemon::Daemon,
    journal::Journal,
    proxy::{Fault, Proxy},
    server::{Server, change, signal, url_at},
    soon,
};

/// Told that the database is gone and back, and of everything else in between.
async fn told_of_an_outage(client: &mut Client) {
    assert!(client.next_of("stale").await["since"].is_string());
    assert!(client.next_of("fresh").await["cursor"].is_string());
}

/// Ends all of the daemon's sessions.
const CUT: &str =
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgbell'";

/// The sessions of the daemon, told apart by what they did last.
const SESSIONS: &str = "select pid, case when query = 'listen pgbell' then 'listener'
                                         when query like '%pg_current_snapshot%' then 'log'
                                         else 'upkeep' end as does
                          from pg_stat_activity where application_name = 'pgbell'";

#[tokio::test]
async fn each_connection_may_be_ended_alone_and_clients_learn_what_was_written_meanwhile() {
    let server = Server::start().await;
    let journal = Journal::start();
    let daemon = Daemon::with(&server.database().await, |config| {
        // Upkeep notices its end when it has something to do.
        config.log.rotate_interval = Duration::from_millis(50);
    })
    .await;
    let database = server.database().await;
    let mut client = daemon.client_in(&["room"]).await;
    for (who, reason) in [
        ("listener", "listener_ended"),
        ("log", "connection_ended"),
        ("upkeep", "connection_ended"),
    ] {
        let ended = async {
            let end = format!(
                "select count(pg_terminate_backend(pid)) from ({SESSIONS}) as session where does = '{who}'"
            );
            while database.value(&end).await != "1" {}
        };
        let before = daemon.losses(reason).await;
        soon(who, ended).await;
        database.run(&change("room")).await;
        told_of_an_outage(&mut client).await;
        let told = client.messages(&database).await;
        assert_eq!(told.len(), 1, "{who}: {told:?}");
        assert_eq!(daemon.losses(reason).await, before + 1.0, "{who}");
        daemon.ready().await;
    }
    let lines = journal.lines("database is not available");
    assert_eq!(lines.len(), 3, "one each: {lines:?}");
    for line in &lines {
        assert!(
            line.contains("terminating connection due to administrator command"),
            "{line}"
        );
    }
    assert!(
        lines[0].contains("the listening connection ended"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_restart_and_the_death_of_the_postmaster_lose_nothing() {
    let mut server = Server::start().await;
    let daemon = Daemon::unready(&server.url, |_| {});
    daemon.ready().await;
    let mut client = daemon.client_in(&["room"]).await;
    let journal = Journal::start();
    for killed in [false, true] {
        let database = server.database().await;
        // Committed when nobody reads any more.
        let unread = format!("begin; {}; {CUT}; commit", change("room"));
        database.run(&unread).await;
        drop(database);
        if killed {
            server.kill().await;
        } else {
            server.postgres.halt().await.expect("halted");
        }
        assert!(client.next_of("stale").await["since"].is_string());
        daemon.complains("Connection refused").await;
        let health = daemon.health().await;
        assert_eq!(health["status"], "degraded");
        let problem = health["database"]["problem"].as_str().expect("a problem");
        assert!(
            problem.starts_with("cannot connect to the database"),
            "{problem}"
        );
        // The first attempt is logged, and no other.
        let enough = daemon.losses("connect").await + 2.0;
        let attempts = async { while daemon.losses("connect").await < enough {} };
        soon("more attempts", attempts).await;
        assert_eq!(daemon.number("pgbell_database_up").await, 0.0);

        server.postgres.resume().await.expect("resumed");
        client.next_of("fresh").await;
        daemon.ready().await;
        let told = client.messages(&server.database().await).await;
        assert_eq!(told.len(), 1, "killed {killed}: {told:?}");
        assert_eq!(told[0]["type"], "invalidate");
    }
    let refused = journal.lines("Connection refused");
    assert_eq!(refused.len(), 2, "one line for each outage: {refused:?}");
}

#[tokio::test]
async fn a_server_that_takes_no_connections_now_is_told_from_one_that_is_not_there() {
    let mut server = Server::start().await;
    let daemon = Daemon::unready(&server.url, |_| {});
    daemon.ready().await;
    let mut client = daemon.client_in(&["room"]).await;
    let database = server.database().await;
    // A smart shutdown waits for sessions and lets no new one in.
    signal(&server.postgres.directory().join("data"), Signal::SIGTERM);
    database.run(CUT).await;
    client.next_of("stale").await;
    let why = daemon.complains("takes no connections").await;
    assert!(
        why.contains("the database system is shutting down"),
        "{why}"
    );
    assert_eq!(why.lines().count(), 1, "{why}");
    assert!(daemon.losses("starting_up").await >= 1.0);
    drop(database);
    server.postgres.halt().await.expect("halted");
    server.postgres.resume().await.expect("resumed");
    client.next_of("fresh").await;
}

#[tokio::test]
async fn a_server_without_a_free_connection_is_waited_for_and_named() {
    let server = Server::with(&[("max_connections", "8")]).await;
    let mut others = Vec::new();
    for _ in 0..6 {
        others.push(server.database().await);
    }
    let daemon = Daemon::unready(&server.url, |_| {});
    daemon.complains("no connection left for pgbell").await;
    assert!(daemon.losses("too_many_connections").await >= 1.0);
    drop(others);
    daemon.ready().await;
}

#[tokio::test]
async fn a_log_rotated_away_while_the_daemon_was_cut_off_is_a_resync() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.addr()).await;
    let daemon = Daemon::unready(&url_at(proxy.addr()), |_| {});
    daemon.ready().await;
    let mut client = daemon.client_in(&["room"]).await;
    proxy.set(Fault::Refuse);
    proxy.cut();
    client.next_of("stale").await;
    let database = server.database().await;
    database.run(&change("room")).await;
    database.run("truncate pgbell.change; update pgbell.install set horizon = pg_snapshot_xmax(pg_current_snapshot())::text::xid8").await;
    proxy.heal();
    let resync = client.next_of("resync").await;
    assert_eq!(
        (&resync["rooms"], &resync["reason"]),
        (&json!("*"), &json!("truncated"))
    );
    let told = client.messages_of(&database, &change("room")).await;
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn a_refused_statement_of_upkeep_is_warned_of_and_disturbs_no_client() {
    let server = Server::start().await;
    let database = server.database().await;
    let journal = Journal::start();
    let daemon = Daemon::with(&database, |config| {
        config.log.rotate_interval = Duration::from_millis(20);
    })
    .await;
    let mut client = daemon.client_in(&["room"]).await;
    let break_it =
        "alter function pgbell.rotate(interval, bigint, interval) rename to rotate_elsewhere";
    database.run(break_it).await;
    let warned = async {
        while !daemon
            .get("/readyz")
            .await
            .1
            .contains("warning: rotation: cannot rotate the log")
        {}
    };
    soon("a warning", warned).await;
    assert_eq!(daemon.get("/readyz").await.0, 200);
    let refused = "pgbell_log_rotations_total{reason=\"refused\"}";
    let often = async { while daemon.number(refused).await < 5.0 {} };
    soon("more attempts", often).await;
    let told = client.messages_of(&database, &change("room")).await;
    assert_eq!(told.len(), 1, "{told:?}");
    let health = daemon.health().await;
    assert!(
        health["database"]["warnings"]["rotation"].is_string(),
        "{health}"
    );

    database
        .run("alter function pgbell.rotate_elsewhere(interval, bigint, interval) rename to rotate")
        .await;
    let well = async { while daemon.get("/readyz").await.1 != "ok\n" {} };
    soon("the warning to be taken back", well).await;
    let lines = journal.lines("the database wants attention");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(daemon.losses("query").await, 0.0);
}
