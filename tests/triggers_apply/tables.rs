//! Partitions and inheriting tables.

use super::*;

#[tokio::test]
async fn row_triggers_reach_partitions_by_themselves_and_inheriting_tables_by_apply() {
    let database = Database::installed("").await;
    let file = sql_file(
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
async fn partitions_and_children_get_the_triggers_of_their_table() {
    let database = Database::installed(
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

/// The tables `note` and `other` with a trigger each. Between the two a statement takes its time: until
/// the transaction that holds `other` waits for `note`, or is over.
fn two_tables() -> [SqlFile; 2] {
    let slow = "do $$
declare
    here oid := (select oid from pg_database where datname = current_database());
begin
    while exists (select from pg_locks where database = here and relation = 'other'::regclass and mode = 'RowExclusiveLock')
      and not exists (select from pg_locks where database = here and relation = 'note'::regclass and not granted) loop
    end loop;
end $$;";
    let other = notes("").text().replace("note", "other");
    [notes(slow), sql_file("other.sql", &other)]
}

#[tokio::test]
async fn a_writer_who_holds_one_table_and_wants_another_is_never_the_victim_of_apply() {
    let database = Database::empty().await;
    pgbell::install::install(&database.url)
        .await
        .expect("installed");
    database
        .run("create table note (id int); create table other (id int)")
        .await;
    let writer = database.session().await;
    writer.run("begin; insert into other values (1)").await;
    let files = two_tables();
    let applying = Box::pin(triggers::apply(&database.url, &files));
    let is_locked = "select count(*) from pg_locks
                      where database = (select oid from pg_database where datname = current_database())
                        and relation = 'note'::regclass and mode = 'ShareRowExclusiveLock' and granted";
    let writing = async {
        while database.value(is_locked).await == "0" {}
        writer.run("insert into note values (1)").await;
        writer.run("commit").await;
    };
    let both = async { tokio::join!(applying, writing) };
    let (applied, ()) = soon("apply and a writer", both).await;
    assert_eq!(
        actions(&applied.expect("applied"))
            .iter()
            .filter(|(action, name)| *action == Action::Created && name.contains(" on "))
            .count(),
        2
    );
}

#[tokio::test]
async fn nothing_is_replaced_because_the_database_spells_names_otherwise() {
    let database = Database::empty().await;
    pgbell::install::install(&database.url)
        .await
        .expect("installed");
    database
        .run(
            "create table note (id int);
             do $$ begin
                 execute format('alter database %I set quote_all_identifiers = on', current_database());
                 execute format('alter database %I set standard_conforming_strings = off', current_database());
             end $$",
        )
        .await;
    let file = notes("");
    apply(&database, &file).await;
    assert_eq!(actions(&apply(&database, &file).await), []);
}

#[tokio::test]
async fn a_byte_order_mark_in_front_of_a_file_is_no_sql() {
    let database = Database::empty().await;
    pgbell::install::install(&database.url)
        .await
        .expect("installed");
    database.run("create table note (id int)").await;
    let marked = sql_file("note.sql", &format!("\u{feff}{}", notes("").text()));
    apply(&database, &marked).await;
    assert_eq!(actions(&apply(&database, &notes("")).await), []);
}
