//! Each finding of `pgbell triggers check` has a file that provokes it, and no other.

use pgbell::{
    catalogue::{Catalogue, Config},
    install::{
        SqlFile,
        triggers::{self, Against, Code, Report, Severity},
    },
};

use crate::support::{command::command, database::Database};

const TABLE: &str =
    "create table notes (id bigint primary key, title text, body text, price int, tags jsonb)";

/// A file that is as it should be, to be spoilt.
const FILE: &str = include_str!("support/notes.sql");

struct Scene {
    database: Database,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let database = Database::installed(TABLE).await;
        let folder = tempfile::tempdir().expect("a folder");
        Self { database, folder }
    }

    /// With the triggers applied.
    async fn applied() -> Self {
        let scene = Self::new().await;
        let file = scene.file(FILE);
        scene.database.apply(&[file]).await;
        scene
    }

    fn file(&self, sql: &str) -> SqlFile {
        let path = self.folder.path().join("notes.sql");
        std::fs::write(&path, sql).expect("a file");
        SqlFile::read(&path).expect("a file")
    }

    async fn report(&self, sql: &str) -> Report {
        check(Some(&self.database.url), &[self.file(sql)]).await
    }

    /// What is found beside that the file is not applied.
    async fn finds(&self, sql: &str) -> Vec<(Code, Option<String>)> {
        let report = self.report(sql).await;
        let mut found: Vec<_> = report
            .problems
            .iter()
            .filter(|problem| problem.code != Code::NotApplied)
            .map(|problem| (problem.code, problem.line.map(|line| line_of(sql, line))))
            .collect();
        found.dedup();
        found
    }

    /// The file with one thing changed provokes this and nothing else, on the line that begins so.
    #[track_caller]
    fn provokes(&self, from: &str, to: &str, code: Code, line: &str) -> impl Future<Output = ()> {
        assert!(FILE.contains(from), "{from}");
        let caller = std::panic::Location::caller();
        let sql = FILE.replacen(from, to, 1);
        async move {
            let found = self.finds(&sql).await;
            let [(found, Some(at))] = &found[..] else {
                let report = self.report(&sql).await;
                panic!("{from} → {to} at {caller}: {:#?}", report.problems);
            };
            assert_eq!(*found, code, "{from} → {to} at {caller}");
            assert!(
                at.trim_start().starts_with(line),
                "{at:?} is not {line:?} at {caller}"
            );
        }
    }
}

async fn check(url: Option<&str>, files: &[SqlFile]) -> Report {
    let own = Config {
        events: vec!["note:*".parse().expect("a pattern")],
        rooms: vec!["note:*".parse().expect("a pattern")],
    };
    let catalogue = Catalogue::new(&own);
    let against = Against {
        url,
        catalogue: &catalogue,
        everything: false,
    };
    triggers::check(files, against).await.expect("checked")
}

fn line_of(sql: &str, line: usize) -> String {
    sql.lines().nth(line - 1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_file_as_it_should_be_has_no_problem() {
    let scene = Scene::new().await;
    assert_eq!(scene.finds(FILE).await, []);
    let applied = Scene::applied().await;
    let report = applied.report(FILE).await;
    assert_eq!((report.problems, report.unchecked), (vec![], vec![]));
}

#[tokio::test]
async fn what_the_server_refuses_is_found_at_its_line() {
    let scene = Scene::new().await;
    scene
        .provokes(
            "insert into pgbell.change (entity, id, op, events, rooms, new)",
            "insert in pgbell.change (entity)",
            Code::Syntax,
            "insert in",
        )
        .await;
    scene
        .provokes(
            "after insert on public.notes",
            "after insert public.notes",
            Code::Syntax,
            "create or replace trigger pgbell_notes_insert",
        )
        .await;
    let elsewhere = scene
        .finds(&FILE.replace("public.notes", "public.note"))
        .await;
    assert_eq!(elsewhere.len(), 4, "{elsewhere:?}");
    assert!(
        elsewhere
            .iter()
            .all(|(code, _)| *code == Code::MissingTable)
    );
    scene
        .provokes("-- end", "begin;", Code::Transaction, "begin;")
        .await;
    scene
        .provokes(
            "-- end",
            "alter function pgbell.nothing() owner to pgbell_owner;",
            Code::Refused,
            "alter function pgbell.nothing",
        )
        .await;
}

#[tokio::test]
async fn columns_that_are_not_there_are_found_at_their_line() {
    let scene = Scene::new().await;
    scene
        .provokes(
            "jsonb_build_object('title', n.title)\n      from new_rows as n;",
            "jsonb_build_object('title', n.titel)\n      from new_rows as n;",
            Code::MissingColumn,
            "jsonb_build_object('title', n.titel)",
        )
        .await;
    let dropped = Scene::new().await;
    dropped
        .database
        .run("insert into notes values (1); alter table notes drop column price")
        .await;
    let report = dropped.report(FILE).await;
    let found: Vec<_> = report
        .problems
        .iter()
        .filter(|problem| problem.code == Code::MissingColumn)
        .collect();
    assert_eq!(found.len(), 1, "{report:#?}");
    assert!(
        found[0]
            .mend
            .contains("public.notes has id, title, body, tags"),
        "{found:?}"
    );
}

#[tokio::test]
async fn what_is_installed_is_checked_like_a_file() {
    let scene = Scene::applied().await;
    scene
        .database
        .run("alter table notes drop column price")
        .await;
    let mended = FILE
        .replace("(o.title, o.price)", "(o.title, 1)")
        .replace("(n.title, n.price)", "(n.title, 2)");
    let report = scene.report(&mended).await;
    let [problem] = &report.problems[..] else {
        panic!("{report:#?}")
    };
    assert_eq!((problem.code, &problem.file), (Code::MissingColumn, &None));
    assert_eq!(problem.table.as_deref(), Some("public.notes"));
    assert!(problem.mend.contains("apply the file"));
    scene.database.run("alter table notes add price int; alter function pgbell.notes_updated() security invoker").await;
    let report = scene.report(FILE).await;
    let [problem] = &report.problems[..] else {
        panic!("{report:#?}")
    };
    assert_eq!(
        (problem.code, &problem.file),
        (Code::SecurityInvoker, &None)
    );
}

#[tokio::test]
async fn a_trigger_that_fails_for_the_rows_that_are_there_is_found() {
    let scene = Scene::new().await;
    scene
        .database
        .run("insert into notes values (1, 'a', 'b', 0)")
        .await;
    scene
        .provokes(
            "jsonb_build_object('title', n.title)\n      from new_rows as n;",
            "jsonb_build_object('title', 1 / n.price)\n      from new_rows as n;",
            Code::WouldFail,
            "insert into pgbell.change",
        )
        .await;
}

#[tokio::test]
async fn a_truncate_that_an_installed_trigger_tells_is_told() {
    let (before, after) = FILE
        .split_once("create or replace trigger pgbell_notes_truncate")
        .expect("a trigger for truncate");
    let without = format!("{before}{}", after.split_once(";\n").expect("its end").1);
    let scene = Scene::new().await;
    let found = scene.finds(&without).await;
    assert!(
        found.iter().any(|(code, _)| *code == Code::NoTruncate),
        "{found:?}"
    );
    let scene = Scene::applied().await;
    assert_eq!(scene.finds(&without).await, []);
}

#[tokio::test]
async fn unknown_events_and_rooms_are_found_and_guessed() {
    let scene = Scene::new().await;
    scene
        .provokes(
            "'insert', '{note:created}'",
            "'insert', '{product:prize_changed}'",
            Code::MisspeltEvent,
            "values ('note', '*'",
        )
        .await;
    scene
        .provokes(
            "'insert', '{note:created}'",
            "'insert', '{film:created}'",
            Code::UnknownEvent,
            "values ('note', '*'",
        )
        .await;
    scene
        .provokes(
            "array['note:' || n.id],",
            "array['note:' || n.id, 'prodcut:' || n.price],",
            Code::UnknownRoom,
            "array['note:'",
        )
        .await;
    scene
        .database
        .run("insert into notes values (1, 'a b')")
        .await;
    scene
        .provokes(
            "array['note:' || n.id],",
            "array['note:' || n.id, 'note:' || n.title],",
            Code::InvalidRoom,
            "create or replace trigger",
        )
        .await;
    let sql = FILE.replacen(
        "'insert', '{note:created}'",
        "'insert', '{product:prize_changed}'",
        1,
    );
    let report = scene.report(&sql).await;
    assert!(
        report.problems.iter().any(|problem| problem
            .mend
            .starts_with("did you mean product:price_changed?")),
        "{report:#?}"
    );
}

#[tokio::test]
async fn triggers_of_the_wrong_kind_are_found() {
    let scene = Scene::new().await;
    let insert = "create or replace trigger pgbell_notes_insert";
    let update = "create or replace trigger pgbell_notes_update";
    let after =
        "after insert on public.notes\nreferencing new table as new_rows\nfor each statement";
    scene
        .provokes(
            after,
            "before insert on public.notes\nfor each statement",
            Code::Timing,
            insert,
        )
        .await;
    scene
        .provokes(
            after,
            "after insert on public.notes\nfor each row",
            Code::RowLevel,
            insert,
        )
        .await;
    scene
        .provokes(
            after,
            "after insert on public.notes\nfor each statement",
            Code::TransitionTables,
            insert,
        )
        .await;
    scene
        .provokes(
            "referencing old table as old_rows new table as new_rows",
            "referencing new table as new_rows",
            Code::TransitionTables,
            update,
        )
        .await;
    scene
        .provokes(
            "after update on public.notes\nreferencing old table as old_rows new table as new_rows",
            "after update of title on public.notes",
            Code::UpdateOfColumns,
            update,
        )
        .await;
    scene
        .provokes(
            "after truncate on public.notes",
            "after delete on public.notes\nreferencing old table as old_rows",
            Code::NoTruncate,
            insert,
        )
        .await;
}

#[tokio::test]
async fn unsafe_functions_are_found() {
    let scene = Scene::new().await;
    let function = "create or replace function pgbell.notes_inserted()";
    scene
        .provokes("security definer\n", "", Code::SecurityInvoker, function)
        .await;
    scene
        .provokes(
            "set search_path = pg_catalog, pg_temp\n",
            "",
            Code::SearchPath,
            function,
        )
        .await;
    scene
        .provokes(
            "set search_path = pg_catalog, pg_temp",
            "set search_path = public, pg_temp",
            Code::SearchPath,
            function,
        )
        .await;
    scene
        .provokes(
            "set search_path = pg_catalog, pg_temp",
            "set search_path to pg_temp, pg_catalog",
            Code::SearchPath,
            function,
        )
        .await;
    scene
        .provokes(
            "alter function pgbell.notes_inserted() owner to pgbell_owner;",
            "",
            Code::Owner,
            function,
        )
        .await;
    scene
        .provokes(
            "revoke all on function pgbell.notes_inserted(), ",
            "revoke all on function ",
            Code::PublicExecute,
            function,
        )
        .await;
    scene
        .provokes(
            "insert into pgbell.change (entity, id, op, events, rooms, new)",
            "insert into change (entity, id, op, events, rooms, new)",
            Code::UnqualifiedTable,
            "insert into change",
        )
        .await;
    let outside = FILE.replace("pgbell.notes_inserted", "public.notes_inserted");
    let found = scene.finds(&outside).await;
    assert!(
        !found.is_empty() && found.iter().all(|(code, _)| *code == Code::FunctionSchema),
        "{found:?}"
    );
}

#[tokio::test]
async fn what_the_guide_forbids_is_found() {
    let scene = Scene::new().await;
    let start = "    if exists (select from new_rows offset pgbell.bulk_limit()) then";
    let before = |statement: &str| format!("    {statement}\n{start}");
    scene
        .provokes(
            start,
            &before("execute 'select 1';"),
            Code::DynamicSql,
            "execute",
        )
        .await;
    scene
        .provokes(
            start,
            &before("begin null; exception when others then null; end;"),
            Code::ExceptionBlock,
            "begin null",
        )
        .await;
    scene
        .provokes(
            start,
            &before("for i in 1..2 loop null; end loop;"),
            Code::Loop,
            "for i",
        )
        .await;
    scene
        .provokes(
            start,
            &before("if false then raise exception 'no'; end if;"),
            Code::Raise,
            "if false",
        )
        .await;
    scene
        .provokes(
            "jsonb_build_object('title', n.title)\n      from new_rows as n;",
            "to_jsonb(n)\n      from new_rows as n;",
            Code::WholeRow,
            "to_jsonb(n)",
        )
        .await;
    scene
        .provokes(
            "from old_rows as o full join new_rows as n using (id)\n     where (o.title, o.price)",
            "from old_rows as o join new_rows as n using (id)\n     where (o.title, o.price)",
            Code::InnerJoin,
            "from old_rows",
        )
        .await;
}

#[tokio::test]
async fn values_without_a_bound_are_found_with_the_largest() {
    let scene = Scene::new().await;
    let shown = "jsonb_build_object('title', n.title)\n      from new_rows as n;";
    let tags = "jsonb_build_object('tags', n.tags)\n      from new_rows as n;";
    let body = "jsonb_build_object('body', n.body)\n      from new_rows as n;";
    scene
        .provokes(shown, tags, Code::RowSize, "jsonb_build_object('tags'")
        .await;
    assert_eq!(scene.finds(&FILE.replace(shown, body)).await, []);
    scene
        .database
        .run("insert into notes (id, body) values (1, repeat('x', 5000))")
        .await;
    let report = scene.report(&FILE.replace(shown, body)).await;
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.message.contains("5000 bytes")
                && problem.severity == Severity::Warning),
        "{report:#?}"
    );
}

#[tokio::test]
async fn triggers_that_do_not_fire_are_found() {
    for (sql, code) in [
        (
            "alter table notes disable trigger pgbell_notes_update",
            Code::DisabledTrigger,
        ),
        (
            "alter table notes enable replica trigger pgbell_notes_update",
            Code::TriggerState,
        ),
        (
            "alter table notes enable always trigger pgbell_notes_update",
            Code::TriggerState,
        ),
        (
            "drop trigger pgbell_notes_update on notes",
            Code::MissingTrigger,
        ),
    ] {
        let scene = Scene::applied().await;
        scene.database.run(sql).await;
        let report = scene.report(FILE).await;
        let [problem] = &report.problems[..] else {
            panic!("{sql}: {report:#?}")
        };
        assert_eq!(problem.code, code, "{sql}");
        let line = problem.line.expect("a line");
        assert!(line_of(FILE, line).contains("pgbell_notes_update"), "{sql}");
    }
    let report = Scene::new().await.report(FILE).await;
    let [problem] = &report.problems[..] else {
        panic!("{report:#?}")
    };
    assert_eq!(
        (problem.code, problem.severity),
        (Code::NotApplied, Severity::Warning)
    );
}

#[tokio::test]
async fn partitions_and_children_without_triggers_are_found() {
    let scene = Scene::applied().await;
    scene
        .database
        .run("create table more_notes () inherits (notes)")
        .await;
    let report = scene.report(FILE).await;
    assert_eq!(report.problems.len(), 4, "{report:#?}");
    assert!(
        report
            .problems
            .iter()
            .all(|problem| problem.code == Code::UnwatchedPartition
                && problem.message.contains("more_notes"))
    );
    scene.database.apply(&[scene.file(FILE)]).await;
    assert_eq!(scene.report(FILE).await.problems, []);
}

#[tokio::test]
async fn without_a_database_files_are_read_and_without_pgbell_that_is_said() {
    let scene = Scene::new().await;
    let spoilt = FILE.replacen("security definer\n", "", 1);
    let report = check(None, &[scene.file(&spoilt)]).await;
    assert_eq!(report.problems.len(), 1);
    assert_eq!(report.problems[0].code, Code::SecurityInvoker);
    assert_eq!(report.unchecked.len(), 1);
    let empty = Database::empty().await;
    let report = check(Some(&empty.url), &[scene.file(FILE)]).await;
    assert_eq!(report.problems.len(), 1);
    assert_eq!(report.problems[0].code, Code::NotInstalled);
}

#[tokio::test]
async fn a_check_locks_no_table_and_changes_nothing() {
    let scene = Scene::applied().await;
    let writer = scene.database.session().await;
    writer
        .run("begin; insert into notes values (1, 'a'); lock table notes in row exclusive mode")
        .await;
    let before = scene
        .database
        .value("select pg_current_wal_lsn() is not null and count(*) = 0 from pgbell.change")
        .await;
    assert_eq!(scene.report(FILE).await.problems, []);
    assert_eq!(before, "true");
    writer.run("commit").await;
    assert_eq!(
        scene
            .database
            .value("select count(*) from pgbell.change")
            .await,
        "1"
    );
}

/// The command's exit code, stdout and stderr, in the folder of the file.
fn triggers(scene: &Scene, url: &str, arguments: &[&str]) -> (i32, String, String) {
    let arguments = [&["triggers"], arguments].concat();
    command(scene.folder.path(), url, &arguments)
}

#[tokio::test]
async fn the_commands_have_exit_codes_and_json() {
    let scene = Scene::applied().await;
    let url = scene.database.url.as_str();
    let check =
        |arguments: &[&str]| triggers(&scene, url, &[&["check", "notes.sql"], arguments].concat());
    let (code, text, _) = check(&[]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("warning unknown-event: public.notes: ")
            && text.ends_with("1 file: 0 errors, 4 warnings\n"),
        "{text}"
    );
    assert_eq!(check(&["--strict"]).0, 1);
    let own = "[catalogue]\nevents = ['note:*']\nrooms = ['note:*']";
    std::fs::write(scene.folder.path().join("pgbell.toml"), own).expect("written");
    assert_eq!(
        check(&["--strict"]),
        (0, "1 file: 0 errors, 0 warnings\n".into(), String::new())
    );
    scene.file(&FILE.replace("security definer\n", ""));
    let (code, json, _) = check(&["--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("one document");
    assert_eq!(
        (code, &json["ok"], &json["errors"]),
        (1, &false.into(), &4.into()),
        "{json:#}"
    );
    let first = &json["findings"][0];
    assert_eq!(
        (&first["code"], &first["severity"], &first["line"]),
        (&"security-invoker".into(), &"error".into(), &3.into())
    );
    assert_eq!(
        (&first["file"], &first["table"]),
        (&"notes.sql".into(), &"public.notes".into())
    );
    assert_eq!(triggers(&scene, url, &["check", "none.sql"]).0, 2);
    assert_eq!(
        triggers(
            &scene,
            "postgres://127.0.0.1:1/none",
            &["check", "notes.sql"]
        )
        .0,
        3
    );
    let (code, _, note) = triggers(&scene, "", &["check", "notes.sql"]);
    assert!(
        code == 1 && note.starts_with("pgbell: not checked: no database"),
        "{note}"
    );
}

#[tokio::test]
async fn a_new_file_is_printed_or_written_but_never_over_another() {
    let scene = Scene::new().await;
    let url = scene.database.url.as_str();
    let (code, text, _) = triggers(&scene, url, &["new", "notes"]);
    assert!(
        code == 0 && text.starts_with("-- What a change of public.notes tells browsers.\n"),
        "{text}"
    );
    let write = ["new", "notes", "--output", "mine.sql"];
    assert_eq!(triggers(&scene, url, &write).0, 0);
    let path = scene.folder.path().join("mine.sql");
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), text);
    std::fs::write(&path, "mine").expect("edited");
    let (code, _, complaint) = triggers(&scene, url, &write);
    assert!(
        code == 1 && complaint.contains("mine.sql exists; --force"),
        "{complaint}"
    );
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), "mine");
    assert_eq!(
        triggers(&scene, url, &[&write[..], &["--force"]].concat()).0,
        0
    );
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), text);
    let deep = ["new", "notes", "--json", "--output", "a/b/mine.sql"];
    let (code, json, _) = triggers(&scene, url, &deep);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((code, &json["sql"]), (0, &text.clone().into()));
    assert!(scene.folder.path().join("a/b/mine.sql").exists());
    assert_eq!(triggers(&scene, url, &["new", "nonotes"]).0, 1);
    assert_eq!(
        triggers(&scene, url, &["new", "notes", "--entity", "a b"]).0,
        2
    );
    assert_eq!(
        triggers(&scene, "postgres://127.0.0.1:1/none", &["new", "notes"]).0,
        3
    );
}

#[tokio::test]
async fn shipped_files_are_as_they_should_be() {
    let database = Database::with_shop().await;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/triggers");
    let mut files = Vec::new();
    for folder in [folder.join("packs"), folder] {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "sql") {
                files.push(SqlFile::read(&path).expect("a trigger file"));
            }
        }
    }
    assert!(files.len() >= 10, "{files:?}");
    let catalogue = Catalogue::default();
    let against = Against {
        url: Some(&database.url),
        catalogue: &catalogue,
        everything: true,
    };
    let report = triggers::check(&files, against).await.expect("checked");
    let mut problems = report.problems;
    problems.retain(|problem| problem.code != Code::NotApplied);
    assert_eq!(problems, []);
}
