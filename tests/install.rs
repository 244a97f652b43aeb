//! Installing and uninstalling, on servers of their own: roles belong to a whole server.

use pgbell::{
    demo::postgres::{Options, ThrowawayPostgres},
    install::{self, Error, SqlFile, triggers},
};
use tokio_postgres::{Client, NoTls};

use crate::support::database::trigger_file;

/// Everything in a database and everything that roles have to do with it, as text.
const TRACES: &str = r#"
    select coalesce(string_agg(trace, e'\n' order by trace), '') from (
        select concat_ws(' ', 'relation', oid::regclass, coalesce(relacl,
                         acldefault((case relkind when 'S' then 's' else 'r' end)::"char", relowner)))
          from pg_class where relnamespace::regnamespace::text !~ '^pg_'
        union all select concat_ws(' ', 'column', attrelid::regclass, attname, attacl)
          from pg_attribute where attacl is not null and attrelid > 16383
        union all select concat_ws(' ', 'function', oid::regprocedure, proacl) from pg_proc
         where pronamespace::regnamespace::text <> 'pg_catalog'
        union all select concat_ws(' ', 'trigger', tgrelid::regclass, tgname) from pg_trigger
        union all select concat_ws(' ', 'event trigger', evtname, evtenabled) from pg_event_trigger
        union all select concat_ws(' ', 'policy', polrelid::regclass, polname) from pg_policy
        union all select concat_ws(' ', 'schema', nspname, nspacl) from pg_namespace
         where nspname !~ '^pg_(toast_)?temp'
        union all select concat_ws(' ', 'setting', setdatabase, setrole, setconfig)
          from pg_db_role_setting
        union all select concat_ws(' ', 'role', rolname) from pg_roles
        union all select concat_ws(' ', 'member', roleid::regrole, member::regrole)
          from pg_auth_members
    ) as found (trace)"#;

struct Server(ThrowawayPostgres);

impl Server {
    async fn start() -> Self {
        let options = Options {
            fsync: false,
            ..Options::default()
        };
        let server = ThrowawayPostgres::start(options).await.expect("a server");
        server
            .create_database("shop", None)
            .await
            .expect("a database");
        Self(server)
    }

    fn url(&self) -> String {
        self.0.url("shop")
    }

    /// The URL of another role, which may log in and owns the database.
    async fn url_of_owner(&self, role: &str, attributes: &str) -> String {
        let sql = format!(
            "create role {role} login {attributes}; alter database shop owner to {role};
             grant create on schema public to {role}"
        );
        self.connect(&self.url())
            .await
            .batch_execute(&sql)
            .await
            .expect("a role");
        self.url().replace("user=postgres", &format!("user={role}"))
    }

    async fn connect(&self, url: &str) -> Client {
        let (client, connection) = tokio_postgres::connect(url, NoTls)
            .await
            .expect("connected");
        tokio::spawn(connection);
        client
    }

    async fn traces(&self) -> String {
        let client = self.connect(&self.url()).await;
        client
            .query_one(TRACES, &[])
            .await
            .expect("an answer")
            .get(0)
    }

    async fn set_up_shop(&self, url: &str) {
        let shop = self.connect(url).await;
        let schema = include_str!("../sql/shop/schema.sql");
        shop.batch_execute(schema).await.expect("a shop");
    }
}

fn every_trigger_file() -> [SqlFile; 10] {
    [
        "products",
        "inventory",
        "sales",
        "orders",
        "packs/stores",
        "packs/carts",
        "packs/wholesale",
        "packs/quotations",
        "packs/notifications",
        "packs/analytics",
    ]
    .map(trigger_file)
}

#[tokio::test]
async fn uninstall_leaves_no_trace_whoever_installed() {
    let server = Server::start().await;
    let owner = server.url_of_owner("owner", "createrole").await;
    server.set_up_shop(&owner).await;
    // The trigger files then let their owner look past it.
    let secure = "alter table products enable row level security";
    let shop = server.connect(&owner).await;
    shop.batch_execute(secure).await.expect("secured");
    let before = server.traces().await;
    for url in [server.url(), owner] {
        for _ in 0..2 {
            install::install(&url).await.expect("installed, also again");
        }
        triggers::apply(&url, &every_trigger_file())
            .await
            .expect("applied");
        let traces = server.traces().await;
        assert!(traces.contains("trigger products pgbell_") && traces.contains("pgbell_reads"));
        for _ in 0..2 {
            install::uninstall(&url).await.expect("removed, also again");
        }
        assert_same(&before, &server.traces().await);
    }
    server.0.stop().await.expect("stopped");
}

fn assert_same(before: &str, after: &str) {
    let new: Vec<_> = after
        .lines()
        .filter(|line| !before.contains(line))
        .collect();
    assert!(before == after, "left behind: {new:#?}");
}

#[tokio::test]
async fn uninstall_takes_settings_along_and_leaves_roles_that_another_database_needs() {
    let server = Server::start().await;
    server
        .0
        .create_database("other", None)
        .await
        .expect("a database");
    let other = server.0.url("other");
    install::install(&other).await.expect("installed");
    let before = server.traces().await;
    install::install(&server.url()).await.expect("installed");
    let shop = server.connect(&server.url()).await;
    shop.batch_execute("alter database shop set pgbell.ring = off")
        .await
        .expect("set");
    install::uninstall(&server.url()).await.expect("removed");
    assert_same(&before, &server.traces().await);
    let other = server.connect(&other).await;
    other
        .execute("select pgbell.cursor()", &[])
        .await
        .expect("untouched");
    server.0.stop().await.expect("stopped");
}

#[tokio::test]
async fn what_was_installed_by_hand_is_taken_over() {
    let server = Server::start().await;
    let shop = server.connect(&server.url()).await;
    shop.batch_execute(&install::install_script())
        .await
        .expect("the script runs");
    let by_hand = server.traces().await;
    install::install(&server.url())
        .await
        .expect("installed over it");
    assert_same(&by_hand, &server.traces().await);
    shop.batch_execute(&install::uninstall_script())
        .await
        .expect("the script runs");
    assert!(!server.traces().await.contains("pgbell"));
    server.0.stop().await.expect("stopped");
}

#[tokio::test]
async fn a_role_without_the_right_to_install_is_told_who_has_it() {
    let server = Server::start().await;
    let before = {
        server.url_of_owner("plain", "").await;
        server.traces().await
    };
    let url = server.url().replace("user=postgres", "user=plain");
    let refusal = install::install(&url)
        .await
        .expect_err("refused")
        .to_string();
    assert!(
        refusal.contains("create role pgbell_owner nologin"),
        "{refusal}"
    );
    assert_same(&before, &server.traces().await);
    server.0.stop().await.expect("stopped");
}

#[tokio::test]
async fn an_owner_who_was_let_into_the_role_needs_no_other_right() {
    let server = Server::start().await;
    let owner = server.url_of_owner("owner", "").await;
    let admin = server.connect(&server.url()).await;
    admin
        .batch_execute(
            "create role pgbell_owner nologin; create role pgbell_daemon nologin;
             grant pgbell_owner to owner",
        )
        .await
        .expect("roles");
    server.set_up_shop(&owner).await;
    let before = server.traces().await;
    install::install(&owner).await.expect("installed");
    triggers::apply(&owner, &every_trigger_file())
        .await
        .expect("applied");
    install::uninstall(&owner).await.expect("removed");
    assert_same(&before, &server.traces().await);
    server.0.stop().await.expect("stopped");
}

#[tokio::test]
async fn trigger_files_are_applied_together_or_not_at_all() {
    let server = Server::start().await;
    install::install(&server.url()).await.expect("installed");
    server.set_up_shop(&server.url()).await;
    let before = server.traces().await;
    let directory = tempfile::tempdir().expect("a directory");
    let broken = directory.path().join("broken.sql");
    std::fs::write(&broken, "select 1;\n-- ü\nselect\n    nonsense;\n").expect("a file");
    let broken = SqlFile::read(&broken).expect("a file");
    let files = [trigger_file("products"), broken];
    let refusal = triggers::apply(&server.url(), &files)
        .await
        .expect_err("refused")
        .to_string();
    assert!(
        refusal.contains("broken.sql:4: column \"nonsense\""),
        "{refusal}"
    );
    assert_same(&before, &server.traces().await);
    server.0.stop().await.expect("stopped");
}

#[tokio::test]
async fn a_busy_table_makes_apply_try_again_and_then_give_up() {
    let server = Server::start().await;
    install::install(&server.url()).await.expect("installed");
    server.set_up_shop(&server.url()).await;
    let mut writer = server.connect(&server.url()).await;
    let writing = writer.transaction().await.expect("begun");
    writing
        .execute("lock table products", &[])
        .await
        .expect("locked");
    let url = server.url();
    let files = every_trigger_file();
    let apply = triggers::apply(&url, &files);
    let watcher = server.connect(&server.url()).await;
    let release_later = async {
        let mut attempts = std::collections::BTreeSet::new();
        while attempts.len() < 2 {
            let waiting =
                "select xact_start::text from pg_stat_activity where wait_event_type = 'Lock'";
            let waiting = watcher.query(waiting, &[]).await.expect("an answer");
            attempts.extend(waiting.iter().map(|row| row.get::<_, String>(0)));
        }
        writing.rollback().await.expect("released");
    };
    let (applied, ()) = tokio::join!(apply, release_later);
    applied.expect("applied once the lock was free");

    let writing = writer.transaction().await.expect("begun");
    writing
        .execute("lock table products", &[])
        .await
        .expect("locked");
    let busy = triggers::apply(&url, &files).await.expect_err("busy");
    assert!(matches!(busy, Error::Busy { .. }), "{busy:?}");
    drop(writing);
    server.0.stop().await.expect("stopped");
}

#[tokio::test]
async fn a_trigger_function_elsewhere_stops_uninstall_before_it_breaks_writes() {
    let server = Server::start().await;
    install::install(&server.url()).await.expect("installed");
    let shop = server.connect(&server.url()).await;
    shop.batch_execute(
        "create table note (id int);
         create function note_changed() returns trigger language plpgsql as
         'begin insert into pgbell.change (entity) values (''note''); return null; end';
         create trigger note after insert on note for each statement execute function note_changed()",
    )
    .await
    .expect("a trigger");
    let refusal = install::uninstall(&server.url())
        .await
        .expect_err("refused")
        .to_string();
    assert!(refusal.contains("note_changed()"), "{refusal}");
    shop.execute("insert into note values (1)", &[])
        .await
        .expect("writes go on");
    server.0.stop().await.expect("stopped");
}

#[tokio::test]
async fn what_runs_in_everybodys_ddl_belongs_to_who_installed_it_last() {
    let server = Server::start().await;
    let admin = server.connect(&server.url()).await;
    admin
        .batch_execute(
            "create role stranger; create schema pgbell; grant create on schema pgbell to stranger;
             set role stranger;
             create function pgbell.note_ddl() returns event_trigger language plpgsql as 'begin end';
             reset role",
        )
        .await
        .expect("a function of somebody else");
    install::install(&server.url()).await.expect("installed");
    let owner = "select proowner = current_user::regrole from pg_proc where proname = 'note_ddl'";
    let row = admin.query_one(owner, &[]).await.expect("an answer");
    assert!(row.get::<_, bool>(0));
}
