//! A database that is there and says nothing.

use std::{collections::BTreeSet, time::Duration};

use pgbell::{capture::Transport, config::Config};

use crate::support::{
    daemon::Daemon,
    proxy::{Fault, Proxy, Way},
    server::{Server, change, url_at},
    soon,
};

/// Little patience, so that a test of it does not take long.
fn hasty(config: &mut Config) {
    config.database.connect_timeout = Duration::from_millis(500);
    config.database.statement_timeout = Duration::from_millis(200);
    config.database.heartbeat = Duration::from_millis(500);
}

#[tokio::test]
async fn a_server_that_falls_silent_at_any_step_is_given_up_and_tried_again() {
    // Daemons at different steps side by side; the server does not miss those that were given up.
    let server = Server::with(&[("max_connections", "400")]).await;
    let mut attempts = Vec::new();
    for (step, way) in (0..24).flat_map(|step| [(step, Way::ToServer), (step, Way::ToClient)]) {
        let proxy = Proxy::start(server.addr()).await;
        proxy.set_one_way(way, Fault::StallAfter(step * 80));
        let daemon = Daemon::unready(&url_at(proxy.addr()), hasty);
        attempts.push((proxy, daemon));
    }
    let mut problems = BTreeSet::new();
    for (proxy, daemon) in &attempts {
        let problem = async {
            loop {
                if let Some(problem) = daemon.health().await["database"]["problem"].as_str() {
                    return problem.to_owned();
                }
            }
        };
        problems.insert(soon("a problem", problem).await);
        proxy.heal();
    }
    for (_, daemon) in &attempts {
        daemon.ready().await;
    }
    let problems = problems.into_iter().collect::<Vec<_>>().join("\n");
    for step in [
        "the database did not answer within",
        "cannot look at the database: no answer within",
    ] {
        assert!(
            problems.contains(step),
            "nothing like {step:?} in\n{problems}"
        );
    }
    println!("{problems}");
}

#[tokio::test]
async fn a_link_that_is_half_open_is_found_by_the_heartbeat() {
    found_silent(Transport::Doorbell, "heartbeat_lost").await;
}

#[tokio::test]
async fn without_notify_a_link_that_is_half_open_is_found_by_our_own_bound_on_statements() {
    found_silent(Transport::Poll, "no_answer").await;
}

async fn found_silent(transport: Transport, reason: &str) {
    let server = Server::start().await;
    let proxy = Proxy::start(server.addr()).await;
    let daemon = Daemon::unready(&url_at(proxy.addr()), |config| {
        hasty(config);
        config.database.transport = transport;
    });
    daemon.ready().await;
    let mut client = daemon.client_in(&["room"]).await;
    proxy.set(Fault::Stall);
    client.next_of("stale").await;
    let lost = daemon.losses(reason).await;
    assert!(lost >= 1.0, "{}", daemon.get("/metrics").await.1);
    daemon.complains("database: ").await;
    let database = server.database().await;
    database.run(&change("room")).await;
    proxy.heal();
    client.next_of("fresh").await;
    daemon.ready().await;
    let told = client.messages(&database).await;
    assert_eq!(told.len(), 1, "{told:?}");
}
