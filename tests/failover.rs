//! Several servers, of which one can be written to, and not always the same.

use std::time::Duration;

use serde_json::json;

use crate::support::{
    client::Client,
    daemon::Daemon,
    database::Database,
    proxy::{Fault, Proxy},
    server::{Server, change, url_at},
    soon,
    standby::Standby,
};

#[tokio::test]
async fn the_host_that_can_be_written_to_is_found_wherever_it_stands() {
    let mut server = Server::start().await;
    let addr = server.addr();
    let standby = Standby::of(&mut server, addr, "hot_standby=on").await;
    let (primary, standby_addr) = (server.addr(), standby.addr);
    // Accepts and never answers, as a dead host behind a firewall does not even accept.
    let silent = Proxy::start(primary).await;
    silent.set(Fault::Stall);
    let nobody = "127.0.0.1:1";
    let (silent, port) = (silent.addr(), |addr: std::net::SocketAddr| addr.port());
    for url in [
        url_at(format!("{primary},{standby_addr}")),
        url_at(format!("{standby_addr},{primary}")) + "?target_session_attrs=read-write",
        url_at(format!("{nobody},{primary}")),
        url_at(format!("{silent},{nobody},{standby_addr},{primary}")),
        format!(
            "postgres:///shop?host=127.0.0.1,127.0.0.1&port={},{}&user=postgres",
            port(standby_addr),
            port(primary)
        ),
        format!(
            "host=127.0.0.1,localhost port={},{} user=postgres dbname=shop",
            port(standby_addr),
            port(primary)
        ),
    ] {
        let daemon = Daemon::unready(&url, |config| {
            config.database.connect_timeout = Duration::from_secs(2);
        });
        daemon.ready().await;
        let reasons = daemon.get("/metrics").await.1;
        assert!(
            !reasons.contains("database_losses_total{"),
            "{url} at the first attempt: {reasons}"
        );
    }
}

#[tokio::test]
async fn a_standby_is_refused_in_clear_words_until_it_is_promoted() {
    let mut server = Server::start().await;
    let addr = server.addr();
    let standby = Standby::of(&mut server, addr, "hot_standby=on").await;
    let alone = Daemon::unready(&url_at(standby.addr), |_| {});
    let both = Daemon::unready(&url_at(format!("127.0.0.1:1,{}", standby.addr)), |_| {});
    for daemon in [&alone, &both] {
        let why = daemon.complains("the database is a standby").await;
        assert!(why.contains("connect to the primary"), "{why}");
        assert!(daemon.losses("standby").await >= 1.0);
    }
    let why = both
        .complains("no host of the database URL can be used")
        .await;
    assert!(
        why.contains("127.0.0.1:1: cannot connect to the database"),
        "{why}"
    );
    assert_eq!(why.lines().count(), 1, "{why}");
    standby.promote();
    alone.ready().await;
    both.ready().await;
}

#[tokio::test]
async fn a_standby_that_takes_no_queries_is_waited_for() {
    let mut server = Server::start().await;
    let addr = server.addr();
    let standby = Standby::of(&mut server, addr, "hot_standby=off").await;
    let daemon = Daemon::unready(&url_at(standby.addr), |_| {});
    daemon.complains("takes no connections yet").await;
    assert!(daemon.losses("starting_up").await >= 1.0);
    standby.promote();
    daemon.ready().await;
}

#[tokio::test]
async fn after_a_failover_with_a_lost_tail_clients_resync_and_go_on() {
    fail_over(true).await;
}

#[tokio::test]
async fn after_a_failover_without_a_lost_tail_clients_resync_and_go_on() {
    fail_over(false).await;
}

async fn fail_over(loses_tail: bool) {
    let mut server = Server::start().await;
    let replication = Proxy::start(server.addr()).await;
    let standby = Standby::of(&mut server, replication.addr(), "hot_standby=on").await;
    let url = url_at(format!("{},{}", server.addr(), standby.addr));
    let daemon = Daemon::unready(&url, |_| {});
    daemon.ready().await;
    let mut client = daemon.client_in(&["room"]).await;

    let primary = server.database().await;
    tell(&mut client, &primary).await;
    let replica = Database::at(&url_at(standby.addr)).await;
    replays(&replica, &primary).await;
    if loses_tail {
        replication.set(Fault::Stall);
    }
    // On the clients' screens, whatever becomes of it.
    tell(&mut client, &primary).await;
    if !loses_tail {
        replays(&replica, &primary).await;
    }
    server.postgres.crash().await.expect("crashed");
    client.next_of("stale").await;
    standby.promote();

    let resync = client.next_of("resync").await;
    assert_eq!(
        (&resync["rooms"], &resync["reason"]),
        (&json!("*"), &json!("epoch"))
    );
    client.next_of("fresh").await;
    daemon.ready().await;
    let promoted = Database::at(&url_at(standby.addr)).await;
    let kept = promoted.value("select count(*) from pgbell.change").await;
    assert_eq!(kept, if loses_tail { "1" } else { "2" });
    let told = client.messages_of(&promoted, &change("room")).await;
    assert_eq!(told.len(), 1, "{told:?}");
    drop(replica);
}

/// The second has never heard of the first, and gives its timeline the same number.
#[tokio::test]
async fn standbys_promoted_one_after_the_other_have_histories_of_their_own() {
    const TIMELINE: &str = "pgbell.current_timeline()";
    let mut server = Server::start().await;
    let primary = server.addr();
    let first = Standby::of(&mut server, primary, "hot_standby=on").await;
    let second = Standby::of(&mut server, primary, "hot_standby=on").await;
    let second_link = Proxy::start(second.addr).await;
    second_link.set(Fault::Refuse);
    let url = url_at(format!("{primary},{},{}", first.addr, second_link.addr()));
    let daemon = Daemon::unready(&url, |_| {});
    daemon.ready().await;
    let mut client = daemon.client_in(&["room"]).await;
    let database = server.database().await;
    tell(&mut client, &database).await;
    for standby in [&first, &second] {
        replays(&Database::at(&url_at(standby.addr)).await, &database).await;
    }

    server.postgres.crash().await.expect("crashed");
    first.promote();
    assert_eq!(client.next_of("resync").await["reason"], "epoch");
    client.next_of("fresh").await;
    let database = Database::at(&url_at(first.addr)).await;
    tell(&mut client, &database).await;
    let timeline = database.value(TIMELINE).await;

    drop(first);
    second.promote();
    let database = Database::at(&url_at(second.addr)).await;
    let is_promoted = async { while database.value("pg_is_in_recovery()").await == "true" {} };
    soon("the second to be promoted", is_promoted).await;
    assert_eq!(database.value(TIMELINE).await, timeline);
    // It has gone further than the first by then, so that transaction ids betray nothing.
    for _ in 0..100 {
        database.value("pg_current_xact_id()").await;
    }
    second_link.heal();
    assert_eq!(client.next_of("resync").await["reason"], "epoch");
}

#[tokio::test]
async fn a_position_of_a_standby_claims_no_transaction_that_goes_on() {
    let mut server = Server::start().await;
    let primary = server.addr();
    let standby = Standby::of(&mut server, primary, "hot_standby=on").await;
    let writer = server.database().await;
    writer.run(&format!("begin; {}", change("room"))).await;
    let xid: u64 = writer
        .value("pg_current_xact_id()")
        .await
        .parse()
        .expect("an id");
    let other = server.database().await;
    other.run(&change("room")).await;
    let replica = Database::at(&url_at(standby.addr)).await;
    replays(&replica, &other).await;
    let cursor = replica.value("pgbell.cursor()").await;
    let cursor: pgbell::cursor::Cursor = cursor.parse().expect("a cursor");
    assert!(!cursor.snapshot.saw(xid), "{cursor} and {xid}");
}

/// Writes a change, and sees it told.
async fn tell(client: &mut Client, database: &Database) {
    database.run(&change("room")).await;
    assert_eq!(client.next_of("invalidate").await["room"], "room");
}

/// Waits until the replica has replayed what the primary has written.
async fn replays(replica: &Database, primary: &Database) {
    let written = primary.value("pg_current_wal_flush_lsn()").await;
    let replayed = format!("pg_last_wal_replay_lsn() >= '{written}'");
    let caught_up = async { while replica.value(&replayed).await != "true" {} };
    soon("the standby to catch up", caught_up).await;
}
