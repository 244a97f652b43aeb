//! The commands as scripts see them.

use std::path::Path;

use super::*;

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
