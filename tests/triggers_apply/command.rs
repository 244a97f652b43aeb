//! The commands as scripts see them.

use super::*;
use crate::support::command::command;

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
