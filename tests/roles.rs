//! The roles that `pgbell install --roles` makes: what the daemon needs, and nothing else.

use std::{collections::BTreeSet, fs, time::Duration};

use pgbell::capture::Transport;

use crate::support::{
    certificates::Files,
    client::expect,
    command::command,
    daemon::Daemon,
    database::Database,
    server::{Server, change},
    soon,
};

/// Passwords are asked for by TCP, but not of the superuser.
async fn server() -> Server {
    let server = Server::with(&[("log_statement", "all"), ("max_connections", "200")]).await;
    let rules = server.postgres.directory().join("data/pg_hba.conf");
    fs::write(
        rules,
        "local all all trust\nhost all postgres all trust\nhost all all all scram-sha-256\n",
    )
    .expect("written");
    server.database().await.run("select pg_reload_conf()").await;
    server
}

fn install(url: &str, more: &[&str]) -> (i32, String, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let arguments = [&["install", "--roles"], more].concat();
    command(directory.path(), url, &arguments)
}

/// The URL that is printed for a role that is new.
fn install_new(url: &str, more: &[&str]) -> String {
    let (code, printed, told) = install(url, more);
    assert_eq!(code, 0, "{told}");
    let url = printed.trim();
    assert!(url.starts_with("postgres://"), "{url:?} {told}");
    url.to_owned()
}

#[tokio::test]
async fn the_daemon_runs_whole_as_the_role_that_is_made_for_it() {
    let server = server().await;
    let url = install_new(&server.url, &["--rules-role", "pgbell_rules"]);
    let database = server.database().await;
    database.run("select pgbell.note_applied()").await;
    for transport in [Transport::Doorbell, Transport::Payload, Transport::Poll] {
        let daemon = Daemon::unready(&url, |config| {
            config.database.transport = transport;
            config.database.drift_interval = Duration::from_millis(50);
            config.log.rotate_interval = Duration::from_millis(50);
        });
        daemon.ready().await;
        let mut client = daemon.client_in(&["room"]).await;
        let told = client.told_of(&database, &change("room")).await;
        assert_eq!(told, expect("room <- thing:changed"), "{transport:?}");
        let due = "insert into pgbell.schedule (due_at, entity, id, what, events, rooms)
                   values (now(), 'thing', '2', 'due', '{thing:due}', '{room}')";
        database.run(due).await;
        let fired = client.next_of("invalidate").await;
        assert_eq!(
            fired["changes"][0]["events"][0], "thing:due",
            "{transport:?}"
        );
        for metric in [
            "pgbell_drift_looks_total{reason=\"clean\"}",
            "pgbell_log_rotations_total{reason=\"idle\"}",
        ] {
            let done = async { while daemon.number(metric).await < 1.0 {} };
            soon(&format!("{metric} by {transport:?}"), done).await;
        }
        assert_eq!(daemon.get("/readyz").await.1, "ok\n", "{transport:?}");
        drop(client);
        daemon.stop().await.expect("stopped");
    }
}

/// All that a role was granted, in one database and in the cluster, and all that it is.
const RIGHTS: &str = r"
    select string_agg(line, e'\n' order by line) from (
        select format('%s: execute', oid::regprocedure)
          from pg_proc, aclexplode(proacl) as entry where grantee = '{role}'::regrole
        union all select format('%s: %s', oid::regclass, lower(privilege_type))
          from pg_class, aclexplode(relacl) as entry where grantee = '{role}'::regrole
        union all select format('schema %s: %s', nspname, lower(privilege_type))
          from pg_namespace, aclexplode(nspacl) as entry where grantee = '{role}'::regrole
        union all select format('database: %s', lower(privilege_type))
          from pg_database, aclexplode(datacl) as entry where grantee = '{role}'::regrole
        union all select format('member of %s', roleid::regrole)
          from pg_auth_members where member = '{role}'::regrole
        union all select format('owns %s', objid) from pg_shdepend
         where refobjid = '{role}'::regrole and deptype = 'o'
        union all select attribute from pg_roles,
               unnest(array[case when rolsuper then 'superuser' end, case when rolcreatedb then 'createdb' end,
                            case when rolcreaterole then 'createrole' end, case when rolcanlogin then 'login' end,
                            case when rolreplication then 'replication' end, case when rolinherit then 'inherit' end,
                            case when rolbypassrls then 'bypassrls' end,
                            'connections ' || rolconnlimit] || rolconfig) as attribute
         where rolname = '{role}' and attribute is not null
    ) as found (line)";

async fn rights(database: &Database, role: &str) -> BTreeSet<String> {
    let rights = database.value(&RIGHTS.replace("{role}", role)).await;
    rights.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_roles_may_do_nothing_else() {
    let server = server().await;
    let url = install_new(&server.url, &["--rules-role", "pgbell_rules"]);
    let database = server.database().await;
    let set = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    let expected: BTreeSet<String> = set(&[
        "connections 20",
        "database: connect",
        "idle_in_transaction_session_timeout=30s",
        "inherit",
        "login",
        "member of pgbell_daemon",
        "member of pgbell_rules",
        "schema pgbell: usage",
        "statement_timeout=60s",
    ]);
    assert_eq!(rights(&database, "pgbell_login").await, expected);
    let expected: BTreeSet<String> = set(&["connections -1", "schema pgbell: usage"]);
    assert_eq!(rights(&database, "pgbell_rules").await, expected);

    let table = "create table mine (id int); create table shown (id int); grant select on shown to pgbell_rules";
    database.run(table).await;
    let daemon = Database::at(&url).await;
    for forbidden in [
        "select from mine",
        "insert into pgbell.change (entity) values ('x')",
        "update pgbell.install set payload_key = '\\x00'",
        "truncate pgbell.change",
        "create table pgbell.mine (x int)",
        "create role other",
        "create database other",
        "create schema other",
        "alter role pgbell_login createrole",
        "alter system set fsync = off",
        "copy (select 1) to program 'true'",
        "select pg_read_file('/etc/passwd')",
        "set session_replication_role = replica",
        "set role pgbell_owner",
        "set role postgres",
        "set role pgbell_rules; select from mine",
        "set role pgbell_rules; select from pgbell.change",
        "set role pgbell_rules; select pgbell.mute()",
    ] {
        let refused = daemon.client().batch_execute(forbidden).await;
        let refusal = refused.expect_err(forbidden);
        let refusal = refusal.as_db_error().expect("a refusal").message();
        let words = ["permission denied", "must be", "must have"];
        assert!(
            words.iter().any(|words| refusal.contains(words)),
            "{forbidden}: {refusal}"
        );
        daemon.run("reset role").await;
    }
    daemon
        .run("set role pgbell_rules; select from shown; reset role")
        .await;
    let number = database
        .value("current_setting('server_version_num')")
        .await;
    let inherits = daemon
        .client()
        .batch_execute("select from shown")
        .await
        .is_ok();
    assert_eq!(inherits, number.parse::<u32>().expect("a number") < 160_000);
}

#[tokio::test]
async fn repeating_changes_nothing_but_a_password_that_is_given() {
    let server = server().await;
    let database = server.database().await;
    let first = install_new(&server.url, &[]);
    database
        .run("alter role pgbell_login connection limit 7")
        .await;
    let before = rights(&database, "pgbell_login").await;
    for _ in 0..2 {
        let (code, printed, told) = install(&server.url, &[]);
        assert_eq!((code, printed.as_str()), (0, ""), "{told}");
        assert!(told.contains("keeps its password"), "{told}");
    }
    assert_eq!(rights(&database, "pgbell_login").await, before);
    Database::at(&first).await;

    let files = Files::new();
    let file = files.write("password", "correct horse\n");
    let file = file.display().to_string();
    let (code, printed, told) = install(&server.url, &["--password-file", &file]);
    assert_eq!((code, printed.as_str()), (0, ""), "{told}");
    let (before, after) = first.split_once("://pgbell_login:").expect("a login");
    let (password, after) = after.split_once('@').expect("a password");
    Database::at(&format!("{before}://pgbell_login:correct%20horse@{after}")).await;
    let refused = tokio_postgres::connect(&first, tokio_postgres::NoTls).await;
    assert!(refused.is_err(), "the first password is over");

    let log = fs::read_to_string(server.postgres.directory().join("log")).expect("a log");
    assert!(log.contains("SCRAM-SHA-256$"), "statements are logged");
    for secret in [password, "correct horse"] {
        assert!(!log.contains(secret) && !told.contains(secret));
    }
}

#[tokio::test]
async fn a_role_that_may_do_more_is_not_taken_and_a_wrong_name_is_told() {
    let server = server().await;
    let database = server.database().await;
    database
        .run("create role chief superuser; create role builder createdb; create role worker login")
        .await;
    for (arguments, code, word) in [
        (
            &["--daemon-role", "chief"][..],
            1,
            "may do more than it should",
        ),
        (&["--daemon-role", "builder"], 1, "--daemon-role"),
        (
            &["--rules-role", "worker"],
            1,
            "role worker is there already",
        ),
        (&["--daemon-role", "pgbell_owner"], 2, "cannot be the name"),
        (
            &["--daemon-role", "x'; drop table y"],
            2,
            "cannot be the name",
        ),
        (&["--password-file", "/nowhere"], 2, "/nowhere"),
        (&["--password-file", "/dev/null"], 2, "one line"),
    ] {
        let (found, printed, told) = install(&server.url, arguments);
        assert_eq!(
            (found, printed.as_str()),
            (code, ""),
            "{arguments:?}: {told}"
        );
        assert!(told.contains(word), "{arguments:?}: {told}");
    }
    let made = "select count(*) from pg_roles where rolname = 'pgbell_login'";
    assert_eq!(database.value(made).await, "0", "all or nothing");
    // One that somebody made by hand is taken, and is not taken away afterwards.
    let (code, _, told) = install(&server.url, &["--daemon-role", "worker"]);
    assert_eq!(code, 0, "{told}");
    pgbell::install::uninstall(&server.url)
        .await
        .expect("removed");
    assert_eq!(
        database
            .value("select count(*) from pg_roles where rolname = 'worker'")
            .await,
        "1"
    );
}

#[tokio::test]
async fn uninstall_takes_the_roles_along_unless_another_database_needs_them() {
    let server = server().await;
    server
        .postgres
        .create_database("other", None)
        .await
        .expect("a database");
    let other = server.url.replace("/shop", "/other");
    install_new(&server.url, &["--rules-role", "pgbell_rules"]);
    let (code, printed, told) = install(&other, &["--rules-role", "pgbell_rules"]);
    assert_eq!((code, printed.as_str()), (0, ""), "{told}");
    let database = server.database().await;
    database
        .run("create table shown (id int); grant select on shown to pgbell_rules")
        .await;
    let roles =
        "select string_agg(rolname, ' ' order by rolname) from pg_roles where rolname ~ '^pgbell_'";
    let elsewhere = Database::at(&other).await;
    let before = rights(&elsewhere, "pgbell_login").await;
    pgbell::install::uninstall(&server.url)
        .await
        .expect("removed");
    assert_eq!(
        database.value(roles).await,
        "pgbell_daemon pgbell_login pgbell_owner pgbell_rules"
    );
    // The right to connect is said of a database, and of this one no more.
    assert_eq!(rights(&elsewhere, "pgbell_login").await, before);
    pgbell::install::uninstall(&other).await.expect("removed");
    assert_eq!(database.value(roles).await, "");
}

#[tokio::test]
async fn the_printed_sql_makes_the_same_roles_and_tells_no_password() {
    let server = server().await;
    let database = server.database().await;
    pgbell::install::uninstall(&server.url)
        .await
        .expect("removed");
    let files = Files::new();
    let file = files.write("password", "correct horse");
    let file = file.display().to_string();
    let arguments = [
        "--print",
        "--rules-role",
        "pgbell_rules",
        "--password-file",
        &file,
    ];
    let (code, script, told) = install("", &arguments);
    assert_eq!(code, 0, "{told}");
    assert!(!script.contains("correct horse") && script.contains("SCRAM-SHA-256$"));
    database.run(&script).await;
    let printed = rights(&database, "pgbell_login").await;
    pgbell::install::uninstall(&server.url)
        .await
        .expect("removed");
    install_new(&server.url, &["--rules-role", "pgbell_rules"]);
    assert_eq!(rights(&database, "pgbell_login").await, printed);
}
