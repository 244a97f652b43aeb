//! Triggers that are no longer what was applied: what the daemon tells of them, and what the event
//! trigger that tells of DDL must never do.

use std::time::Duration;

use pgbell::{config::Config, install};
use serde_json::Value;

use crate::support::{
    client::expect, daemon::Daemon, database::Database, journal::Journal, server::Server, soon,
};

/// A shop whose triggers are recorded as they are.
async fn shop() -> Database {
    let database = Database::with_shop().await;
    database.run("select pgbell.note_applied()").await;
    database
}

/// Looks at the triggers all the time.
fn looking(config: &mut Config) {
    config.database.drift_interval = Duration::from_millis(50);
}

/// Looks only when it is told of DDL.
fn told(config: &mut Config) {
    config.database.drift_interval = Duration::from_secs(3600);
}

/// The one finding that `pgbell.drift()` has about `kind`.
async fn found(database: &Database, kind: &str) -> String {
    let found = format!(
        "select string_agg(concat_ws(' | ', \"table\", object, detail, mend), e'\\n')
           from pgbell.drift() where kind = '{kind}'"
    );
    database.value(&found).await
}

async fn kinds(database: &Database) -> String {
    let kinds = "select string_agg(distinct kind, ' ' order by kind) from pgbell.drift()";
    database.value(kinds).await
}

/// Waits until `/health` shows as many findings, and returns them.
async fn drift(daemon: &Daemon, count: usize) -> Vec<Value> {
    let found = async {
        loop {
            let health = daemon.health().await;
            let drift = health["database"]["drift"].as_array().cloned();
            match drift.unwrap_or_default() {
                drift if drift.len() == count => return drift,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    soon("what has drifted", found).await
}

/// What somebody does to the shop, the kind of finding that it makes, its table and object, words of
/// the line about it, and what mends it.
const MISHAPS: &[[&str; 6]] = &[
    [
        "drop trigger pgbell_products_insert on products",
        "trigger_missing", "public.products", "pgbell_products_insert", "the trigger is gone",
        "create trigger pgbell_products_insert after insert on products referencing new table as new_rows
         for each statement execute function pgbell.products_inserted()",
    ],
    [
        "alter table products disable trigger pgbell_products_update",
        "trigger_disabled", "public.products", "pgbell_products_update", "the trigger is disabled",
        "alter table public.products enable trigger pgbell_products_update",
    ],
    [
        "alter table products enable replica trigger pgbell_products_update",
        "trigger_state", "public.products", "pgbell_products_update", "now fires only for replicated writes",
        "alter table public.products enable trigger pgbell_products_update",
    ],
    [
        "create or replace trigger pgbell_products_truncate after truncate on products for each statement
         when (current_user <> 'importer') execute function pgbell.products_truncated()",
        "trigger_edited", "public.products", "pgbell_products_truncate", "not as it was applied",
        "create or replace trigger pgbell_products_truncate after truncate on products for each statement
         execute function pgbell.products_truncated()",
    ],
    [
        "create or replace function pgbell.products_truncated() returns trigger language plpgsql security definer
         set search_path = pg_catalog, pg_temp set jit = off as 'begin return null; end'",
        "function_edited", "public.products", "pgbell.products_truncated", "not as it was applied",
        "select pgbell.note_applied('public.products')",
    ],
    [
        "alter function pgbell.products_updated() security invoker",
        "function_unsafe", "public.products", "pgbell.products_updated", "no longer security definer",
        "alter function pgbell.products_updated() security definer",
    ],
    [
        "alter function pgbell.inventory_updated() reset search_path",
        "function_unsafe", "public.inventory", "pgbell.inventory_updated", "without a pinned search_path",
        "alter function pgbell.inventory_updated() set search_path = pg_catalog, pg_temp",
    ],
    [
        "alter function pgbell.inventory_updated() set search_path = public",
        "function_unsafe", "public.inventory", "pgbell.inventory_updated", "pins another search_path",
        "alter function pgbell.inventory_updated() set search_path = pg_catalog, pg_temp",
    ],
    [
        "alter function pgbell.sales_deleted() owner to postgres",
        "function_owner", "public.sales", "pgbell.sales_deleted", "the owner was pgbell_owner and is now postgres",
        "alter function pgbell.sales_deleted() owner to pgbell_owner",
    ],
    [
        "grant execute on function pgbell.sales_deleted() to public",
        "function_rights", "public.sales", "pgbell.sales_deleted", "now by PUBLIC, pgbell_owner",
        "revoke execute on function pgbell.sales_deleted() from public",
    ],
    [
        "alter table orders rename tracking_number to \"Tracking\"",
        "column_missing", "public.orders", "tracking_number", "is now called \"Tracking\", but is named by pgbell.orders_updated",
        "alter table orders rename \"Tracking\" to tracking_number",
    ],
    [
        "alter table sales drop column stock_limit",
        "column_missing", "public.sales", "stock_limit", "the column is gone, but is named by pgbell.sales_updated",
        "alter table sales add column stock_limit int",
    ],
    [
        "alter table inventory alter quantity type bigint",
        "column_type", "public.inventory", "quantity", "the type was integer and is now bigint",
        "alter table inventory alter quantity type int",
    ],
    [
        "alter table sales rename to offers",
        "table_renamed", "public.sales", "public.offers", "the table is now called public.offers",
        "alter table offers rename to sales",
    ],
    [
        "create table products_of_2027 () inherits (products)",
        "partition_uncovered", "public.products", "public.products_of_2027", "lacks pgbell_products_delete",
        "alter table products_of_2027 no inherit products",
    ],
    [
        "drop table orders cascade",
        "table_missing", "public.orders", "public.orders", "the table is gone",
        "select pgbell.note_applied('public.orders')",
    ],
];

#[tokio::test]
async fn each_mishap_is_one_finding_in_the_metric_the_log_and_the_health() {
    let database = shop().await;
    let journal = Journal::start();
    let daemon = Daemon::with(&database, looking).await;
    drift(&daemon, 0).await;
    for [mishap, kind, table, object, words, mend] in MISHAPS {
        let before = journal.lines("a trigger has drifted").len();
        database.run(mishap).await;
        let finding = drift(&daemon, 1).await.remove(0);
        for (field, expected) in [("kind", kind), ("table", table), ("object", object)] {
            assert_eq!(finding[field], **expected, "{mishap}: {finding}");
        }
        let detail = finding["detail"].as_str().expect("a detail");
        assert!(detail.contains(words), "{detail}");

        let gauge = format!("pgbell_trigger_drift{{kind=\"{kind}\"}}");
        assert_eq!(daemon.number(&gauge).await, 1.0, "{mishap}");
        let (status, ready) = daemon.get("/readyz").await;
        assert_eq!(status, 200, "what arrives still arrives");
        let line = format!("ok\ndrift: {kind}: {table}, {object}: ");
        assert!(ready.starts_with(&line), "{ready}");
        let warnings = journal.lines("a trigger has drifted").split_off(before);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(
            warnings[0].contains("WARN") && warnings[0].contains(kind),
            "{warnings:?}"
        );

        database.run(mend).await;
        drift(&daemon, 0).await;
        assert_eq!(daemon.number(&gauge).await, 0.0, "{mend}");
        assert_eq!(daemon.get("/readyz").await.1, "ok\n");
        if object.ends_with("stock_limit") {
            // It is another column now.
            assert_eq!(found(&database, "column_type").await, "");
        }
    }
    let mended = journal.lines("a trigger is as it should be again");
    assert_eq!(mended.len(), MISHAPS.len(), "{mended:#?}");
    assert_eq!(daemon.losses("query").await, 0.0);
}

#[tokio::test]
async fn triggers_applied_by_hand_are_a_note_and_still_looked_after() {
    let database = shop().await;
    database
        .run("delete from pgbell.applied_trigger; delete from pgbell.applied_column")
        .await;
    let journal = Journal::start();
    let daemon = Daemon::with(&database, looking).await;
    let noted = async {
        while journal.lines("triggers that nobody recorded").len() < 4 {
            tokio::task::yield_now().await;
        }
    };
    soon("a note for each table", noted).await;
    assert_eq!(daemon.get("/readyz").await.1, "ok\n");
    assert_eq!(kinds(&database).await, "trigger_unrecorded");

    database
        .run(
            "alter table products disable trigger pgbell_products_update;
              create table products_of_2027 () inherits (products)",
        )
        .await;
    drift(&daemon, 2).await;
    assert_eq!(
        journal.lines("triggers that nobody recorded").len(),
        4,
        "told once"
    );
    let expected = "partition_uncovered trigger_disabled trigger_unrecorded";
    assert_eq!(kinds(&database).await, expected);
}

#[tokio::test]
async fn a_table_made_anew_under_its_name_is_missing_its_triggers() {
    let database = shop().await;
    database
        .run(
            "alter table sales rename to sales_before;
              create table sales (like sales_before including all)",
        )
        .await;
    let missing = found(&database, "trigger_missing").await;
    assert_eq!(missing.lines().count(), 4, "{missing}");
    assert!(
        missing.contains("made anew without the trigger"),
        "{missing}"
    );
    let by_hand = found(&database, "trigger_unrecorded").await;
    assert!(by_hand.starts_with("public.sales_before | "), "{by_hand}");
}

#[tokio::test]
async fn partitions_may_go_and_are_missed_only_when_they_come_without_triggers() {
    let database = shop().await;
    let insert_trigger = |table: &str| {
        format!(
            "create trigger pgbell_products_insert after insert on {table} referencing new table as new_rows
             for each statement execute function pgbell.products_inserted();"
        )
    };
    let tables = "create table visits (at date) partition by range (at);
         create table visits_1 partition of visits for values from ('2026-01-01') to ('2026-02-01');
         create table visits_2 partition of visits for values from ('2026-02-01') to ('2026-03-01');";
    let triggers = ["visits", "visits_1", "visits_2"].map(insert_trigger);
    let applied = format!(
        "{tables} {} select pgbell.note_applied('public.visits')",
        triggers.concat()
    );
    database.run(&applied).await;
    assert_eq!(
        kinds(&database).await,
        "",
        "named by the table they are part of"
    );
    database.run("drop table visits_1").await;
    assert_eq!(kinds(&database).await, "");
    database
        .run("create table visits_3 partition of visits for values from ('2026-03-01') to ('2026-04-01')")
        .await;
    let lacking = found(&database, "partition_uncovered").await;
    assert!(
        lacking.starts_with("public.visits | public.visits_3 | "),
        "{lacking}"
    );
    database.run("drop table visits").await;
    let missing = found(&database, "table_missing").await;
    assert!(missing.starts_with("public.visits | "), "{missing}");
    assert_eq!(missing.lines().count(), 1, "{missing}");
}

#[tokio::test]
async fn a_column_that_no_function_names_may_come_and_go() {
    let database = shop().await;
    database
        .run(
            "alter table products drop column updated_at, add column weight int;
              alter table orders alter created_at type timestamp",
        )
        .await;
    assert_eq!(kinds(&database).await, "");
}

#[tokio::test]
async fn what_a_function_looks_up_elsewhere_is_watched_too() {
    let database = shop().await;
    database
        .run("create table labels (product_id bigint, label text)")
        .await;
    database
        .run("create function pgbell.stores_renamed() returns trigger language plpgsql security definer
              set search_path = pg_catalog, pg_temp as
              'begin insert into pgbell.change (entity, id, rooms, new)
               select ''label'', product_id, ''{labels}'', jsonb_build_object(''label'', label) from public.labels;
               return null; end';
              create trigger pgbell_stores_update after update on stores for each statement
              execute function pgbell.stores_renamed();
              select pgbell.note_applied('public.stores')")
        .await;
    assert_eq!(kinds(&database).await, "");
    database
        .run("alter table labels rename label to caption")
        .await;
    let missing = found(&database, "column_missing").await;
    assert!(missing.starts_with("public.labels | label | "), "{missing}");
}

#[tokio::test]
async fn noting_one_table_leaves_the_record_of_others() {
    let database = shop().await;
    database
        .run("drop trigger pgbell_orders_update on orders; drop trigger pgbell_sales_update on sales")
        .await;
    database
        .run("select pgbell.note_applied('public.orders')")
        .await;
    let missing = found(&database, "trigger_missing").await;
    assert!(
        missing.starts_with("public.sales | pgbell_sales_update"),
        "{missing}"
    );
    assert_eq!(missing.lines().count(), 1);
    let unnamed = database
        .client()
        .execute("select pgbell.note_applied('orders')", &[])
        .await;
    let refusal = unnamed.expect_err("refused");
    assert!(
        refusal
            .as_db_error()
            .expect("a refusal")
            .message()
            .contains("names no schema")
    );
    database.run("select pgbell.note_applied()").await;
    assert_eq!(kinds(&database).await, "");
}

#[tokio::test]
async fn looking_waits_for_nobody_who_alters_a_table() {
    let database = shop().await;
    let altering = database.session().await;
    altering
        .run(
            "begin; lock table products, orders, inventory, sales in access exclusive mode;
              create trigger conditional after update on products for each row
              when (old.price <> new.price) execute function pgbell.products_truncated()",
        )
        .await;
    database
        .run("set lock_timeout = '1ms'; select pgbell.note_applied(); select count(*) from pgbell.drift()")
        .await;
    assert_eq!(kinds(&database).await, "");
    altering.run("commit").await;
    assert_eq!(
        found(&database, "trigger_unrecorded")
            .await
            .split(" | ")
            .nth(1),
        Some("conditional")
    );
}

#[tokio::test]
async fn two_daemons_that_are_told_of_ddl_both_look() {
    let database = shop().await;
    let (one, other) = tokio::join!(Daemon::with(&database, told), Daemon::with(&database, told));
    let clean = "pgbell_drift_looks_total{reason=\"clean\"}";
    for daemon in [&one, &other] {
        let looked = async { while daemon.number(clean).await < 1.0 {} };
        soon("a first look", looked).await;
    }
    database
        .run("alter table products disable trigger user")
        .await;
    for daemon in [&one, &other] {
        assert_eq!(drift(daemon, 4).await[0]["kind"], "trigger_disabled");
    }
    database
        .run("alter table products enable trigger user")
        .await;
    for daemon in [&one, &other] {
        drift(daemon, 0).await;
    }
}

#[tokio::test]
async fn ddl_that_commits_long_after_its_statement_is_found() {
    let database = shop().await;
    let daemon = Daemon::with(&database, told).await;
    let altering = database.session().await;
    altering
        .run("begin; alter table products disable trigger pgbell_products_update")
        .await;
    let looks = "pgbell_drift_looks_total{reason=\"clean\"}";
    let looked = async { while daemon.number(looks).await < 2.0 {} };
    soon("a look before the commit", looked).await;
    drift(&daemon, 0).await;
    altering.run("commit").await;
    drift(&daemon, 1).await;
}

#[tokio::test]
async fn without_the_event_trigger_daemons_look_by_the_clock() {
    let database = shop().await;
    database
        .run("drop event trigger pgbell_drift; drop event trigger pgbell_drift_drop")
        .await;
    let daemon = Daemon::with(&database, looking).await;
    database
        .run("alter table products disable trigger pgbell_products_update")
        .await;
    drift(&daemon, 1).await;
    assert_eq!(
        database.value("select last_value from pgbell.ddl").await,
        moved(&database).await
    );
}

#[tokio::test]
async fn what_has_drifted_is_told_once_however_often_the_database_is_lost() {
    let database = shop().await;
    database
        .run("alter table products disable trigger pgbell_products_update")
        .await;
    let journal = Journal::start();
    let daemon = Daemon::with(&database, looking).await;
    drift(&daemon, 1).await;
    database
        .run(
            "select pg_terminate_backend(pid) from pg_stat_activity
               where application_name = 'pgbell' and datname = current_database()",
        )
        .await;
    let drifted = "pgbell_drift_looks_total{reason=\"drifted\"}";
    let lost = async {
        while journal.lines("database is not available").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    soon("the loss", lost).await;
    let before = daemon.number(drifted).await;
    let looked = async { while daemon.number(drifted).await < before + 2.0 {} };
    soon("looks after it", looked).await;
    assert_eq!(journal.lines("a trigger has drifted").len(), 1);
    assert!(journal.lines("as it should be again").is_empty());
}

#[tokio::test]
async fn a_look_that_is_refused_is_warned_of_once_and_changes_go_on_arriving() {
    let database = shop().await;
    database
        .run("alter function pgbell.drift() rename to drift_elsewhere")
        .await;
    let journal = Journal::start();
    let daemon = Daemon::with(&database, looking).await;
    let refused = "pgbell_drift_looks_total{reason=\"refused\"}";
    let often = async { while daemon.number(refused).await < 3.0 {} };
    soon("refusals", often).await;
    let (status, ready) = daemon.get("/readyz").await;
    assert!(
        status == 200 && ready.contains("warning: drift: ") && ready.contains("pgbell install"),
        "{ready}"
    );
    let mut client = daemon.client_in(&["product:1"]).await;
    let told = client
        .told_of(&database, "update products set price = 3 where id = 1")
        .await;
    assert_eq!(told, expect("product:1 <- product:price_changed"));
    assert_eq!(journal.lines("the database wants attention").len(), 1);
    assert_eq!(daemon.losses("query").await, 0.0);

    database
        .run("alter function pgbell.drift_elsewhere() rename to drift")
        .await;
    let well = async { while daemon.get("/readyz").await.1 != "ok\n" {} };
    soon("the warning to be taken back", well).await;
}

#[tokio::test]
async fn an_older_schema_is_warned_of_once() {
    let database = shop().await;
    database
        .run("drop function pgbell.drift(); drop function pgbell.note_applied(), pgbell.note_applied(text[]);
              drop view pgbell.current_column, pgbell.current_trigger;
              drop table pgbell.applied_trigger, pgbell.applied_column;
              drop event trigger pgbell_drift; drop event trigger pgbell_drift_drop;
              drop function pgbell.note_ddl(); drop sequence pgbell.ddl")
        .await;
    let journal = Journal::start();
    let daemon = Daemon::with(&database, looking).await;
    let refused = "pgbell_drift_looks_total{reason=\"refused\"}";
    let often = async { while daemon.number(refused).await < 3.0 {} };
    soon("refusals", often).await;
    let warned = journal.lines("the database wants attention");
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("pgbell install"), "{warned:?}");
    daemon.client_in(&["product:1"]).await;
}

/// How often DDL was noted.
async fn moved(database: &Database) -> String {
    database.value("select last_value from pgbell.ddl").await
}

#[tokio::test]
async fn the_event_trigger_notes_ddl_of_anybody_but_not_of_temporary_objects() {
    let database = shop().await;
    let plain = plain(&database).await;
    for (ddl, is_noted) in [
        ("create temp table scratch (x int)", false),
        ("alter table scratch add y int", false),
        ("create index on scratch (x)", false),
        ("drop table scratch", false),
        (
            "begin; create temp table passing on commit drop as select 1 as x; commit",
            false,
        ),
        ("create table plain.mine (x int)", true),
        ("alter table plain.mine add y int", true),
        ("alter table plain.mine drop y", true),
        ("drop table plain.mine", true),
    ] {
        let before = moved(&database).await;
        plain.run(ddl).await;
        assert_eq!(moved(&database).await != before, is_noted, "{ddl}");
    }
}

/// A session of a role that has no right on pgbell, and a schema of its own.
async fn plain(database: &Database) -> Database {
    let name = database.value("select current_database()").await;
    database
        .run(&format!(
            "create role plain_{name}; create schema plain authorization plain_{name}"
        ))
        .await;
    let plain = database.session().await;
    plain.run(&format!("set role plain_{name}")).await;
    plain
}

#[tokio::test]
async fn no_ddl_fails_or_waits_whatever_is_left_of_pgbell() {
    let database = shop().await;
    let plain = plain(&database).await;
    plain.run("set lock_timeout = '10s'").await;
    let ddl =
        "create table plain.mine (x int); alter table plain.mine add y int; drop table plain.mine";
    let holder = database.session().await;
    holder.run("begin; alter sequence pgbell.ddl cache 1").await;
    plain
        .run(&format!("set statement_timeout = '5s'; {ddl}"))
        .await;
    holder.run("rollback").await;
    for half_removed in [
        "revoke all on schema pgbell from public, pgbell_owner",
        "alter sequence pgbell.ddl rename to elsewhere",
        "drop sequence pgbell.elsewhere",
        "create view pgbell.ddl as select 1",
        "alter schema pgbell rename to elsewhere",
    ] {
        database.run(half_removed).await;
        plain.run(ddl).await;
    }
    database.run("drop schema elsewhere cascade").await;
    plain.run(ddl).await;
    assert_eq!(
        database
            .value("select count(*) from pg_event_trigger")
            .await,
        "0"
    );
}

#[tokio::test]
async fn ddl_may_be_prepared_and_read_only_transactions_stay_so() {
    let database = shop().await;
    let plain = plain(&database).await;
    let name = database.value("select current_database()").await;
    plain.run("begin; create table plain.mine (x int)").await;
    plain.run(&format!("prepare transaction '{name}'")).await;
    database.run(&format!("commit prepared '{name}'")).await;
    plain.run("begin; drop table plain.mine").await;
    plain.run(&format!("prepare transaction '{name}'")).await;
    database.run(&format!("rollback prepared '{name}'")).await;
    plain
        .run("begin; savepoint s; create table plain.other (x int); rollback to s; commit")
        .await;
    plain.run("drop table plain.mine").await;
}

#[tokio::test]
async fn an_installer_who_may_not_create_event_triggers_is_told_so_and_takes_none_over() {
    let server = Server::start().await;
    let admin = server.database().await;
    admin
        .run(
            "create role owner login createrole; alter database shop owner to owner;
              grant pgbell_owner, pgbell_daemon to owner with admin option",
        )
        .await;
    let owner = server.url.replace("postgres@", "owner@");
    let by = async |url: &str| install::install(url).await.expect("installed").told_of_ddl;
    assert!(by(&server.url).await, "a superuser's is there");
    assert!(by(&owner).await, "and stays as it is");
    let owned = "select proowner::regrole from pg_proc where proname = 'note_ddl'";
    assert_eq!(admin.value(owned).await, "postgres");
    admin
        .run("set role owner; drop schema pgbell cascade")
        .await;
    admin.run("reset role").await;
    assert_eq!(
        admin.value("select count(*) from pg_event_trigger").await,
        "0"
    );
    let script = install::install_script();
    let by_hand = Database::at(&owner).await;
    by_hand.run(&script).await;
    assert!(!by(&owner).await, "nobody made one");
    assert!(by(&server.url).await, "until a superuser installs");
}
