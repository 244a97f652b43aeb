//! Trigger files and a database: what differs, and that only this is applied.

use std::path::Path;

use pgbell::install::{
    self, Error, SqlFile,
    triggers::{self, Action, Finding, State, Subject, Target},
};

use crate::support::{
    database::{Database, trigger_file},
    soon,
};

/// One of the core files with something else in it.
fn edited(table: &str, from: &str, to: &str) -> SqlFile {
    let text = trigger_file(table).text().to_owned();
    assert!(text.contains(from), "{table}.sql does not say {from}");
    file(&format!("{table}.sql"), &text.replace(from, to))
}

fn file(name: &str, text: &str) -> SqlFile {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(name);
    std::fs::write(&path, text).expect("a file");
    SqlFile::read(Path::new(&path)).expect("a file")
}

/// A table `note` and the trigger file for it, `after` at its end.
fn notes(after: &str) -> SqlFile {
    let text = format!(
        "create or replace function pgbell.note_written()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into pgbell.change (entity, id, op, events, rooms)
    select 'note', id, 'insert', '{{note:written}}', array['note:' || id] from new_rows;
    return null;
end
$$;

alter function pgbell.note_written() owner to pgbell_owner;
revoke all on function pgbell.note_written() from public;

create or replace trigger pgbell_note_insert
after insert on public.note
referencing new table as new_rows
for each statement
execute function pgbell.note_written();
{after}"
    );
    file("note.sql", &text)
}

async fn apply(database: &Database, file: &SqlFile) -> Vec<Finding> {
    let files = std::slice::from_ref(file);
    soon("apply", triggers::apply(&database.url, files))
        .await
        .expect("applied")
}

async fn refusal(database: &Database, file: &SqlFile) -> String {
    let files = std::slice::from_ref(file);
    let refused = soon("apply", triggers::apply(&database.url, files)).await;
    refused.expect_err("refused").to_string()
}

async fn diff(database: &Database, file: &SqlFile) -> Vec<Finding> {
    let files = std::slice::from_ref(file);
    let findings = soon("diff", triggers::diff(&database.url, files)).await;
    let mut findings = findings.expect("compared");
    findings.retain(Finding::differs);
    findings
}

/// What `apply` would do, but for what it leaves alone.
fn actions(findings: &[Finding]) -> Vec<(Action, &str)> {
    findings
        .iter()
        .filter(|finding| finding.action() != Action::Unchanged)
        .map(|finding| (finding.action(), finding.name.as_str()))
        .collect()
}

/// Every version of a function, table or trigger that there has been.
async fn versions(database: &Database) -> String {
    let sql = "select string_agg(version, ' ' order by version) from (
                   select format('%s %s', oid, xmin) from pg_proc
                   union all select format('%s %s', oid, xmin) from pg_class
                   union all select format('%s %s %s', attrelid, attnum, xmin) from pg_attribute
                   union all select format('%s %s', oid, xmin) from pg_trigger
                   union all select format('%s %s', objoid, xmin) from pg_description
               ) as found (version)";
    database.value(sql).await
}

#[tokio::test]
async fn a_second_apply_touches_nothing() {
    let database = Database::new().await;
    let before = versions(&database).await;
    for table in ["products", "inventory", "sales", "orders"] {
        let file = trigger_file(table);
        assert!(diff(&database, &file).await.is_empty(), "{table}");
        for finding in apply(&database, &file).await {
            let expected = match finding.subject {
                Subject::Statement => Action::Ran,
                Subject::Function | Subject::Trigger => Action::Unchanged,
            };
            assert_eq!(finding.action(), expected, "{finding:?}");
        }
    }
    assert_eq!(before, versions(&database).await);
}

#[tokio::test]
async fn an_edit_by_hand_shows_in_diff_and_apply_takes_it_back() {
    let database = Database::new().await;
    let file = trigger_file("products");
    database
        .run(
            "create or replace function pgbell.products_truncated() returns trigger
             language plpgsql as 'begin return null; end';
             alter function pgbell.products_inserted() owner to postgres;
             drop trigger pgbell_products_delete on products;
             create trigger by_hand after insert on products execute function pgbell.products_truncated();
             comment on function pgbell.products_deleted() is 'by hand'",
        )
        .await;
    let found = diff(&database, &file).await;
    let states: Vec<_> = found
        .iter()
        .map(|one| (one.state, one.name.as_str()))
        .collect();
    assert_eq!(
        states,
        [
            (State::Changed, "pgbell.products_inserted()"),
            (State::Changed, "pgbell.products_deleted()"),
            (State::Changed, "pgbell.products_truncated()"),
            (State::Missing, "pgbell_products_delete on public.products"),
            (State::Extra, "by_hand on public.products"),
        ]
    );
    assert!(
        found[0].notes[0].starts_with("owner: \"postgres\" in the database"),
        "{:?}",
        found[0]
    );
    assert!(found[1].notes[0].contains("by hand"), "{:?}", found[1]);
    let text = found[2].diff.as_deref().expect("a text");
    assert!(
        text.contains("\n-AS $function$begin return null; end"),
        "{text}"
    );
    assert!(
        text.contains("\n+    if current_setting('pgbell.enabled', true)"),
        "{text}"
    );

    let done = apply(&database, &file).await;
    let done = actions(&done);
    assert!(
        done.contains(&(Action::Replaced, "pgbell.products_truncated()")),
        "{done:?}"
    );
    assert!(done.contains(&(Action::Created, "pgbell_products_delete on public.products")));
    assert!(done.contains(&(Action::Left, "by_hand on public.products")));
    let left = diff(&database, &file).await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].state, State::Extra);
}

#[tokio::test]
async fn looking_and_replacing_a_function_wait_for_no_writer() {
    let database = Database::with_shop().await;
    // This file grants a right on products, too.
    let file = edited(
        "inventory",
        "security definer\n",
        "security definer cost 99\n",
    );
    let writer = database.session().await;
    writer
        .run("begin; update products set price = 9; update inventory set quantity = 9")
        .await;
    assert_eq!(diff(&database, &file).await.len(), 4);
    let done = apply(&database, &file).await;
    let replaced = |one: &&(Action, &str)| one.0 == Action::Replaced;
    assert_eq!(actions(&done).iter().filter(replaced).count(), 4);
    let waits = "select count(*) from pg_locks
                  where relation in ('products'::regclass, 'inventory'::regclass)
                    and mode <> 'RowExclusiveLock' and mode <> 'AccessShareLock'";
    assert_eq!(database.value(waits).await, "0");
    writer.run("commit").await;
}

#[tokio::test]
async fn row_triggers_reach_partitions_by_themselves_and_inheriting_tables_by_apply() {
    let database = Database::empty().await;
    install::install(&database.url).await.expect("installed");
    let file = file(
        "note.sql",
        "create or replace function pgbell.note_written() returns trigger language plpgsql
         security definer set search_path = pg_catalog, pg_temp as $$
         begin
             insert into pgbell.change (entity, id, op) values ('note', new.id, 'insert');
             return null;
         end $$;
         create or replace trigger pgbell_note_row after insert on public.note
         for each row execute function pgbell.note_written();
         alter table public.note enable always trigger pgbell_note_row;",
    );
    let kinds = [
        "create table note (id int) partition by list (id);
         create table note_a partition of note for values in (1)",
        "create table note (id int); create table note_a () inherits (note)",
    ];
    for tables in kinds {
        database.run(tables).await;
        apply(&database, &file).await;
        assert!(diff(&database, &file).await.is_empty());
        database.run("insert into note_a values (1)").await;
        assert_eq!(
            database
                .value("select string_agg(id, ' ') from pgbell.change")
                .await,
            "1"
        );
        let removed = remove(&database, &[Target::File(file.clone())]).await;
        assert!(
            removed.contains(&"function pgbell.note_written()".to_owned()),
            "{removed:?}"
        );
        database
            .run("insert into note_a values (1); truncate pgbell.change; drop table note cascade")
            .await;
    }
}

#[tokio::test]
async fn a_misspelt_column_is_refused_with_its_line_before_it_fails_a_write() {
    let database = Database::new().await;
    database.run(include_str!("support/shop.sql")).await;
    let before = versions(&database).await;
    let cases = [
        (
            "o.price is distinct from n.price",
            "o.price is distinct from n.prize",
            "prize",
        ),
        ("from old_rows;\n", "from older_rows;\n", "older_rows"),
    ];
    for (from, to, word) in cases {
        let file = edited("products", from, to);
        let refused = refusal(&database, &file).await;
        assert!(
            refused.contains(&format!("products.sql:{}", line_of(&file, to))),
            "{refused}"
        );
        assert!(
            refused.contains(word) && refused.contains("nothing was changed"),
            "{refused}"
        );
    }
    assert_eq!(before, versions(&database).await);
    database
        .run("update products set price = price + 1; delete from products")
        .await;
}

fn line_of(file: &SqlFile, words: &str) -> usize {
    let (before, _) = file.text().split_once(words).expect("the words");
    before.lines().count()
}

#[tokio::test]
async fn a_branch_for_many_rows_is_tried_too_and_on_empty_tables() {
    let database = Database::new().await;
    let file = edited("products", "having count(*) >", "having count(o.prize) >");
    let refused = refusal(&database, &file).await;
    let line = line_of(&file, "having count(o.prize)");
    assert!(
        refused.contains(&format!("products.sql:{line}: column o.prize")),
        "{refused}"
    );
    assert!(
        refused.contains("columns of public.products: id, store_id"),
        "{refused}"
    );
}

#[tokio::test]
async fn partitions_and_children_get_the_triggers_of_their_table() {
    let database = Database::empty().await;
    install::install(&database.url).await.expect("installed");
    database
        .run(
            "create table note (id int, at date) partition by list (at);
             create table note_a partition of note for values in ('2026-01-01');
             create table note_b partition of note for values in ('2026-01-02') partition by list (id);
             create table note_b1 partition of note_b for values in (1)",
        )
        .await;
    let file = notes("alter table note enable always trigger pgbell_note_insert;");
    apply(&database, &file).await;
    database.run("insert into note_a values (1, '2026-01-01'); insert into note_b1 values (1, '2026-01-02')").await;
    database
        .run("insert into note values (7, '2026-01-01')")
        .await;
    assert_eq!(
        database
            .value("select string_agg(id, ' ') from pgbell.change")
            .await,
        "1 1 7"
    );

    database
        .run("create table note_c partition of note for values in ('2026-01-03')")
        .await;
    let missing = diff(&database, &file).await;
    assert_eq!(missing[0].name, "pgbell_note_insert on public.note_c");
    let done = apply(&database, &file).await;
    let done = actions(&done);
    assert_eq!(
        done[0],
        (Action::Created, "pgbell_note_insert on public.note_c")
    );
    assert!(diff(&database, &file).await.is_empty());
    let firing = "select string_agg(distinct tgenabled::text, '') || count(*) from pg_trigger
                   where tgname = 'pgbell_note_insert'";
    assert_eq!(database.value(firing).await, "A5");
}

#[tokio::test]
async fn a_disabled_trigger_stays_disabled_and_is_said_to_be() {
    let database = Database::new().await;
    database
        .run("alter table products disable trigger pgbell_products_update")
        .await;
    database
        .run("alter table products enable replica trigger pgbell_products_insert")
        .await;
    let file = edited(
        "products",
        "referencing old table as old_rows new table as new_rows\nfor each statement",
        "referencing old table as old_rows new table as new_rows\nwhen (pg_trigger_depth() < 9)",
    );
    let done = apply(&database, &file).await;
    let update = done
        .iter()
        .find(|one| one.name.starts_with("pgbell_products_update"))
        .expect("a trigger");
    assert_eq!(update.action(), Action::Replaced);
    assert!(update.notes[0].contains("IS DISABLED"), "{update:?}");
    let states = "select string_agg(tgenabled::text, ' ' order by tgname) from pg_trigger where tgrelid = 'products'::regclass and not tgisinternal";
    assert_eq!(database.value(states).await, "O R O D");
    assert!(
        diff(&database, &file)
            .await
            .iter()
            .any(|one| one.notes.iter().any(|note| note.contains("IS DISABLED")))
    );
}

#[tokio::test]
async fn a_table_that_writers_hold_is_waited_for_and_given_up() {
    let database = Database::new().await;
    database.run("create table note (id int)").await;
    let file = notes("");
    let writer = database.session().await;
    writer.run("begin; insert into note values (1)").await;
    let files = [file];
    let apply = triggers::apply(&database.url, &files);
    let release = async {
        let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
        while database.value(waits).await == "0" {
            tokio::task::yield_now().await;
        }
        writer.run("commit").await;
    };
    let (applied, ()) = tokio::join!(soon("apply", apply), soon("a waiting apply", release));
    applied.expect("applied once the writer was done");
}

#[tokio::test]
async fn a_file_that_ends_the_transaction_is_refused_before_anything_is_run() {
    let database = Database::new().await;
    database.run("create table note (id int)").await;
    let refused = triggers::apply(&database.url, &[notes("\ncommit;\n")])
        .await
        .expect_err("refused");
    assert!(
        matches!(&refused, Error::EndsTransaction { at } if at.ends_with("note.sql:23")),
        "{refused}"
    );
    assert_eq!(
        database
            .value("select count(*) from pg_proc where proname = 'note_written'")
            .await,
        "0"
    );
}

#[tokio::test]
async fn the_printed_difference_is_what_apply_does() {
    let database = Database::new().await;
    let file = edited("products", "'name', name, 'price', price", "'name', name");
    let files = [file];
    let sql = triggers::difference_script(&database.url, &files)
        .await
        .expect("a script");
    assert!(
        sql.contains("pgbell.products_inserted()") && !sql.contains("create or replace trigger"),
        "{sql}"
    );
    database.run(&sql).await;
    assert!(diff(&database, &files[0]).await.is_empty());
}

/// What triggers leave in a database: functions, rights, moments and themselves.
const TRACES: &str = r#"
    select string_agg(trace, e'\n' order by trace) from (
        select concat_ws(' ', 'relation', oid::regclass, coalesce(relacl,
                         acldefault((case relkind when 'S' then 's' else 'r' end)::"char", relowner)))
          from pg_class where relnamespace::regnamespace::text !~ '^pg_'
        union all select concat_ws(' ', 'column', attrelid::regclass, attname, attacl)
          from pg_attribute where attacl is not null and attrelid > 16383
        union all select concat_ws(' ', 'function', oid::regprocedure, proacl) from pg_proc
         where pronamespace::regnamespace::text <> 'pg_catalog'
        union all select concat_ws(' ', 'trigger', tgrelid::regclass, tgname) from pg_trigger
        union all select concat_ws(' ', 'comment', objoid, description) from pg_description where objoid > 16383
        union all select concat_ws(' ', 'moment', entity, id, what) from pgbell.schedule
    ) as found (trace)"#;

async fn remove(database: &Database, targets: &[Target]) -> Vec<String> {
    let removals = soon("remove", triggers::remove(&database.url, targets)).await;
    removals
        .expect("removed")
        .into_iter()
        .map(|one| one.what)
        .collect()
}

fn core_files() -> [SqlFile; 4] {
    ["products", "inventory", "sales", "orders"].map(trigger_file)
}

/// A shop with partitioned notes and without triggers.
async fn bare_shop() -> Database {
    let database = Database::empty().await;
    install::install(&database.url).await.expect("installed");
    database.run(include_str!("../sql/shop/schema.sql")).await;
    database
        .run(
            "create table note (id int, at date) partition by list (at);
             create table note_a partition of note for values in ('2026-01-01')",
        )
        .await;
    database
}

#[tokio::test]
async fn remove_leaves_no_trace_of_tables_or_files() {
    let database = bare_shop().await;
    let before = database.value(TRACES).await;
    let files = [&core_files()[..], &[notes("")]].concat();
    let by_file: Vec<_> = files.iter().cloned().map(Target::File).collect();
    let by_table = ["products", "public.inventory", "sales", "orders", "note"];
    let by_table: Vec<_> = by_table.map(|table| Target::Table(table.to_owned())).into();
    for targets in [by_file, by_table] {
        triggers::apply(&database.url, &files)
            .await
            .expect("applied");
        database
            .run(
                "insert into products (store_id, seller_id) values (1, 1);
                 insert into sales (product_id, starts_at)
                 select id, now() + interval '1 day' from products",
            )
            .await;
        assert_ne!(before, database.value(TRACES).await);
        let removed = remove(&database, &targets).await;
        assert!(removed.contains(&"trigger pgbell_note_insert on public.note_a".to_owned()));
        assert!(
            removed.contains(&"1 scheduled moments of sale".to_owned()),
            "{removed:?}"
        );
        assert_eq!(before, database.value(TRACES).await);
        assert!(remove(&database, &targets).await.is_empty());
        database
            .run("delete from sales; delete from products")
            .await;
    }
}

#[tokio::test]
async fn remove_keeps_what_others_need_and_prints_what_it_does() {
    let database = Database::with_shop().await;
    let sales = [Target::Table("sales".to_owned())];
    let sql = triggers::remove_script(&database.url, &sales)
        .await
        .expect("a script");
    assert!(sql.contains("drop function pgbell.sale_moments("), "{sql}");
    assert!(
        !sql.contains("revoke"),
        "inventory reads products, too: {sql}"
    );
    database.run(&sql).await;
    assert!(remove(&database, &sales).await.is_empty());
    for file in core_files() {
        let is_sales = file.name().ends_with("sales.sql");
        assert_eq!(
            diff(&database, &file).await.is_empty(),
            !is_sales,
            "{}",
            file.name()
        );
    }
    database
        .run("insert into sales (product_id) select id from products")
        .await;
    let left = remove(&database, &[Target::File(trigger_file("inventory"))]).await;
    assert!(
        left.contains(&"rights of pgbell_owner on public.products".to_owned()),
        "{left:?}"
    );
}

#[tokio::test]
async fn remove_of_what_is_not_there_says_so() {
    let database = Database::new().await;
    let refused = triggers::remove(&database.url, &[Target::Table("nowhere".to_owned())]).await;
    let refused = refused.expect_err("refused").to_string();
    assert!(
        refused.contains("nowhere: there is no such table"),
        "{refused}"
    );
}

#[tokio::test]
async fn uninstall_takes_event_triggers_and_those_of_partitions_along() {
    let database = bare_shop().await;
    apply(&database, &notes("")).await;
    database
        .run(
            "create function pgbell.looked() returns event_trigger language plpgsql as 'begin end';
             create event trigger pgbell_looked on ddl_command_end execute function pgbell.looked();
             create event trigger pgbell_dropped on sql_drop execute function pgbell.looked()",
        )
        .await;
    // Its last statements are about roles, which other databases of this server need.
    install::uninstall(&database.url).await.expect("removed");
    let left = "select (select count(*) from pg_event_trigger) + (select count(*) from pg_trigger
                 where tgname like 'pgbell%') + (select count(*) from pg_namespace where nspname = 'pgbell')";
    assert_eq!(database.value(left).await, "0");
}

/// Exit code, stdout and stderr of the command in a directory.
fn command(directory: &Path, database: &str, arguments: &[&str]) -> (i32, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pgbell"));
    command.args(arguments).current_dir(directory).env_clear();
    if !database.is_empty() {
        command.env("DATABASE_URL", database);
    }
    let output = command.output().expect("the command runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let code = output.status.code().expect("an exit code");
    (code, text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_can_branch_on_what_the_commands_find() {
    let database = Database::new().await;
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let (code, _, complaint) = command(at, &database.url, &["triggers", "diff"]);
    assert_eq!((code, complaint.lines().count()), (2, 1), "{complaint}");

    let folder = at.join("sql/triggers");
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = edited("products", "'name', name, 'price', price", "'name', name");
    std::fs::write(folder.join("products.sql"), file.text()).expect("a file");
    let (code, json, _) = command(at, &database.url, &["triggers", "diff", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((code, &report["differs"]), (1, &true.into()));

    let apply = ["triggers", "apply", "sql/triggers/products.sql"];
    let (code, done, _) = command(at, &database.url, &apply);
    assert!(
        code == 0 && done.contains("replaced function pgbell.products_inserted()\n"),
        "{done}"
    );
    assert!(
        done.contains("unchanged trigger pgbell_products_insert on public.products\n"),
        "{done}"
    );
    let (code, same, _) = command(at, &database.url, &["triggers", "diff"]);
    assert!(
        code == 0 && same.lines().all(|line| line.starts_with("same ")),
        "{same}"
    );

    let print = ["triggers", "apply", "--print", "sql/triggers/products.sql"];
    let (code, whole, _) = command(at, "", &print);
    assert!(
        code == 0 && whole.contains("create or replace trigger"),
        "{whole}"
    );
    let (code, json, _) = command(
        at,
        &database.url,
        &["triggers", "remove", "products", "--json"],
    );
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (code, report["removed"].as_array().map(Vec::len)),
        (0, Some(8))
    );
}
