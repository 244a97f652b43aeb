//! Poolers between the daemon and its database.

use std::{net::SocketAddr, path::Path, time::Duration};

use pgbell::{
    capture::Transport,
    catalogue::Catalogue,
    install::triggers::{self, Against, StarterOptions, Target, trace::Request},
};
use tokio_postgres::SimpleQueryMessage;

use crate::support::{
    client::changes_in,
    daemon::Daemon,
    database::{Database, sql_file},
    server::{Server, change, url_at},
    soon,
    standby::{Program, free_port},
};

struct Pooler {
    addr: SocketAddr,
    _program: Program,
}

impl Pooler {
    /// PgBouncer in front of the server; `None`, and a line that says so, where it is not installed.
    async fn start(server: &Server, settings: &str) -> Option<Self> {
        let program = Path::new("/usr/sbin/pgbouncer");
        if !program.exists() {
            println!("skipped: PgBouncer is not installed");
            return None;
        }
        let (behind, port) = (server.addr(), free_port());
        let directory = server.postgres.directory();
        let file = directory.join(format!("pgbouncer-{port}.ini"));
        let text = format!(
            "[databases]\n\
             shop = host={} port={} user=postgres dbname=shop\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             {settings}\n",
            behind.ip(),
            behind.port()
        );
        std::fs::write(&file, text).expect("written");
        let arguments = [file.display().to_string()];
        let program = Program::start(program, &arguments, &file.with_extension("log"));
        let addr = ([127, 0, 0, 1], port).into();
        program.answers(addr).await;
        Some(Self {
            addr,
            _program: program,
        })
    }
}

/// Ways to give a server connection to whoever has a transaction.
const SHARING: [&str; 4] = [
    "pool_mode = transaction",
    "pool_mode = transaction\ndefault_pool_size = 1",
    "pool_mode = transaction\nserver_round_robin = 1",
    "pool_mode = statement",
];

#[tokio::test]
async fn a_pooler_in_transaction_mode_is_refused_and_named_and_keeps_nothing_of_ours() {
    let server = Server::start().await;
    for settings in SHARING {
        let Some(pooler) = Pooler::start(&server, settings).await else {
            return;
        };
        for transport in [Transport::Doorbell, Transport::Payload] {
            let daemon = Daemon::unready(&url_at(pooler.addr), |config| {
                config.database.transport = transport;
            });
            let why = daemon.complains("pooler in transaction mode").await;
            for way_out in [
                "connect to Postgres directly",
                "database.transport = \"poll\"",
            ] {
                assert!(why.contains(way_out), "{settings}: {why}");
            }
            assert!(daemon.losses("pooler").await >= 1.0);
            assert_eq!(daemon.health().await["status"], "starting");
        }
        keeps_nothing(&pooler, settings).await;
    }
}

#[tokio::test]
async fn through_a_pooler_in_transaction_mode_the_log_can_be_polled() {
    let server = Server::start().await;
    let database = server.database().await;
    for settings in SHARING {
        let Some(pooler) = Pooler::start(&server, settings).await else {
            return;
        };
        let daemon = Daemon::unready(&url_at(pooler.addr), |config| {
            config.database.transport = Transport::Poll;
            config.log.rotate_interval = Duration::from_millis(20);
        });
        daemon.ready().await;
        let mut client = daemon.client_in(&["room"]).await;
        // Others use the same pool at the same time.
        let busy = Database::at(&url_at(pooler.addr)).await;
        let change = change("room");
        for _ in 0..20 {
            busy.client().simple_query(&change).await.expect("written");
        }
        let due = "insert into pgbell.schedule (due_at, entity, id, what, events, rooms)
                           values (now(), 'thing', '2', 'due', '{thing:due}', '{room}')";
        database.run(due).await;
        let fired = async { while daemon.number("pgbell_scheduled_changes_total").await < 1.0 {} };
        soon("a scheduled change", fired).await;
        let messages = client.messages(&database).await;
        let told: u64 = changes_in(&messages, "room")
            .iter()
            .map(|change| change["count"].as_u64().unwrap_or(0))
            .sum();
        assert_eq!(told, 21, "{settings}: {messages:?}");
        assert!(
            !daemon
                .get("/metrics")
                .await
                .1
                .contains("database_losses_total{")
        );
        assert_eq!(daemon.get("/readyz").await.1, "ok\n");
        keeps_nothing(&pooler, settings).await;
    }
}

/// No setting of the daemon's and no LISTEN is in what the pooler hands out.
async fn keeps_nothing(pooler: &Pooler, settings: &str) {
    let through = Database::at(&url_at(pooler.addr)).await;
    let left = "select name from pg_settings
                 where source = 'session' and name in ('statement_timeout', 'jit', 'enable_seqscan',
                                                       'default_transaction_read_only')
                 union all select pg_listening_channels()";
    let left = through.client().simple_query(left).await.expect("rows");
    let left = left
        .iter()
        .filter(|message| matches!(message, SimpleQueryMessage::Row(_)));
    assert_eq!(
        left.count(),
        0,
        "{settings}: something of ours is in the pool"
    );
}

/// A file that makes every verb work: a watched table, a row of it, and a function that is replaced.
const THING: &str = "create table if not exists thing (id int primary key, title text);
    insert into thing values (1, 'one') on conflict do nothing";

#[tokio::test]
async fn the_tools_for_triggers_work_through_a_pooler_and_leave_nothing_prepared() {
    let server = Server::start().await;
    for settings in &SHARING[1..3] {
        let settings = format!("{settings}\nignore_startup_parameters = extra_float_digits");
        let Some(pooler) = Pooler::start(&server, &settings).await else {
            return;
        };
        let url = url_at(pooler.addr);
        let through = Database::at(&url).await;
        through.client().simple_query(THING).await.expect("a table");
        for _ in 0..2 {
            use_every_tool(&url).await;
        }
        let left = "select name from pg_prepared_statements";
        let left = through.client().simple_query(left).await.expect("rows");
        let is_row = |message: &&SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(_));
        assert_eq!(left.iter().filter(is_row).count(), 0, "{settings}");
    }
}

/// From a new file for a table to its removal.
async fn use_every_tool(url: &str) {
    let catalogue = Catalogue::default();
    let options = StarterOptions::default();
    let text = triggers::new_file(url, "public.thing", &options, &catalogue).await;
    let files = [sql_file("thing.sql", &text.expect("a file"))];
    let applied = triggers::apply(url, &files).await.expect("applied");
    assert!(
        applied.iter().any(|finding| finding.differs()),
        "{applied:?}"
    );
    let different = triggers::diff(url, &files).await.expect("compared");
    assert!(
        !different.iter().any(|finding| finding.differs()),
        "{different:?}"
    );
    let against = Against {
        url: Some(url),
        catalogue: &catalogue,
        everything: true,
    };
    triggers::check(&files, against).await.expect("checked");
    let request = Request {
        statements: vec!["update thing set title = 'two'".into()],
        files: Vec::new(),
        timeout: Duration::from_secs(10),
        most_rows: 10,
    };
    let traced = triggers::trace::trace(url, &request).await.expect("traced");
    assert_eq!(traced.rows_in_all, 1, "{traced:?}");
    let targets = [Target::Table("public.thing".into())];
    let removed = triggers::remove(url, &targets).await.expect("removed");
    assert!(!removed.is_empty());
}

#[tokio::test]
async fn a_pooler_in_session_mode_is_as_good_as_none() {
    let server = Server::start().await;
    let Some(pooler) = Pooler::start(&server, "pool_mode = session").await else {
        return;
    };
    let daemon = Daemon::unready(&url_at(pooler.addr), |_| {});
    daemon.ready().await;
    let mut client = daemon.client_in(&["room"]).await;
    let database = server.database().await;
    let told = client.messages_of(&database, &change("room")).await;
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn where_no_notification_comes_back_the_database_is_never_called_live() {
    let server = Server::start().await;
    let database = server.database().await;
    // What a path that swallows notifications looks like from the end of it.
    database
        .run(
            "create function public.pg_notify(text, text) returns void language sql as '';
             alter database shop set search_path = public, pg_catalog",
        )
        .await;
    let daemon = Daemon::unready(&server.url, |config| {
        config.database.heartbeat = Duration::from_millis(300);
    });
    let why = daemon.complains("no notification came back").await;
    assert!(why.contains("pooler in transaction mode"), "{why}");
    let often = async { while daemon.losses("heartbeat_lost").await < 3.0 {} };
    soon("more attempts", often).await;
    assert_eq!(daemon.health().await["status"], "starting");
    let repair = "drop function public.pg_notify; alter database shop reset search_path";
    database.run(repair).await;
    daemon.ready().await;
}
