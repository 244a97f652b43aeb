//! `pgbell types`: what a frontend's compiler knows of an installation.

use std::{fs, path::Path, process::Command};

use pgbell::install::SqlFile;

use crate::support::{command::command, database::Database};

const NOTES: &str = include_str!("support/notes.sql");
const TOML: &str =
    "[catalogue]\nevents = [\"review:*\"]\nrooms = [\"review:*\", \"admin:notes\"]\n";

const PAGE: &str = r#"
import { createClient, type EventName, type Room } from "pgbell";
export const rooms: Room[] = ["note:1", "review:7", "admin:notes", "product:42"];
export const events: EventName[] = ["note:created", "review:written", "product:updated"];
createClient().subscribe("note:1");
// @ts-expect-error: nobody knows such rooms.
export const room: Room = "novel:1";
// @ts-expect-error: nobody knows such an event.
export const event: EventName = "note:burnt";
"#;

#[tokio::test]
async fn what_a_live_database_and_its_configuration_name_is_written_and_compiles() {
    let database = Database::installed(
        "create table notes (id bigint primary key, title text, body text, price int, tags jsonb)",
    )
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let sql = folder.path().join("notes.sql");
    fs::write(&sql, NOTES).expect("a file");
    database
        .apply(&[SqlFile::read(&sql).expect("a file")])
        .await;
    fs::write(folder.path().join("pgbell.toml"), TOML).expect("a file");
    let (code, stdout, stderr) = command(
        folder.path(),
        &database.url,
        &["types", "--out", "pgbell.d.ts"],
    );
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "", ""));
    let types = fs::read_to_string(folder.path().join("pgbell.d.ts")).expect("types");
    for member in [
        "note: `note:${string}`;",
        "review: `review:${string}`;",
        "\"admin:notes\": \"admin:notes\";",
        "\"note:created\": true;",
        "[event: `review:${string}`]: true;",
    ] {
        assert!(types.contains(member), "{member} in {types}");
    }
    assert!(
        !types.contains("product"),
        "the client knows those: {types}"
    );
    compile(folder.path());
}

/// Where the client's tools are installed.
fn compile(folder: &Path) {
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("client");
    let compiler = client.join("node_modules/.bin/tsc");
    if !compiler.exists() {
        return eprintln!("skipped: npm ci in client/ installs what compiles");
    }
    fs::write(folder.join("page.ts"), PAGE).expect("a file");
    let options = serde_json::json!({
        "compilerOptions": {
            "strict": true, "noEmit": true, "skipLibCheck": true, "allowJs": true, "types": [],
            "target": "ES2022", "module": "ESNext", "moduleResolution": "Bundler", "lib": ["ES2023", "DOM"],
            "paths": { "pgbell": [client.join("src/pgbell.ts")] },
        },
        "files": ["page.ts", "pgbell.d.ts"],
    });
    fs::write(folder.join("tsconfig.json"), options.to_string()).expect("a file");
    let output = Command::new(compiler)
        .current_dir(folder)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

#[test]
fn without_a_database_what_is_declared_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("pgbell.toml"), TOML).expect("a file");
    let (code, stdout, stderr) = command(folder.path(), "", &["types"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("review: `review:${string}`;"), "{stdout}");
    assert!(stderr.contains("no database"), "{stderr}");
    let (code, _, stderr) = command(folder.path(), "", &["types", "--out", "none/here.d.ts"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("cannot write none/here.d.ts"), "{stderr}");
}
