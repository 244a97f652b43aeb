//! That apply does what differs, all of it and nothing else.

use pgbell::install::triggers::{State, Subject};

use super::*;

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
                  where database = (select oid from pg_database where datname = current_database())
                    and relation in ('products'::regclass, 'inventory'::regclass)
                    and mode <> 'RowExclusiveLock' and mode <> 'AccessShareLock'";
    assert_eq!(database.value(waits).await, "0");
    writer.run("commit").await;
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
async fn a_table_that_writers_hold_is_waited_for() {
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

#[tokio::test]
async fn what_drifted_on_other_tables_is_not_forgotten() {
    let database = Database::new().await;
    let drift = "select string_agg(\"table\", ' ' order by \"table\") from pgbell.drift() where kind <> 'trigger_unrecorded'";
    database.run("select pgbell.note_applied()").await;
    let disable = "alter table orders disable trigger pgbell_orders_insert";
    database.run(disable).await;
    let by_hand = "create or replace function pgbell.products_inserted() returns trigger
                   language plpgsql as 'begin return null; end'";
    database.run(by_hand).await;
    apply(&database, &trigger_file("products")).await;
    assert_eq!(database.value(drift).await, "public.orders");
    let sales = [Target::File(trigger_file("sales"))];
    triggers::remove(&database.url, &sales)
        .await
        .expect("removed");
    assert_eq!(database.value(drift).await, "public.orders");
}
