//! What the write path must never do: run somebody else's code as its owner, need a right, or fail a
//! write.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytesize::ByteSize;
use pgbell::capture::Transport;
use tokio_postgres::NoTls;

use crate::support::{
    client::{expect, told},
    daemon::Daemon,
    database::Database,
    soon,
};

/// A role of its own, which may do what `grants` says, in which `{role}` is its name. The session is
/// a superuser's that plays it, so that it can log in nowhere else.
async fn role(database: &Database, grants: &str) -> (String, Database) {
    let role = database
        .value("select format('role_%s_%s', current_database(), (random() * 1e9)::int)")
        .await;
    let sql = format!("create role {role} login; {grants}").replace("{role}", &role);
    database.run(&sql).await;
    let session = database.session().await;
    session
        .run(&format!("set session authorization {role}"))
        .await;
    (role, session)
}

const WRITER: &str =
    "grant select, insert, update, delete, truncate on all tables in schema public to {role};
     grant usage on all sequences in schema public to {role}";

/// Statements that fire every trigger of the four tables and cross every line in them. No operator,
/// function or cast is looked up for the statements themselves.
const WRITES: &[&str] = &[
    "insert into public.products (id, store_id, seller_id, name, price) values (50, 1, 11, 'Hat', 5)",
    "update public.products set price = 7, name = 'x', status = 'inactive', options = '[1]'",
    "update public.products set seller_id = 13, store_id = 2",
    "insert into public.inventory (product_id, quantity) values (50, 20)",
    "update public.inventory set quantity = 5",
    "update public.inventory set reserved = 5",
    "update public.inventory set quantity = 50",
    "insert into public.sales (product_id, discount_percent, starts_at, ends_at) values (50, 5, '2020-01-01', '2100-01-01')",
    "update public.sales set discount_percent = 10, starts_at = '2099-01-01'",
    "update public.sales set stock_limit = 5, sold_count = 5",
    "insert into public.orders (id, order_number, user_id, seller_id, store_id, total) values (50, 'A', 1, 11, 1, 9)",
    "update public.orders set status = 'completed', payment_status = 'paid', tracking_number = 'T', note = 'x'",
    "delete from public.orders",
    "delete from public.sales",
    "delete from public.inventory",
    "truncate public.orders, public.sales, public.inventory cascade",
    "create table evil.by_the_way (x int)",
    "drop table evil.by_the_way",
    "delete from public.products",
    "truncate public.products cascade",
];

/// Puts into schema `evil`, and into the temporary one, what stands in for each function, operator,
/// type and relation of `pg_catalog` that a function of pgbell names, and notes as whom it ran.
const SHADOWS: &str = r"
    create table evil.caught (who text, what text);
    grant insert on evil.caught to public;
    create function evil.spy(what pg_catalog.text) returns boolean language plpgsql
    set search_path = pg_catalog as $$
    begin
        insert into evil.caught values (current_user, what);
        return true;
    exception when others then
        return true; -- where nothing may be written
    end $$;

    do $do$
    declare
        names  text[] := array(select distinct word[1] from pg_proc as own,
                                      regexp_matches(own.prosrc, '\m([a-z_0-9]+)\M', 'g') as word
                                where own.pronamespace = 'pgbell'::regnamespace);
        shadow record;
        made   int := 0;
    begin
        for shadow in
            select proname, proargtypes::oid[]::regtype[] as types, prorettype::regtype as result, proretset
              from pg_proc where pronamespace = 'pg_catalog'::regnamespace and proname = any (names)
               and prokind in ('f', 'a', 'w')
        loop
            begin
                execute format('create function evil.%I(%s) returns %s %s language plpgsql as
                                $f$ begin perform evil.spy(%L); return %s; end $f$',
                               shadow.proname, array_to_string(shadow.types, ', '),
                               case when shadow.proretset then 'setof' end, shadow.result, shadow.proname,
                               case when not shadow.proretset and shadow.result <> 'void'::regtype then 'null' end);
                made := made + 1;
            exception when others then null; -- no such function can be written in this language
            end;
        end loop;

        for shadow in
            select oprname, oprleft::regtype as l, oprright::regtype as r, oprresult::regtype as result, oid
              from pg_operator where oprleft <> 0 and oprright <> 0
               and oprname in ('=', '<>', '<', '>', '<=', '>=', '||', '-', '+', '*', '/', '~', '~~', '->', '->>', '%')
        loop
            begin
                execute format('create function evil.operate_%s(%s, %s) returns %s language plpgsql as
                                $f$ begin perform evil.spy(%L); return null; end $f$;
                                create operator evil.%s (leftarg = %2$s, rightarg = %3$s, function = evil.operate_%1$s)',
                               shadow.oid, shadow.l, shadow.r, shadow.result, 'operator ' || shadow.oprname, shadow.oprname);
                made := made + 1;
            exception when others then null;
            end;
        end loop;

        for shadow in
            select typname, oid::regtype as type from pg_type
             where typnamespace = 'pg_catalog'::regnamespace and typname = any (names) and typtype = 'b'
        loop
            begin
                execute format('create domain evil.%I as pg_catalog.%1$I check (evil.spy(%L))', shadow.typname,
                               'type ' || shadow.typname);
                made := made + 1;
            exception when others then null;
            end;
        end loop;

        -- What functions name without a schema, transition tables too.
        for shadow in
            select relname, oid::regclass::text as source from pg_class
             where relnamespace = 'pg_catalog'::regnamespace and relname = any (names) and relkind in ('r', 'v')
            union all select name, 'pg_catalog.pg_namespace' from unnest('{new_rows,old_rows,change,install}'::text[]) as name
        loop
            begin
                execute format('create view evil.%I as select * from %s where evil.spy(%L)', shadow.relname, shadow.source,
                               'view ' || shadow.relname);
                execute format('create temp view %I as select * from %s where evil.spy(%L)', shadow.relname, shadow.source,
                               'temporary view ' || shadow.relname);
                made := made + 1;
            exception when others then null;
            end;
        end loop;
        if made < 150 then
            raise exception 'only % shadows', made;
        end if;
    end $do$;

    create type evil.thing as enum ('thing');
    create function evil.thing_to_text(evil.thing) returns pg_catalog.text language plpgsql as
    $$ begin perform evil.spy('cast'); return 'thing'; end $$;
    create cast (evil.thing as pg_catalog.text) with function evil.thing_to_text as implicit;
    grant usage on schema evil to public";

/// Where names are looked up by somebody who means harm.
const EVIL_PATHS: [&str; 2] = [
    "set search_path = evil, pg_catalog, public",
    "set search_path = pg_temp, evil, pg_catalog, public",
];

async fn attacker(database: &Database) -> Database {
    let grants = format!(
        "{WRITER}; create schema evil authorization {{role}}; grant temp on database {{database}} to {{role}}"
    );
    let name = database.value("select current_database()").await;
    let (_, attacker) = role(database, &grants.replace("{database}", &name)).await;
    attacker.run(SHADOWS).await;
    attacker
}

/// What of the attacker's ran as the owner of pgbell.
async fn caught(database: &Database) -> String {
    let caught =
        "select string_agg(distinct what, ', ') from evil.caught where who = 'pgbell_owner'";
    database.value(caught).await
}

#[tokio::test]
async fn nothing_of_an_attacker_runs_as_the_owner_when_it_writes() {
    let database = Database::with_shop().await;
    let attacker = attacker(&database).await;
    for (path, transport) in EVIL_PATHS.iter().zip(["doorbell", "payload"]) {
        let transport = format!("select pgbell.use_transport('{transport}')");
        database.run(&transport).await;
        attacker.run(path).await;
        for write in WRITES {
            attacker.run(write).await;
            assert_eq!(caught(&database).await, "", "{write}");
        }
        assert!(logged(&database).await > 15, "the triggers ran");
    }
}

async fn logged(database: &Database) -> u64 {
    let count = database.value("select count(*) from pgbell.change").await;
    count.parse().expect("a number")
}

/// Security definer functions that can be called, with an argument of each type.
const CALLS: &str = "
    select format('select pgbell.%I(%s)', proname, array_to_string(array(
               select case type when 'text'::regtype then '''doorbell''' when 'text[]'::regtype then '''public.products'''
                                when 'interval'::regtype then '''1 hour''' when 'timestamptz'::regtype then '''2020-01-01'''
                                when 'integer'::regtype then '1' when 'bigint'::regtype then '1'
                                else 'no argument of type ' || type end
                 from unnest(proargtypes::oid[]::regtype[]) as type), ', '))
      from pg_proc
     where pronamespace = 'pgbell'::regnamespace and prosecdef
       and prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)";

#[tokio::test]
async fn nothing_of_an_attacker_runs_as_the_owner_whoever_calls_its_functions() {
    let database = Database::with_shop().await;
    let attacker = attacker(&database).await;
    let calls = database
        .client()
        .query(CALLS, &[])
        .await
        .expect("functions");
    assert!(calls.len() >= 10, "{}", calls.len());
    // An administrator who was talked into the attacker's search_path may call everything.
    let misled = database.session().await;
    for path in EVIL_PATHS {
        misled.run(path).await;
        for call in &calls {
            let call: &str = call.get(0);
            assert!(!call.contains("no argument"), "teach this test: {call}");
            // Some refuse their arguments.
            let _ = misled.client().batch_execute(call).await;
            assert_eq!(caught(&database).await, "", "{call}");
        }
        attacker.run(path).await;
        attacker.run("select pgbell.cursor()").await;
        attacker.run("select pgbell.slot()").await;
        assert_eq!(caught(&database).await, "");
    }
}

/// The test of the tests above.
#[tokio::test]
async fn a_function_without_a_pinned_search_path_is_caught() {
    let database = Database::with_shop().await;
    let attacker = attacker(&database).await;
    database
        .run("alter function pgbell.products_deleted() reset search_path")
        .await;
    attacker.run(EVIL_PATHS[0]).await;
    attacker.run("delete from public.products").await;
    let caught = caught(&database).await;
    for trap in ["current_setting", "operator =", "operator ||"] {
        assert!(caught.contains(trap), "{trap} in {caught}");
    }
}

/// Each line is a function that is not as it has to be.
const UNFIT: &str = r#"
    select string_agg(format('%s: %s', oid::regprocedure, unfit), e'\n')
      from pg_proc as own
     cross join lateral (
        select 'has no comment' where obj_description(oid, 'pg_proc') is null
        union all
        select 'is security definer without a pinned search_path'
         where prosecdef and not coalesce(proconfig, '{}') @> '{"search_path=pg_catalog, pg_temp"}'
        union all
        select 'neither pins a search_path nor is SQL that can be inlined'
         where not prosecdef and not coalesce(proconfig, '{}') @> '{"search_path=pg_catalog, pg_temp"}'
           and (prolang <> (select oid from pg_language where lanname = 'sql') or proconfig is not null)
        union all
        select 'may be called by everybody'
         where has_function_privilege('public', oid, 'execute')
           and oid not in ('pgbell.cursor()'::regprocedure, 'pgbell.slot()'::regprocedure)
        union all
        select format('belongs to %s', proowner::regrole)
         where proowner <> 'pgbell_owner'::regrole
           and oid <> 'pgbell.note_ddl()'::regprocedure
     ) as found (unfit)
     where pronamespace = 'pgbell'::regnamespace"#;

#[tokio::test]
async fn every_function_pins_its_path_or_melts_away_is_explained_and_is_closed_to_the_public() {
    let database = Database::new().await;
    assert_eq!(database.value(UNFIT).await, "");
    // It runs in every superuser's DDL, so pgbell_owner must not be able to replace it.
    let owner = "select proowner::regrole from pg_proc where proname = 'note_ddl'";
    assert_eq!(database.value(owner).await, "postgres");
}

#[tokio::test]
async fn a_writer_needs_no_right_on_pgbell() {
    let database = Database::with_shop().await;
    let (name, writer) = role(&database, WRITER).await;
    database
        .run("revoke usage on schema pgbell from public")
        .await;
    for write in WRITES.iter().filter(|write| !write.contains("evil")) {
        writer.run(write).await;
    }
    assert!(logged(&database).await > 15);
    let rights = format!(
        "select string_agg(relname, ' ') from pg_class
          where relnamespace = 'pgbell'::regnamespace and relkind in ('r', 'p', 'v')
            and (has_table_privilege('{name}', oid, 'select, insert, update, delete, truncate')
                 or has_any_column_privilege('{name}', oid, 'select, insert, update'))"
    );
    assert_eq!(database.value(&rights).await, "");
}

/// What the role was granted, and what it may do with any table of ours or theirs.
const RIGHTS_OF_THE_DAEMON: &str = r"
    select string_agg(line, e'\n' order by line) from (
        select format('%s: execute', oid::regprocedure)
          from pg_proc, aclexplode(proacl) as entry where grantee = 'pgbell_daemon'::regrole
        union all select format('%s: %s', oid::regclass, lower(privilege_type))
          from pg_class, aclexplode(relacl) as entry where grantee = 'pgbell_daemon'::regrole
        union all select format('schema %s: %s', nspname, lower(privilege_type))
          from pg_namespace, aclexplode(nspacl) as entry where grantee = 'pgbell_daemon'::regrole
        union all select format('column %s.%s: %s', attrelid::regclass, attname, lower(privilege_type))
          from pg_attribute, aclexplode(attacl) as entry where grantee = 'pgbell_daemon'::regrole
        union all select format('%s: may %s', oid::regclass, privilege)
          from pg_class, unnest('{select,insert,update,delete,truncate,references,trigger}'::text[]) as privilege
         where relkind in ('r', 'p', 'v', 'm', 'f')
           and relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
           and has_table_privilege('pgbell_daemon', oid, privilege)
        union all select format('member of %s', roleid::regrole)
          from pg_auth_members where member = 'pgbell_daemon'::regrole
    ) as found (line)";

const FIXED_RIGHTS: &[&str] = &[
    "pgbell.arm(): execute",
    "pgbell.drift(): execute",
    "pgbell.enter_timeline(): execute",
    "pgbell.epoch(): execute",
    "pgbell.fire_due(integer): execute",
    "pgbell.forget_revocations(integer): execute",
    "pgbell.mute(): execute",
    "pgbell.rotate(interval,bigint,interval): execute",
    "pgbell.use_transport(text): execute",
    "pgbell.change: may select",
    "pgbell.change: select",
    "pgbell.ddl: select",
    "pgbell.install: may select",
    "pgbell.install: select",
    "pgbell.revocation: may select",
    "pgbell.revocation: select",
    "pgbell.rotation: may select",
    "pgbell.rotation: select",
    "pgbell.schedule: may select",
    "pgbell.schedule: select",
];

#[tokio::test]
async fn the_daemon_has_these_rights_and_no_other() {
    let database = Database::new().await;
    let rights = database.value(RIGHTS_OF_THE_DAEMON).await;
    let rights: BTreeSet<_> = rights.lines().collect();
    assert_eq!(rights, FIXED_RIGHTS.iter().copied().collect());
    let (_, daemon) = role(&database, "grant pgbell_daemon to {role}").await;
    for forbidden in [
        "select from products",
        "update products set price = 1",
        "insert into pgbell.change (entity) values ('x')",
        "update pgbell.change set rooms = '{*}'",
        "delete from pgbell.change",
        "truncate pgbell.change",
        "truncate pgbell.change_0",
        "delete from pgbell.schedule",
        "insert into pgbell.revocation values ('9', now())",
        "delete from pgbell.revocation",
        "update pgbell.install set horizon = '0'",
        "select setval('pgbell.ddl', 1)",
        "select pgbell.note_applied()",
        "create table pgbell.mine (x int)",
        "alter table pgbell.change disable trigger all",
    ] {
        let refused = daemon.client().batch_execute(forbidden).await;
        let refusal = refused.expect_err(forbidden);
        let refusal = refusal.as_db_error().expect("a refusal").message();
        let words = ["permission denied", "must be owner"];
        assert!(
            words.iter().any(|words| refusal.contains(words)),
            "{forbidden}: {refusal}"
        );
    }
}

#[tokio::test]
async fn a_daemon_with_these_rights_does_all_it_has_to() {
    for transport in [Transport::Doorbell, Transport::Payload, Transport::Poll] {
        let database = Database::with_shop().await;
        database.run("select pgbell.note_applied()").await;
        let (name, _) = role(&database, "grant pgbell_daemon to {role}").await;
        let login = Database::at(&login(&database, &name)).await;
        let daemon = Daemon::with(&login, |config| {
            config.database.transport = transport;
            config.database.drift_interval = Duration::from_millis(50);
            config.log.rotate_interval = Duration::from_millis(50);
        })
        .await;
        let mut client = daemon.client_in(&["product:1"]).await;
        let told = client
            .told_of(&database, "update products set price = 7 where id = 1")
            .await;
        assert_eq!(told, expect("product:1 <- product:price_changed"));
        let looked = async {
            let clean = "pgbell_drift_looks_total{reason=\"clean\"}";
            let idle = "pgbell_log_rotations_total{reason=\"idle\"}";
            while daemon.number(clean).await < 1.0 || daemon.number(idle).await < 1.0 {}
        };
        soon("upkeep", looked).await;
        assert_eq!(daemon.get("/readyz").await.1, "ok\n", "{transport:?}");
    }
}

fn login(database: &Database, role: &str) -> String {
    let user = format!("user={role}");
    database.url.replace("user=postgres", &user)
}

#[tokio::test]
async fn nobody_logs_in_as_a_role_of_pgbell_and_neither_has_an_attribute() {
    let database = Database::new().await;
    for role in ["pgbell_owner", "pgbell_daemon"] {
        let connected = tokio_postgres::connect(&login(&database, role), NoTls).await;
        let refusal = connected.map(drop).expect_err("no login");
        let refusal = refusal.as_db_error().expect("a refusal").message();
        assert!(refusal.contains("is not permitted to log in"), "{refusal}");
    }
    let attributes = "select count(*) from pg_roles where rolname in ('pgbell_owner', 'pgbell_daemon')
        and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls or rolcanlogin)";
    assert_eq!(database.value(attributes).await, "0");
    let joined = "select count(*) from pg_auth_members
        where member in ('pgbell_owner'::regrole, 'pgbell_daemon'::regrole)";
    assert_eq!(database.value(joined).await, "0");
}

const REPRICE: &str = "update products set price = price + 1 where id = 1";

#[tokio::test]
async fn the_kill_switch_works_from_the_next_statement_or_session_on() {
    let database = Database::with_shop().await;
    let (name, writer) = role(&database, WRITER).await;
    let is_told = async |session: &Database| {
        let before = logged(&database).await;
        session.run(REPRICE).await;
        logged(&database).await > before
    };
    let new_session = async || Database::at(&login(&database, &name)).await;
    assert!(is_told(&writer).await);
    writer.run("set pgbell.enabled = off").await;
    assert!(!is_told(&writer).await, "this session");
    writer.run("reset pgbell.enabled").await;
    assert!(is_told(&writer).await);
    let local = format!("begin; set local pgbell.enabled = off; {REPRICE}; commit");
    let before = logged(&database).await;
    writer.run(&local).await;
    assert_eq!(logged(&database).await, before, "this transaction");
    assert!(is_told(&writer).await, "after that transaction");

    database
        .run(&format!("alter role {name} set pgbell.enabled = off"))
        .await;
    assert!(
        !is_told(&new_session().await).await,
        "new sessions of the role"
    );
    assert!(
        is_told(&database.session().await).await,
        "not those of others"
    );
    database.run(&format!("alter role {name} reset all")).await;
    assert!(is_told(&new_session().await).await);

    let here = database.value("select current_database()").await;
    database
        .run(&format!("alter database {here} set pgbell.enabled = off"))
        .await;
    assert!(
        !is_told(&new_session().await).await,
        "new sessions of the database"
    );
    assert!(
        is_told(&database).await,
        "one that was there keeps what it has"
    );
    database
        .run(&format!("alter database {here} reset all"))
        .await;
    assert!(is_told(&new_session().await).await);

    database.run("set pgbell.enabled = off").await;
    let before = logged(&database).await;
    for write in WRITES.iter().filter(|write| !write.contains("evil")) {
        database.run(write).await;
        assert_eq!(logged(&database).await, before, "{write}");
    }
}

/// Text of a megabyte that does not compress.
const MEGABYTE: &str = "(select string_agg(md5(n::text), '') from generate_series(1, 32768) as n)";

/// Values that are too large, too deep, too many, or no object.
const ODD_VALUES: &[&str] = &[
    "jsonb_build_object('x', repeat('y', 20000))",
    "jsonb_build_object('x', {megabyte})",
    "jsonb_build_object('x', repeat('y', 50 * 1024 * 1024))",
    "jsonb_build_object({megabyte}, 1)",
    "(select jsonb_object_agg(n, n) from generate_series(1, 100000) as n)",
    "(repeat('[', 5000) || repeat(']', 5000))::jsonb",
    "jsonb_build_object('x', (repeat('[', 5000) || repeat(']', 5000))::jsonb)",
    "'[1, 2]'",
    "'null'",
    r#"'"text"'"#,
    r#"'{"": {"\\u0000": "\\u0000\u0001\u2028"}}'"#,
    "jsonb_build_object('price', 'NaN'::numeric, 'at', 'infinity'::timestamptz, 'f', '-Infinity'::float8)",
];

const ODD_ROOMS: &[&str] = &[
    "array[repeat('r', 10000), 'product:1']",
    "array(select 'product:' || n from generate_series(1, 5000) as n)",
    "array(select 'product:' || n from generate_series(1, 100000) as n)",
    "array[array['product:1', 'a'], array['b', 'c']]",
    r"array[null, '', ' ', 'ü', e'a\nb', '**', 'x*y', 'product:1']",
    "'[5:6]={product:1,x}'::text[]",
];

const ODD_EVENTS: &[&str] = &[
    "null",
    "'{}'",
    r"array[null, '', 'no colon', e'a:\n', 'a:' || {megabyte}]",
    "array(select 'a:' || n from generate_series(1, 100000) as n)",
    "array[array['a:b', 'a:c'], array['a:d', 'a:e']]",
];

const ODD_IDS: &[&str] = &[
    "null",
    "''",
    r"e'a\\u0000\x01\x7f\\x00%00\n\\'",
    "{megabyte}",
];

const ODD_COLUMNS: &[[&str; 2]] = &[
    ["entity", "null"],
    ["entity", "{megabyte}"],
    ["op", "null"],
    ["op", "{megabyte}"],
    ["origin", "{megabyte}"],
    ["at", "'infinity'"],
    ["at", "'-infinity'"],
    ["at", "'290000-01-01'"],
    ["at", "'4000-01-01 BC'"],
    ["at", "null"],
];

/// What triggers make of odd rows and odd settings.
const ODD_WRITES: &[&str] = &[
    "update products set price = 'NaN' where id = 1",
    "update products set name = repeat('n', 20000000) where id = 1",
    r"update products set name = e'\\u0000\x01\n' where id = 1",
    "insert into sales (product_id, discount_percent, starts_at, ends_at) values (1, 5, '-infinity', 'infinity')",
    "update sales set starts_at = '290000-01-01', ends_at = null",
    "update sales set starts_at = 'infinity', ends_at = 'infinity'",
    "set local pgbell.bulk_limit = 2; update products set price = price + 1",
    "set local pgbell.bulk_limit = 0; update products set price = 5",
    "set local pgbell.bulk_limit = '-1'; update products set price = 6",
    "set local pgbell.bulk_limit = '99999999999999999999'; update products set price = 7",
    "set local pgbell.bulk_limit = 'many'; update products set price = 8",
    "set local pgbell.enabled = 'perhaps'; update products set price = 9",
    "set local pgbell.ring = 'perhaps'; update products set price = 10",
    "select set_config('pgbell.origin', repeat('o', 1000000), true); update products set price = 11",
];

/// Writes that must be committed and told, by a name or by a resync, to who is in `product:1`.
fn hostile_writes() -> Vec<String> {
    let change = |column: &str, value: &str| {
        let mut columns = BTreeMap::from([
            ("entity", "'product'"),
            ("id", "'1'"),
            ("events", "'{product:updated}'"),
            ("rooms", "'{product:1}'"),
        ]);
        columns.insert(column, value);
        let values: Vec<_> = columns.values().copied().collect();
        let columns: Vec<_> = columns.keys().copied().collect();
        let insert = format!(
            "insert into pgbell.change ({}) values ({})",
            columns.join(", "),
            values.join(", ")
        );
        insert.replace("{megabyte}", MEGABYTE)
    };
    let each = [
        ("new", ODD_VALUES),
        ("old", ODD_VALUES),
        ("rooms", ODD_ROOMS),
        ("events", ODD_EVENTS),
        ("id", ODD_IDS),
    ];
    let each = each
        .iter()
        .flat_map(|(column, values)| values.iter().map(move |value| change(column, value)));
    let others = ODD_COLUMNS
        .iter()
        .map(|[column, value]| change(column, value));
    let writes = ODD_WRITES.iter().map(|write| (*write).to_owned());
    each.chain(others).chain(writes).collect()
}

/// Largest message that any of this may become.
const MOST_BYTES: usize = 256 * 1024;

async fn every_hostile_write_is_told(transport: Transport) {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.database.transport = transport;
        config.hub.queue_size = ByteSize::mib(4);
    })
    .await;
    let mut client = daemon.client_in(&["product:1"]).await;
    for write in hostile_writes() {
        let shown: String = write.chars().take(300).collect();
        let messages = client.messages_of(&database, &write).await;
        let told = told(&messages);
        let rooms = ["product:1", "product:*", "*"];
        assert!(
            rooms.iter().any(|room| told.contains_key(*room)),
            "{transport:?}: {shown}: {told:?}"
        );
        for message in &messages {
            let bytes = message.to_string().len();
            assert!(bytes <= MOST_BYTES, "{transport:?}: {shown}: {bytes} bytes");
        }
    }
    for lost in ["query", "no_answer", "connection_ended", "heartbeat_lost"] {
        assert_eq!(daemon.losses(lost).await, 0.0, "{transport:?}: {lost}");
    }
}

#[tokio::test]
async fn whatever_is_written_is_committed_and_told_by_doorbell() {
    every_hostile_write_is_told(Transport::Doorbell).await;
}

#[tokio::test]
async fn whatever_is_written_is_committed_and_told_by_payload() {
    every_hostile_write_is_told(Transport::Payload).await;
}

#[tokio::test]
async fn whatever_is_written_is_committed_and_told_by_poll() {
    every_hostile_write_is_told(Transport::Poll).await;
}
