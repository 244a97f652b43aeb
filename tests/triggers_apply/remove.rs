//! That nothing is left behind, and nothing taken that others need.

use pgbell::install;

use super::*;

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

fn core_files() -> [SqlFile; 4] {
    ["products", "inventory", "sales", "orders"].map(trigger_file)
}

/// A shop with partitioned notes and without triggers.
async fn bare_shop() -> Database {
    let database = Database::empty().await;
    install::install(&database.url).await.expect("installed");
    database
        .run(include_str!("../../sql/shop/schema.sql"))
        .await;
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

#[tokio::test]
async fn remove_takes_the_policy_along_that_no_other_file_needs() {
    let database = bare_shop().await;
    database
        .run("alter table products enable row level security")
        .await;
    let [_, inventory, sales, _] = core_files();
    let files = [inventory.clone(), sales.clone()];
    triggers::apply(&database.url, &files)
        .await
        .expect("applied");
    let policies = "select count(*) from pg_policy where polname = 'pgbell_reads'";
    remove(&database, &[Target::File(inventory)]).await;
    assert_eq!(database.value(policies).await, "1");
    remove(&database, &[Target::File(sales)]).await;
    assert_eq!(database.value(policies).await, "0");
}
