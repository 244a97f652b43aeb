//! A day of somebody who administers a database and has never seen pgbell: a schema that is not ours,
//! from `triggers new` to `triggers remove`, through the real program.

use std::path::PathBuf;

use pgbell::room::Room;
use serde_json::Value;

use crate::support::{client::Client, daemon::get, database::Database, program::Program, soon};

const TABLES: [&str; 4] = ["film", "inventory", "rental", "payment"];
const FILES: [&str; 4] = [
    "sql/triggers/film.sql",
    "sql/triggers/inventory.sql",
    "sql/triggers/rental.sql",
    "sql/triggers/payment.sql",
];
/// What belongs to pgbell or was given to it, outside of its own schema.
const TRACES: &str = "select coalesce(string_agg(line, e'\\n' order by line), '') from (
    select tgrelid::regclass || ' ' || tgname from pg_trigger where not tgisinternal and tgrelid > 16384
       and tgrelid not in (select oid from pg_class where relnamespace = 'pgbell'::regnamespace)
    union all select proname from pg_proc where pronamespace = 'pgbell'::regnamespace
       and proname ~ '^(film|inventory|rental|payment)_'
    union all select attrelid::regclass || ' ' || attname from pg_attribute where attacl::text like '%pgbell%'
    union all select table_name || ' ' || trigger_name from pgbell.applied_trigger
    union all select table_name || ' ' || column_name from pgbell.applied_column) as trace (line)";

/// A desk with a shell, in a directory of its own.
struct Desk {
    database: Database,
    folder: tempfile::TempDir,
}

struct Outcome {
    code: i32,
    said: String,
    complained: String,
}

impl Desk {
    async fn new() -> Self {
        let database = Database::empty().await;
        database.run(include_str!("support/video.sql")).await;
        let folder = tempfile::tempdir().expect("a folder");
        Self { database, folder }
    }

    async fn pgbell(&self, arguments: &[&str]) -> Outcome {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_pgbell"));
        command.args(arguments).current_dir(self.folder.path());
        command.env_clear().env("DATABASE_URL", &self.database.url);
        let output = soon(&arguments.join(" "), command.output()).await;
        let output = output.expect("the command runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Outcome {
            code: output.status.code().expect("an exit code"),
            said: text(output.stdout),
            complained: text(output.stderr),
        }
    }

    /// `pgbell triggers …`, which ends with this exit code.
    #[track_caller]
    fn triggers(&self, code: i32, arguments: &[&str]) -> impl Future<Output = Outcome> {
        let caller = std::panic::Location::caller();
        let arguments: Vec<_> = [&["triggers"], arguments].concat();
        async move {
            let outcome = self.pgbell(&arguments).await;
            let Outcome {
                said, complained, ..
            } = &outcome;
            assert_eq!(
                outcome.code, code,
                "{arguments:?} at {caller}\n{said}{complained}"
            );
            outcome
        }
    }

    async fn apply(&self) -> Outcome {
        self.triggers(0, &[&["apply"], &FILES[..]].concat()).await
    }

    /// The codes of what a check finds, with their tables.
    async fn check(&self, code: i32) -> Vec<String> {
        let report = self.triggers(code, &["check", "--json"]).await.json();
        let findings = report["findings"].as_array().expect("findings");
        let gist = |finding: &Value| {
            let table = finding["table"].as_str().unwrap_or_default();
            format!(
                "{} {}",
                finding["code"].as_str().expect("a code"),
                table.trim_start_matches("public.")
            )
        };
        let mut found: Vec<_> = findings.iter().map(gist).collect();
        found.dedup();
        found
    }

    fn path(&self, table: &str) -> PathBuf {
        self.folder.path().join(format!("sql/triggers/{table}.sql"))
    }

    /// What an editor does.
    #[track_caller]
    fn edit(&self, table: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(table)).expect("a file");
        assert!(text.contains(from), "{table}.sql does not say {from}");
        std::fs::write(self.path(table), text.replace(from, to)).expect("written");
    }

    async fn finds_nothing_left(&self) {
        assert_eq!(self.database.value(TRACES).await, "");
    }
}

impl Outcome {
    fn json(&self) -> Value {
        serde_json::from_str(&self.said).unwrap_or_else(|error| panic!("{error}: {}", self.said))
    }

    fn lines(&self, with: &str) -> Vec<&str> {
        let lines = self.said.lines();
        lines.filter(|line| line.starts_with(with)).collect()
    }
}

/// Whoever adds a room by hand asks the copy for its store, and may forget something.
fn write_for_pages(desk: &Desk) {
    desk.edit(
        "rental",
        "           array['rental:' || n.rental_id, 'inventory:' || n.inventory_id, 'customer:' || n.customer_id]
      from new_rows as n;",
        "           array['customer:' || n.customer_id, 'film:' || copy.film_id, 'store:' || copy.store_id]
      from new_rows as n
      left join lateral (
        select film_id, store_id from public.inventory where inventory_id = n.inventory_id limit 1
      ) as copy on true;",
    );
    desk.edit("payment", "payment:amount_changed", "payment:corrected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_on_a_schema_that_is_not_ours() {
    let desk = Desk::new().await;
    assert_eq!(desk.pgbell(&["install"]).await.code, 0);
    morning(&desk).await;
    assert_ne!(desk.database.value(TRACES).await, "");
    let looking = [("PGBELL_DATABASE__DRIFT_INTERVAL", "1s")];
    let mut daemon = Program::with(&desk.database, &looking).await;
    noon(&desk, &daemon).await;
    afternoon(&desk, &mut daemon).await;
    evening(&desk).await;
}

/// New, edit, check, apply.
async fn morning(desk: &Desk) {
    for (table, file) in TABLES.into_iter().zip(FILES) {
        desk.triggers(0, &["new", table, "--output", file]).await;
        desk.triggers(1, &["new", table, "--output", file]).await;
    }
    let toml = "[catalogue]\nevents = ['film:*', 'inventory:*', 'rental:*', 'payment:*']\n\
                rooms = ['film:*', 'inventory:*', 'rental:*', 'payment:*', 'customer:*']\n";
    std::fs::write(desk.folder.path().join("pgbell.toml"), toml).expect("written");
    let not_applied = TABLES.map(|table| format!("not-applied {table}"));
    let not_applied = |more: &[&str]| {
        let more = more.iter().map(|one| (*one).to_owned());
        let mut all: Vec<_> = not_applied.iter().cloned().chain(more).collect();
        all.sort();
        all
    };
    let sorted = async |code| {
        let mut found = desk.check(code).await;
        found.sort();
        found
    };
    assert_eq!(sorted(0).await, not_applied(&[]));

    write_for_pages(desk);
    assert_eq!(sorted(1).await, not_applied(&["would-fail rental"]));
    let check = desk.triggers(1, &["check", FILES[2]]).await;
    let mend = "add to the file grant select (the columns it reads) on inventory to pgbell_owner";
    assert!(check.said.contains(mend), "{}", check.said);
    desk.edit(
        "rental",
        "\nalter function pgbell.rental_inserted() owner",
        "\ngrant select (inventory_id, film_id, store_id) on public.inventory to pgbell_owner;\n
alter function pgbell.rental_inserted() owner",
    );
    assert_eq!(sorted(1).await, not_applied(&["bulk-rooms rental"]));
    desk.edit(
        "rental",
        "'{rental:*,inventory:*,customer:*}'",
        "'{rental:*,inventory:*,customer:*,film:*,store:*}'",
    );
    assert_eq!(sorted(0).await, not_applied(&[]));

    let tried = ["trace", "--file", FILES[2], "--json", RENT];
    let report = desk.triggers(0, &tried).await.json();
    assert_eq!(report["messages_in_all"], 3, "{report}");
    assert_eq!(
        desk.triggers(1, &["diff"])
            .await
            .lines("missing  function")
            .len(),
        16
    );
    let done = desk.apply().await;
    let partitions =
        "created trigger pgbell_payment_insert on public.payment and 4 more partitions";
    assert_eq!(done.lines(partitions).len(), 1, "{}", done.said);
    let again = desk.apply().await;
    assert_eq!(again.lines("unchanged ").len(), again.said.lines().count());
    desk.triggers(0, &["diff"]).await;
    assert_eq!(desk.check(0).await, [""; 0]);
}

const RENT: &str = "insert into rental values (100, 3, 2, '2030-02-01')";
/// What nobody prepared.
const STATEMENTS: &[&str] = &[
    RENT,
    "update film set rental_rate = rental_rate + 1, minutes = 100 where film_id < 3",
    "update film set last_update = '2030-01-01'",
    "update inventory set store_id = 3 - store_id where inventory_id in (1, 2)",
    "update rental set customer_id = 3, returned_at = '2030-02-02' where rental_id = 100",
    "update payment set paid_on = '2030-03-01', amount = 5 where payment_id = 4",
    "update payment_2030_01 set amount = 6 where payment_id in (5, 6)",
    "insert into payment values (5, '2030-01-15', 1, 5, 9) on conflict (paid_on, payment_id) do update set amount = 9",
    "with back as (update rental set returned_at = '2030-02-03' where rental_id < 4 returning *)
     insert into payment select 200 + rental_id, '2030-02-03', customer_id, rental_id, 2 from back",
    "delete from customer where customer_id = 5",
    "do $$ begin for i in 1..3 loop update film set title = 'Cut ' || i where film_id = 9; end loop; end $$",
    "set local pgbell.bulk_limit = 2; update rental set rented_at = rented_at + interval '1 s'",
    "truncate payment",
];

/// Trace, and compare with what arrives.
async fn noon(desk: &Desk, daemon: &Program) {
    let numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 100];
    let kinds = ["film", "inventory", "rental", "customer", "store"];
    let rooms: Vec<String> = kinds
        .iter()
        .flat_map(|kind| numbers.map(|number| format!("{kind}:{number}")))
        .collect();
    assert!(rooms.iter().all(|room| room.parse::<Room>().is_ok()));
    let names: Vec<&str> = rooms.iter().map(String::as_str).collect();
    let mut client = Client::connect(daemon.addr).await;
    client.subscribe(&names).await;
    let mut told = 0;
    for statement in STATEMENTS {
        let mut arguments = vec!["trace", "--json"];
        let mut parts = statement.split("; update rental");
        match (parts.next(), parts.next()) {
            (Some(set), Some(_)) => arguments.extend([set, "--also", &statement[set.len() + 2..]]),
            _ => arguments.push(statement),
        }
        arguments.extend(names.iter().flat_map(|room| ["--room", room]));
        let mut report = desk.triggers(0, &arguments).await.json();
        let traced = report["messages"].as_array_mut().expect("messages");
        let traced = comparable(traced.iter_mut().map(|one| one["message"].take()));
        let arrived = client.messages_of(&desk.database, statement).await;
        assert_eq!(traced, comparable(arrived), "{statement}");
        told += traced.len();
    }
    assert!(told > 40, "{told}");
}

/// Room by room what is told, without what differs from one run to the next.
fn comparable(messages: impl IntoIterator<Item = Value>) -> Vec<String> {
    let mut told = Vec::new();
    for message in messages {
        for change in message["changes"].as_array().into_iter().flatten() {
            let mut change = change.clone();
            change["at"] = Value::Null;
            told.push(format!("{} {change}", message["room"]));
        }
        for room in message["rooms"].as_array().into_iter().flatten() {
            told.push(format!("{room} {}", message["reason"]));
        }
    }
    told.sort();
    told
}

/// What drifts is seen by the daemon, by diff and by check, and stays seen until it is mended.
async fn afternoon(desk: &Desk, daemon: &mut Program) {
    let database = &desk.database;
    database
        .run(
            "create or replace function pgbell.film_deleted() returns trigger language plpgsql
              security definer set search_path = pg_catalog, pg_temp as 'begin return null; end'",
        )
        .await;
    drifted(daemon, "function_edited public.film").await;
    let diff = desk.triggers(1, &["diff"]).await;
    assert_eq!(
        diff.lines("changed  function pgbell.film_deleted()").len(),
        1
    );

    database
        .run("create table payment_2030_05 partition of payment for values from ('2030-05-01') to ('2030-06-01')")
        .await;
    drifted(
        daemon,
        "function_edited public.film, partition_uncovered public.payment",
    )
    .await;
    assert_eq!(desk.check(1).await, ["unwatched-partition payment"]);
    let done = desk.apply().await;
    assert_eq!(done.lines("replaced ").len(), 1, "{}", done.said);
    assert_eq!(done.lines("created trigger ").len(), 4, "{}", done.said);
    drifted(daemon, "").await;

    // Applied in between, which must not take it for meant.
    database
        .run("alter table film disable trigger pgbell_film_update")
        .await;
    drifted(daemon, "trigger_disabled public.film").await;
    assert_eq!(desk.check(1).await, ["disabled-trigger film"]);
    let done = desk.apply().await;
    assert!(
        done.complained.contains("IS DISABLED"),
        "{}",
        done.complained
    );
    drifted(daemon, "trigger_disabled public.film").await;
    database
        .run("alter table film enable trigger pgbell_film_update")
        .await;
    drifted(daemon, "").await;

    database.run("alter table film drop column hours").await;
    drifted(daemon, "column_missing public.film").await;
    assert_eq!(desk.check(1).await, ["missing-column film"]);
    let refused = desk.triggers(1, &["apply", FILES[0]]).await;
    assert!(
        refused.complained.contains("column o.hours does not exist"),
        "{}",
        refused.complained
    );
    drifted(daemon, "column_missing public.film").await;
    for words in [", o.hours", ", n.hours", ", 'hours'"] {
        desk.edit("film", words, "");
    }
    desk.apply().await;
    drifted(daemon, "").await;
    assert_eq!(desk.check(0).await, [""; 0]);
    daemon.says("a trigger has drifted").await;
}

/// Waits until the daemon's pages show just this.
async fn drifted(daemon: &Program, kinds: &str) {
    let seen = async {
        loop {
            let (_, health) = get(daemon.addr, "/health").await;
            let health: Value = serde_json::from_str(&health).expect("JSON");
            let drift = health["database"]["drift"].as_array().cloned();
            let found: Vec<_> = drift
                .iter()
                .flatten()
                .map(|one| format!("{} {}", one["kind"], one["table"]).replace('"', ""))
                .collect();
            if found.join(", ") == kinds {
                break;
            }
        }
    };
    soon(&format!("drift {kinds:?}"), seen).await;
    let (status, ready) = get(daemon.addr, "/readyz").await;
    assert_eq!(
        (status, ready.contains("drift: ")),
        (200, !kinds.is_empty())
    );
}

/// Remove, and nothing is left.
async fn evening(desk: &Desk) {
    desk.triggers(0, &["remove", "payment", FILES[0]]).await;
    desk.triggers(0, &["remove", "rental"]).await;
    let print = desk.triggers(0, &["remove", "--print", "inventory"]).await;
    desk.database.run(&print.said).await;
    desk.finds_nothing_left().await;
    for statement in [RENT, "truncate payment", "update film set title = 'x'"] {
        let statement = statement.replace("100", "101");
        desk.database.run(&statement).await;
    }
    assert_eq!(desk.pgbell(&["uninstall"]).await.code, 0);
    let schemas = "select count(*) from pg_namespace where nspname = 'pgbell'";
    assert_eq!(desk.database.value(schemas).await, "0");
    let apply = desk.triggers(1, &["apply", FILES[0]]).await;
    assert!(
        apply.complained.contains("run pgbell install first"),
        "{}",
        apply.complained
    );
}
