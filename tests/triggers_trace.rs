//! `pgbell triggers trace`: what it shows is what would happen, and nothing happens.

use std::{path::Path, process::Stdio};

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, process::Command};

use crate::support::{
    client::Client,
    daemon::Daemon,
    database::{Database, edited},
    server::{Server, url_at},
    soon,
    standby::Standby,
};

/// Log rows that a daemon reads at once, here and in [`Stage`].
const READ_LIMIT: u32 = 2_000;

struct Outcome {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Outcome {
    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!((self.code, &*self.stderr), (0, ""));
        serde_json::from_str(&self.stdout).expect("one JSON document")
    }
}

async fn trace_at(url: &str, arguments: &[&str]) -> Outcome {
    trace_with(url, arguments, "").await
}

async fn trace_with(url: &str, arguments: &[&str], stdin: &str) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgbell"));
    command.env("PGBELL_DATABASE__READ_LIMIT", READ_LIMIT.to_string());
    command
        .args(["triggers", "trace", "--database-url", url])
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().expect("the command starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(stdin.as_bytes()).await.expect("written");
    drop(input);
    let output = soon("the trace", child.wait_with_output()).await;
    let output = output.expect("the trace ends");
    Outcome {
        code: output.status.code().expect("an exit code"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

async fn trace(database: &Database, arguments: &[&str]) -> Outcome {
    trace_at(&database.url, arguments).await
}

/// The report about one statement.
async fn report(database: &Database, sql: &str) -> Value {
    trace(database, &[sql, "--json"]).await.json()
}

/// Why nothing would be told, as one text.
async fn silence(database: &Database, sql: &str) -> String {
    let report = report(database, sql).await;
    assert_eq!(report["messages"], json!([]), "{report}");
    report["nothing_because"].to_string()
}

/// Messages without what differs from one run to the next, in an order of their own.
fn comparable(messages: impl IntoIterator<Item = Value>) -> Vec<String> {
    let mut texts: Vec<String> = messages
        .into_iter()
        .map(|mut message| {
            message["cursor"] = Value::Null;
            for change in message["changes"].as_array_mut().into_iter().flatten() {
                change["at"] = Value::Null;
            }
            message.to_string()
        })
        .collect();
    texts.sort();
    texts
}

/// What every client in `rooms` is told, and what is due later.
struct Stage {
    database: Database,
    client: Client,
    rooms: Vec<String>,
    _daemon: Daemon,
}

impl Stage {
    async fn set(sql: &str) -> Self {
        let database = Database::with_shop().await;
        database.run(sql).await;
        let daemon =
            Daemon::with(&database, |config| config.database.read_limit = READ_LIMIT).await;
        let kinds = [
            "product",
            "variant",
            "sale",
            "order",
            "seller",
            "storefront",
            "store",
            "analytics",
            "user",
        ];
        let numbers = (1..=8).chain([11, 12, 22, 23, 30]);
        let rooms = numbers.flat_map(|number| kinds.map(|kind| format!("{kind}:{number}")));
        let others = ["shop_1", "shop_2", "admin:orders", "admin:stock"];
        let rooms: Vec<String> = rooms.chain(others.map(str::to_owned)).collect();
        let names: Vec<&str> = rooms.iter().map(String::as_str).collect();
        let client = daemon.client_in(&names).await;
        Self {
            database,
            client,
            rooms,
            _daemon: daemon,
        }
    }

    async fn trace(&self, statements: &[&str]) -> Value {
        let mut arguments = vec![statements[0], "--json", "--limit", "100000"];
        for also in &statements[1..] {
            arguments.extend(["--also", also]);
        }
        for room in &self.rooms {
            arguments.extend(["--room", room]);
        }
        trace(&self.database, &arguments).await.json()
    }

    /// What clients are really told when the statements are committed.
    async fn commit(&mut self, statements: &[&str]) -> Vec<Value> {
        self.database.run("begin").await;
        for statement in statements {
            self.database.run(statement).await;
        }
        self.client.messages_of(&self.database, "commit").await
    }

    async fn schedule(&self) -> Value {
        let rows = "select coalesce(jsonb_agg(to_jsonb(s) order by entity, id, what), '[]') from pgbell.schedule s";
        serde_json::from_str(&self.database.value(rows).await).expect("JSON")
    }

    /// Traces, then commits, and finds the same.
    async fn compare(&mut self, statements: &[&str]) -> Value {
        let before = self.schedule().await;
        let report = self.trace(statements).await;
        assert_eq!(
            self.schedule().await,
            before,
            "a trace leaves nothing behind"
        );
        let told = self.commit(statements).await;
        let traced = report["messages"].as_array().expect("messages").iter();
        let traced = traced.map(|message| message["message"].clone());
        assert_eq!(comparable(traced), comparable(told), "{statements:?}");
        assert_eq!(
            applied(before, &report),
            self.schedule().await,
            "{statements:?}"
        );
        report
    }
}

/// A schedule after what a report says about it.
fn applied(schedule: Value, report: &Value) -> Value {
    let key = |row: &Value| [&row["entity"], &row["id"], &row["what"]].map(Value::to_string);
    let rows = schedule.as_array().expect("rows").iter();
    let mut rows: std::collections::BTreeMap<_, _> =
        rows.map(|row| (key(row), row.clone())).collect();
    for moment in report["moments"].as_array().expect("moments") {
        let row = moment["row"].clone();
        let known = match moment["fate"].as_str() {
            Some("removed") => rows.remove(&key(&row)).is_some(),
            Some("added") => rows.insert(key(&row), row).is_none(),
            _ => rows.insert(key(&row), row).is_some(),
        };
        assert!(known || moment["fate"] == "added", "{moment}");
    }
    rows.into_values().collect()
}

#[tokio::test]
async fn what_is_traced_is_what_clients_are_sent_when_it_is_committed() {
    let mut stage = Stage::set(
        "insert into products (id, store_id, seller_id, name) values (22, 2, 12, 'Hat');
         insert into sales (id, product_id, discount_percent, starts_at, ends_at)
         values (1, 1, 10, '2020-01-01', '2098-01-01'), (2, 2, 10, '2098-01-01', '2099-01-01');
         insert into orders (id, order_number, user_id, seller_id, store_id) values (5, 'A-5', 1, 11, 1)",
    )
    .await;
    let told = |report: &Value| report["messages_in_all"].as_u64().expect("a number");

    let single = stage
        .compare(&["update products set price = 11 where id = 1"])
        .await;
    assert_eq!(told(&single), 4, "{single}");
    stage
        .compare(&["update products set price = price + 1, name = name || '!'"])
        .await;
    stage
        .compare(&["update products set id = 23 where id = 22"])
        .await;
    stage
        .compare(&["insert into products (id, store_id, seller_id, price) values (2, 1, 11, 99), (30, 1, 11, 5)
                    on conflict (id) do update set price = excluded.price"])
        .await;
    let sale = "insert into sales (id, product_id, discount_percent, starts_at, ends_at)
                values (3, 3, 5, '2097-01-01', '2098-01-01')";
    let sale = stage.compare(&[sale]).await;
    assert_eq!(sale["moments_in_all"], 2, "it starts and it ends: {sale}");
    let moved = stage
        .compare(&["update sales set starts_at = '2097-06-01', ends_at = null where id = 2"])
        .await;
    let fates: Vec<_> = moved["moments"]
        .as_array()
        .expect("moments")
        .iter()
        .map(|one| &one["fate"])
        .collect();
    assert_eq!(fates, ["changed", "removed"], "{moved}");
    stage
        .compare(&["update products set price = price, updated_at = now()"])
        .await;
    stage
        .compare(&["update orders set status = 'shipped', payment_status = 'paid' where id = 5"])
        .await;
    stage
        .compare(&["do $$ begin update inventory set quantity = 3 where product_id = 1; end $$"])
        .await;
    stage
        .compare(&[
            "set local pgbell.origin = 'tab-7'",
            "update products set price = 50 where id = 3",
            "update products set price = 60, name = 'Stool' where id = 3",
            "with gone as (delete from sales where id = 3 returning product_id)
             update products set description = 'sold' from gone where id = gone.product_id",
        ])
        .await;
    stage
        .compare(&[
            "set local pgbell.bulk_limit = 2",
            "update products set price = price + 1",
        ])
        .await;
    let cascade = stage.compare(&["delete from products where id = 1"]).await;
    assert!(
        told(&cascade) > 4,
        "its sale, its variant and its stock go with it: {cascade}"
    );
    stage.compare(&["truncate inventory"]).await;
}

#[tokio::test]
async fn what_is_too_much_to_list_is_traced_as_the_resync_that_it_is() {
    let mut stage = Stage::set("").await;
    let many = "insert into products (id, store_id, seller_id) select 1000 + n, 1, 11 from generate_series(1, 1500) n";
    let report = stage.compare(&[many]).await;
    assert_eq!(report["changes_in_all"], 1500);
    let bulk = "insert into products (id, store_id, seller_id) select 10000 + n, 1, 11 from generate_series(1, 10001) n";
    let report = stage.compare(&[bulk]).await;
    assert_eq!(report["changes_in_all"], 1);
    let more = "insert into products (id, store_id, seller_id) select 30000 + n, 1, 11 from generate_series(1, 10001) n";
    let everywhere = self::report(&stage.database, more).await;
    assert_eq!(everywhere["messages"][0]["to"], "seller:*");
    let more_than_a_read = "update products set price = 7, name = 'x' where id < 11500";
    let report = stage.compare(&[more_than_a_read]).await;
    assert!(report["changes_in_all"].as_u64() > Some(READ_LIMIT.into()));
    assert_eq!(report["messages"][0]["to"], "*", "{report}");
}

#[tokio::test]
async fn a_merge_is_traced_where_the_server_has_it() {
    let mut stage = Stage::set("").await;
    let version = stage
        .database
        .value("select current_setting('server_version_num')")
        .await;
    if version.parse::<u32>().expect("a number") < 150_000 {
        return;
    }
    let merge = "merge into products using (values (1, 7.5), (4, null), (8, 9.0)) as v (id, price) on products.id = v.id
                 when matched and v.price is null then delete
                 when matched then update set price = v.price
                 when not matched then insert (id, store_id, seller_id, price) values (v.id, 1, 11, v.price)";
    let report = stage.compare(&[merge]).await;
    assert_eq!(report["statements"][0]["rows"], 3, "{report}");
}

const LEFT: &str = "select concat_ws(' ',
    (select md5(string_agg(products::text, ',' order by id)) from products),
    (select md5(string_agg(change::text, ',' order by change::text)) from pgbell.change),
    (select md5(string_agg(s::text, ',' order by s::text)) from pgbell.schedule s),
    (select md5(string_agg(pg_get_functiondef(oid), ',' order by oid)) from pg_proc
      where pronamespace = 'pgbell'::regnamespace),
    (select md5(string_agg(t::text, ',' order by oid)) from pg_trigger t where not tgisinternal))";

/// What one does with a trace must be neither seen nor heard.
async fn unnoticed(database: &Database, trace: impl Future<Output = Outcome>) -> Outcome {
    let before = database.value(LEFT).await;
    let mut heard = database.listen().await;
    let outcome = trace.await;
    database.run("notify pgbell, 'witness'").await;
    let first = soon("the witness", heard.recv()).await;
    assert_eq!(first.as_deref(), Some("witness"));
    assert_eq!(database.value(LEFT).await, before);
    outcome
}

#[tokio::test]
async fn nothing_is_left_behind_and_nobody_hears_of_it() {
    let database = Database::with_shop().await;
    let sale =
        "insert into sales (product_id, discount_percent, starts_at) values (1, 5, '2099-01-01')";
    let arguments = [
        "delete from products where id = 2",
        "--also",
        sale,
        "--json",
    ];
    let outcome = unnoticed(&database, trace(&database, &arguments)).await;
    let report = outcome.json();
    assert_eq!(report["moments_in_all"], 1);
    assert!(report["changes_in_all"].as_u64() > Some(1), "{report}");
}

#[tokio::test]
async fn a_change_that_would_travel_in_a_notification_is_traced_as_it_would_arrive() {
    let database = Database::with_shop().await;
    database.run("select pgbell.use_transport('payload')").await;
    let update = "update products set name = repeat('x', 20000) where id = 1";
    let outcome = unnoticed(&database, trace(&database, &[update, "--json"])).await;
    let report = outcome.json();
    let message = &report["messages"][0]["message"];
    assert_eq!(message["changes"][0]["id"], "1", "{report}");
    assert!(
        message["changes"][0].get("new").is_none(),
        "the values do not fit"
    );
}

#[tokio::test]
async fn a_trace_ends_in_time() {
    let database = Database::with_shop().await;
    let slow = trace(&database, &["select pg_sleep(600)", "--timeout", "200ms"]).await;
    assert_eq!((slow.code, &*slow.stdout), (1, ""));
    assert!(slow.stderr.contains("--timeout"), "{}", slow.stderr);

    let writer = database.session().await;
    writer
        .run("begin; update products set price = 1 where id = 1")
        .await;
    let waits = trace(&database, &["update products set price = 2 where id = 1"]).await;
    assert_eq!(waits.code, 1);
    assert!(
        waits.stderr.contains("a lock was not free"),
        "{}",
        waits.stderr
    );
    writer.run("rollback").await;
}

/// Where the file for products lies, with something else in it.
fn edited_at(directory: &Path, from: &str, to: &str) -> String {
    let path = directory.join("products.sql");
    std::fs::write(&path, edited("products", from, to).text()).expect("written");
    path.display().to_string()
}

#[tokio::test]
async fn an_edited_function_is_tried_and_forgotten_without_a_lock_on_its_table() {
    let database = Database::with_shop().await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = edited_at(
        directory.path(),
        "'product:price_changed'",
        "'product:repriced'",
    );
    let writer = database.session().await;
    writer
        .run("begin; update products set price = 1 where id = 4")
        .await;
    let update = "update products set price = 2 where id = 1";
    let arguments = [update, "--json", "--file", &file];
    let report = unnoticed(&database, trace(&database, &arguments))
        .await
        .json();
    writer.run("rollback").await;
    assert_eq!(report["changes"][0]["events"], json!(["product:repriced"]));
    assert_eq!(
        report["files"],
        json!([{"file": file, "functions": ["pgbell.products_updated()"], "triggers": [], "statements": []}])
    );
    let report = self::report(&database, update).await;
    assert_eq!(
        report["changes"][0]["events"],
        json!(["product:price_changed"])
    );
}

#[tokio::test]
async fn a_trigger_that_is_not_there_yet_is_made_for_the_trace_alone() {
    let database = Database::with_shop().await;
    database
        .run("drop trigger pgbell_products_update on products")
        .await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = edited_at(directory.path(), "", "");
    let arguments = [
        "update products set price = 2 where id = 1",
        "--json",
        "--file",
        &file,
    ];
    let report = unnoticed(&database, trace(&database, &arguments))
        .await
        .json();
    assert_eq!(
        report["files"][0]["triggers"],
        json!(["pgbell_products_update on public.products"])
    );
    assert_eq!(report["messages_in_all"], 4, "{report}");

    let broken = edited_at(directory.path(), "n.price,", "n.prise,");
    let arguments = [
        "update products set price = 2 where id = 1",
        "--file",
        &broken,
    ];
    let outcome = unnoticed(&database, trace(&database, &arguments)).await;
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.stderr.contains("column n.prise does not exist"),
        "{}",
        outcome.stderr
    );
    assert!(
        outcome.stderr.contains("pgbell.products_updated()"),
        "{}",
        outcome.stderr
    );
}

#[tokio::test]
async fn silence_has_a_reason() {
    let database = Database::with_shop().await;
    database
        .run(
            "create table notes (id int primary key, text text); insert into notes values (1, 'a');
             create table parts (id int) partition by list (id);
             create table parts_1 partition of parts for values in (1)",
        )
        .await;
    for (sql, reason) in [
        ("select 1", "it wrote to no table"),
        (
            "update notes set text = 'b'",
            r#"["notes has no trigger of pgbell"]"#,
        ),
        (
            "insert into parts values (1)",
            r#"["parts has no trigger of pgbell"]"#,
        ),
        (
            "update products set price = 1 where false",
            "no row of products",
        ),
        (
            "update products set price = price",
            "pgbell_products_update on products found nothing to tell",
        ),
    ] {
        let because = silence(&database, sql).await;
        assert!(because.contains(reason), "{sql}: {because}");
    }
    let update = "update products set price = 1";
    let arguments = ["set local pgbell.enabled = off", "--also", update, "--json"];
    let report = trace(&database, &arguments).await.json();
    assert!(
        report["nothing_because"][0]
            .to_string()
            .contains("pgbell.enabled is off"),
        "{report}"
    );
    let arguments = [
        "set local session_replication_role = replica",
        "--also",
        update,
        "--json",
    ];
    let report = trace(&database, &arguments).await.json();
    assert!(
        report["nothing_because"][0]
            .to_string()
            .contains("session_replication_role"),
        "{report}"
    );
    database
        .run("alter table products disable trigger pgbell_products_update")
        .await;
    let because = silence(&database, update).await;
    assert!(
        because.contains("pgbell_products_update on products is disabled"),
        "{because}"
    );
    database
        .run("drop trigger pgbell_products_update on products")
        .await;
    let because = silence(&database, update).await;
    assert!(
        because.contains("no trigger of pgbell on products fires for update"),
        "{because}"
    );
}

#[tokio::test]
async fn what_an_author_got_wrong_is_counted() {
    let database = Database::with_shop().await;
    let insert = "insert into pgbell.change (entity, id, op, events, rooms) values ('x', '1', 'update', '{x:y}', ";
    let report = report(&database, &format!("{insert} '{{a b}}')")).await;
    assert_eq!(
        (&report["malformed"], &report["nothing_because"]),
        (&json!(1), &json!(["no log row names a room"]))
    );
}

#[tokio::test]
async fn what_the_server_refuses_is_told_in_its_words() {
    let database = Database::with_shop().await;
    database
        .run(
            "create table lines (id int primary key,
                  product bigint references products deferrable initially deferred)",
        )
        .await;
    for (sql, words) in [
        ("update products set price = -1", "products_price_check"),
        (
            "insert into lines values (1, 999)",
            "is not present in table",
        ),
        (
            "update nowhere set a = 1",
            "relation \"nowhere\" does not exist",
        ),
        (
            "do $$ begin update products set price = 3; commit; end $$",
            "invalid transaction termination",
        ),
    ] {
        let outcome = unnoticed(&database, trace(&database, &[sql])).await;
        assert_eq!((outcome.code, &*outcome.stdout), (1, ""), "{sql}");
        assert!(outcome.stderr.contains(words), "{sql}: {}", outcome.stderr);
    }
}

#[tokio::test]
async fn a_statement_that_could_end_the_transaction_never_reaches_the_server() {
    let database = Database::with_shop().await;
    for sql in [
        "commit",
        ";commit",
        "copy products from stdin",
        "update products set price = 1; commit",
        "",
    ] {
        let arguments = ["update products set price = 2", "--also", sql];
        let outcome = unnoticed(&database, trace(&database, &arguments)).await;
        assert_eq!(
            (outcome.code, &*outcome.stdout),
            (2, ""),
            "{sql}: {}",
            outcome.stderr
        );
    }
}

#[tokio::test]
async fn who_cannot_look_is_told_what_to_do() {
    let empty = Database::empty().await;
    let outcome = trace(&empty, &["select 1"]).await;
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.stderr.contains("run pgbell install"),
        "{}",
        outcome.stderr
    );

    let database = Database::with_shop().await;
    let role = format!(
        "looker_{}",
        database.value("select current_database()").await
    );
    database
        .run(&format!(
            "create role {role} login; alter role {role} set default_transaction_read_only = on"
        ))
        .await;
    let url = database
        .url
        .replace("user=postgres", &format!("user={role}"));
    assert_ne!(url, database.url);
    let update = ["update products set price = 2 where id = 1", "--json"];
    let outcome = trace_at(&url, &update).await;
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.stderr.contains("grant pgbell_daemon to it"),
        "{}",
        outcome.stderr
    );
    database
        .run(&format!("grant pgbell_daemon to {role}"))
        .await;
    let outcome = trace_at(&url, &update).await;
    assert_eq!(outcome.code, 1);
    assert!(
        outcome
            .stderr
            .contains("permission denied for table products"),
        "{}",
        outcome.stderr
    );
    database
        .run(&format!("grant select, update on products to {role}"))
        .await;
    assert_eq!(trace_at(&url, &update).await.json()["messages_in_all"], 4);
    let as_role = format!("set local role {role}");
    let arguments = [&as_role, "--also", update[0], "--json"];
    let report = trace(&database, &arguments).await.json();
    assert_eq!(report["messages_in_all"], 4);
}

#[tokio::test]
async fn people_read_what_changes_who_is_told_and_what_it_costs() {
    let database = Database::with_shop().await;
    let sql = "update products set price = 12 where id = 1 -- from stdin\n";
    let outcome = trace_with(&database.url, &["-"], sql).await;
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for line in [
        "1 change in the log\n",
        "  product 1  product:price_changed  update  price 10.50 → 12.00  to product:1 seller:11 storefront:11 store:1\n",
        "4 messages would be sent\n",
        "  product:1  product 1  product:price_changed  update ×1  price 10.5 → 12.0\n",
        "  product:1  {\"type\":\"invalidate\",\"room\":\"product:1\",\"cursor\":",
        " ms of it in triggers of pgbell, ",
        " µs a row for 1 row\n",
        "    pgbell_products_update  products ",
        "rolled back: nothing was changed, nobody was told\n",
    ] {
        assert!(
            outcome.stdout.contains(line),
            "{line} is not in\n{}",
            outcome.stdout
        );
    }
}

#[tokio::test]
async fn what_is_shown_is_bounded_and_the_rest_is_counted() {
    let database = Database::with_shop().await;
    let update = "update products set price = price + 1";
    let report = trace(&database, &[update, "--limit", "2", "--json"])
        .await
        .json();
    let shown = |key: &str| report[key].as_array().expect("a list").len();
    assert_eq!((shown("changes"), shown("messages")), (2, 2));
    assert_eq!(report["changes_in_all"], 4);
    assert!(report["messages_in_all"].as_u64() > Some(2));
}

#[tokio::test]
async fn a_standby_is_refused() {
    let mut server = Server::start().await;
    let addr = server.addr();
    let standby = Standby::of(&mut server, addr, "hot_standby=on").await;
    let database = Database::at(&url_at(standby.addr)).await;
    let outcome = trace(&database, &["select 1"]).await;
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.stderr.contains("connect to the primary"),
        "{}",
        outcome.stderr
    );
}

#[tokio::test]
async fn what_others_do_to_the_schedule_is_not_taken_for_the_deed_of_the_statement() {
    let database = Database::with_shop().await;
    let moment = |id| {
        format!(
            "insert into pgbell.schedule (entity, id, what, due_at) values ('x', '{id}', 'start', '2099-01-01')"
        )
    };
    database.run(&moment(1)).await;
    let (daemon, writer) = (database.session().await, database.session().await);
    daemon.run("select pg_advisory_lock(7)").await;
    let wait = "select pg_advisory_xact_lock(7)";
    let also = moment(2);
    let arguments = [wait, "--also", &also, "--json"];
    let others = async {
        let waits =
            "select exists (select from pg_locks where locktype = 'advisory' and not granted
            and database = (select oid from pg_database where datname = current_database()))";
        let waiting = async { while database.value(waits).await != "true" {} };
        soon("the trace to wait", waiting).await;
        // One has fired a moment and not committed, one has committed another.
        daemon.run("begin; delete from pgbell.schedule").await;
        writer.run(&moment(3)).await;
        daemon.run("select pg_advisory_unlock(7)").await;
    };
    let (outcome, ()) = tokio::join!(trace(&database, &arguments), others);
    daemon.run("rollback").await;
    let report = outcome.json();
    assert_eq!(report["moments_in_all"], 1, "{report}");
    assert_eq!(report["moments"][0]["row"]["id"], "2");
}
