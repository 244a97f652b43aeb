//! The path from the database, when the database is not there.

use pgbell::demo::postgres::{Options, ThrowawayPostgres};
use serde_json::json;

use crate::support::{
    client::expect,
    daemon::Daemon,
    database::{Database, SELL_ONE},
    soon,
};

#[tokio::test]
async fn what_is_written_while_the_connections_are_cut_is_told_afterwards() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["product:1"]).await;
    let cut = "select pg_terminate_backend(pid) from pg_stat_activity
               where application_name = 'pgbell' and datname = current_database()";
    for _ in 0..5 {
        database
            .run(&format!("begin; {SELL_ONE}; {cut}; commit"))
            .await;
        assert_eq!(client.next_of("invalidate").await["changes"][0]["count"], 1);
    }
}

#[tokio::test]
async fn a_daemon_started_before_its_database_welcomes_clients_once_it_is_there() {
    let mut server = ThrowawayPostgres::start(Options {
        fsync: false,
        ..Options::default()
    })
    .await
    .expect("a server");
    server
        .create_database("late", None)
        .await
        .expect("a database");
    let url = server.url("late");
    pgbell::install::install(&url).await.expect("installed");
    server.halt().await.expect("halted");

    let daemon = Daemon::unready(&url, |_| {});
    let (status, why) = daemon.get("/readyz").await;
    assert_eq!(status, 503, "{why}");
    assert_eq!(daemon.health().await["status"], "starting");
    let mut early = crate::support::client::Client::open(daemon.addr, None).await;
    server.resume().await.expect("resumed");
    assert_eq!(early.next_of("welcome").await["protocol"], 1);
    daemon.ready().await;
    drop(early);
    daemon.stop().await.expect("stopped");
    server.stop().await.expect("stopped");
}

#[tokio::test]
async fn clients_are_told_that_the_database_is_gone_and_that_it_is_back() {
    let mut server = ThrowawayPostgres::start(Options::default())
        .await
        .expect("a server");
    server
        .create_database("crashing", None)
        .await
        .expect("a database");
    let url = server.url("crashing");
    pgbell::install::install(&url).await.expect("installed");
    let daemon = Daemon::unready(&url, |_| {});
    daemon.ready().await;
    let mut client = daemon.client_in(&["room"]).await;
    server.crash().await.expect("crashed");
    assert!(client.next_of("stale").await["since"].is_string());
    assert_eq!(daemon.get("/readyz").await.0, 503);
    assert_eq!(daemon.health().await["status"], "degraded");
    let mut late = daemon.client().await;
    assert_eq!(
        late.next().await["type"],
        "stale",
        "whoever comes now is told, too"
    );
    server.resume().await.expect("resumed");
    assert!(client.next_of("fresh").await["cursor"].is_string());
    assert_eq!(daemon.get("/readyz").await.0, 200);
    let (writer, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .expect("a connection");
    tokio::spawn(connection);
    let change = "insert into pgbell.change (entity, id, op, events, rooms) values ('x', '1', 'update', '{x:y}', '{room}')";
    writer.batch_execute(change).await.expect("written");
    assert_eq!(client.next_of("invalidate").await["room"], "room");
    drop((client, late));
    daemon.stop().await.expect("stopped");
    server.stop().await.expect("stopped");
}

#[tokio::test]
async fn a_database_without_pgbell_is_waited_for_and_named() {
    let database = Database::empty().await;
    let daemon = Daemon::unready(&database.url, |_| {});
    let refused = async {
        while !daemon
            .get("/readyz")
            .await
            .1
            .contains("run `pgbell install`")
        {}
    };
    soon("a clear reason", refused).await;
    pgbell::install::install(&database.url)
        .await
        .expect("installed");
    daemon.ready().await;
}

#[tokio::test]
async fn a_log_that_was_rotated_away_is_a_resync() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["product:1", "buyers"]).await;
    // As a daemon sees it that was away while the log was rotated: its position is below the horizon.
    let raise =
        "update pgbell.install set horizon = pg_snapshot_xmax(pg_current_snapshot())::text::xid8";
    database.run(raise).await;
    database.run(SELL_ONE).await;
    let resync = client.next_of("resync").await;
    assert_eq!(
        (&resync["rooms"], &resync["reason"]),
        (&json!("*"), &json!("truncated"))
    );
    assert!(resync["spread_ms"].is_u64());
    let told = client.told_of(&database, SELL_ONE).await;
    assert_eq!(told, expect("product:1 <- product:stock_changed"));
}

#[tokio::test]
async fn another_history_is_a_resync() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["product:1"]).await;
    database
        .run("update pgbell.install set id = gen_random_uuid()")
        .await;
    let cut = "select pg_terminate_backend(pid) from pg_stat_activity
               where application_name = 'pgbell' and datname = current_database()";
    database.run(cut).await;
    let resync = client.next_of("resync").await;
    assert_eq!(
        (&resync["rooms"], &resync["reason"]),
        (&json!("*"), &json!("epoch"))
    );
}

#[tokio::test]
async fn the_cursor_of_sql_and_the_cursor_of_the_daemon_agree() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let role = format!("anybody_{}", fastrand::u32(..));
    database
        .run(&format!("create role {role}; set role {role}"))
        .await;
    let cursor = database.value("pgbell.cursor()").await;
    database.run(&format!("reset role; drop role {role}")).await;
    let welcome = daemon.client().await.welcome;
    let epoch = |cursor: &str| cursor.split_once('.').expect("a cursor").0.to_owned();
    assert_eq!(epoch(&cursor), epoch(welcome["cursor"].as_str().unwrap()));
    assert!(cursor.parse::<pgbell::cursor::Cursor>().is_ok(), "{cursor}");
}

#[tokio::test]
async fn clients_that_give_up_waiting_for_the_database_are_forgotten() {
    let daemon = Daemon::unready("postgres://nobody@127.0.0.1:1/none", |_| {});
    let open_files = || std::fs::read_dir("/proc/self/fd").expect("files").count();
    let before = open_files();
    let mut waiting = Vec::new();
    for _ in 0..50 {
        waiting.push(crate::support::client::Client::open(daemon.addr, None).await);
    }
    for client in &mut waiting {
        assert_eq!(client.next().await["closed"], 4100);
    }
    drop(waiting);
    let let_go = async {
        while open_files() > before + 20 {
            tokio::task::yield_now().await;
        }
    };
    soon("their sockets to be closed", let_go).await;
}
