//! The command as scripts see it: exit codes, and what goes where.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use crate::support::soon;

/// A command without the environment of whoever runs the tests.
fn pgbell(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgbell"));
    command.args(arguments).current_dir(directory);
    command.env_clear().envs(environment.iter().copied());
    for kept in ["PATH", "HOME", "PGBELL_PG_BIN"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    pgbell(directory.path(), arguments, environment)
        .output()
        .expect("the command runs")
}

/// Exit code and the only line on stderr.
fn refusal(output: &Output) -> (i32, String) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(output.stdout.is_empty());
    (
        output.status.code().expect("an exit code"),
        stderr.trim_end().to_owned(),
    )
}

#[test]
fn a_daemon_with_a_mistyped_setting_does_not_start() {
    let environment = [
        ("PGBELL_COALESCE__WINDO", "1s"),
        ("DATABASE_URL", "postgres://h/d"),
    ];
    let (code, line) = refusal(&run(&["serve"], &environment));
    assert_eq!(code, 2);
    assert_eq!(
        line,
        "pgbell: unknown key coalesce.windo in PGBELL_COALESCE__WINDO; \
         did you mean PGBELL_COALESCE__WINDOW?"
    );
}

#[test]
fn usage_and_configuration_errors_are_2_and_an_absent_server_is_3() {
    let codes = [
        (2, run(&["install"], &[])),
        (2, run(&["serve", "--config", "/nonexistent.toml"], &[])),
        (
            2,
            run(
                &[
                    "serve",
                    "--listen",
                    "nowhere",
                    "--database-url",
                    "postgres://h/d",
                ],
                &[],
            ),
        ),
        (
            2,
            run(&["install", "--database-url", "mysql://u:hunter2@h/d"], &[]),
        ),
        (2, run(&["triggers", "apply", "/nonexistent.sql"], &[])),
        (
            3,
            run(
                &[
                    "install",
                    "--database-url",
                    "postgres://u:hunter2@127.0.0.1:1/d",
                ],
                &[],
            ),
        ),
        (
            3,
            run(&["sub", "product:1", "--url", "ws://127.0.0.1:1/ws"], &[]),
        ),
    ];
    for (expected, output) in codes {
        let (code, line) = refusal(&output);
        assert_eq!(code, expected, "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
    assert_eq!(run(&["no-such-command"], &[]).status.code(), Some(2));
}

#[test]
fn config_shows_every_value_with_its_source_and_no_password() {
    let directory = tempfile::tempdir().expect("a directory");
    let toml = "[gateway]\nmax_connections = 5\n";
    std::fs::write(directory.path().join("pgbell.toml"), toml).expect("a file");
    let environment = [
        ("DATABASE_URL", "postgres://u:hunter2@h/d"),
        ("PGBELL_LOG", "debug"),
    ];
    let output = pgbell(directory.path(), &["config", "--json"], &environment).output();
    let output = output.expect("the command runs").stdout;
    let settings: Vec<serde_json::Value> = serde_json::from_slice(&output).expect("JSON");
    let find = |key: &str| {
        let found = settings
            .iter()
            .find(|setting| setting["key"] == key)
            .expect("the key");
        format!("{} from {}", found["value"], found["source"])
    };
    assert_eq!(find("gateway.max_connections"), r#"5 from "pgbell.toml""#);
    assert_eq!(
        find("database.url"),
        r#""postgres://u:***@h/d" from "DATABASE_URL""#
    );
    assert_eq!(find("coalesce.window"), r#""300ms" from "default""#);
}

const ACCESS: &str = r#"
[access]
open = false
[access.tokens]
issuer = "https://auth.example.com"
audience = "pgbell"
keys = [{ algorithm = "HS256", secret = "hunter2-hunter2-hunter2-hunter2-hunter2" }]
[access.sql]
role = "pgbell_guest"
[[access.rooms]]
room = "product:*"
allow = "anyone"
[[access.rooms]]
room = "shop_{store_ids}"
[[access.rooms]]
room = "admin:*"
role = "admin"
[[access.rooms]]
room = "order:{id}"
sql = "select from orders where id::text = $1"
"#;

/// Exit code and stdout of a command beside a pgbell.toml with [`ACCESS`].
fn with_access(arguments: &[&str]) -> (i32, String) {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("pgbell.toml"), ACCESS).expect("a file");
    let output = pgbell(directory.path(), arguments, &[]).output();
    let output = output.expect("the command runs");
    let text = String::from_utf8(output.stdout).expect("text");
    (output.status.code().expect("a code"), text)
}

#[test]
fn a_token_made_for_development_is_accepted_and_opens_the_rooms_it_should() {
    let (code, token) = with_access(&[
        "token",
        "new",
        "--sub",
        "anna",
        "--role",
        "admin",
        "--claim",
        "store_ids=[3, 5]",
    ]);
    assert_eq!(code, 0);
    let token = token.trim_end();
    for (room, code, verdict) in [
        ("product:1", 0, "allowed"),
        ("shop_5", 0, "allowed"),
        ("admin:orders", 0, "allowed"),
        ("order:7", 0, "asked"),
        ("shop_6", 1, "denied"),
        ("user:anna", 1, "denied"),
    ] {
        let (found, text) = with_access(&["token", "check", token, "--room", room]);
        assert_eq!(found, code, "{text}");
        assert!(text.contains("\naccepted: anna\n"), "{text}");
        assert!(text.contains(&format!("\n{verdict}: ")), "{text}");
    }
    let (code, text) = with_access(&["token", "check", token, "--room", "shop_5", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(code, 0);
    assert_eq!(json["token"]["user"], "anna");
    assert_eq!(json["room"]["rules"][1]["says"], "allows");
}

#[test]
fn a_refused_token_is_explained_step_by_step() {
    let made = [
        "token", "new", "--sub", "9", "--claim", "exp=1000", "--claim", "aud=x",
    ];
    let (_, token) = with_access(&made);
    let (code, text) = with_access(&["token", "check", token.trim_end()]);
    assert_eq!(code, 1);
    for line in [
        "\nok  signature  HS256, by access.tokens.keys.0\n",
        "\nno  exp        expired at 1970-01-01T00:16:40Z (exp), ",
        "\nno  aud        has aud \"x\", which must be or hold \"pgbell\"\n",
        "\nrefused (token_expired): it expired at ",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let (code, text) = with_access(&["token", "check", "garbage"]);
    assert_eq!(code, 1);
    assert!(
        text.contains("refused (unauthorized): it is no JWT"),
        "{text}"
    );
}

#[test]
fn who_has_no_token_can_be_asked_about_too() {
    let (code, text) = with_access(&["token", "check", "--room", "product:1"]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = with_access(&["token", "check", "--room", "shop_5"]);
    assert_eq!(code, 1);
    assert!(
        text.contains("denies  access.rooms.1  shop_{store_ids}  asks for a token\n"),
        "{text}"
    );
    assert_eq!(with_access(&["token", "check"]).0, 2);
}

#[test]
fn printed_sql_is_data() {
    for arguments in [&["install", "--print"][..], &["uninstall", "--print"]] {
        let output = run(arguments, &[]);
        let sql = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success() && output.stderr.is_empty());
        assert!(
            sql.contains("\nset local lock_timeout = '500ms';\n") && sql.ends_with("commit;\n")
        );
    }
}

/// A demo that has said where it is.
struct Demo {
    process: Child,
    directory: PathBuf,
}

impl Demo {
    fn start() -> Self {
        let arguments = ["demo", "--listen", "127.0.0.1:0"];
        let mut command = pgbell(Path::new("/"), &arguments, &[]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the command runs");
        let stdout = BufReader::new(process.stdout.take().expect("a pipe"));
        let host = |line: String| Some(line.split_once("?host=")?.1.split_once('&')?.0.into());
        let directory = stdout.lines().map_while(Result::ok).find_map(host);
        Self {
            process,
            directory: directory.expect("a psql command"),
        }
    }
}

#[tokio::test]
async fn a_stopped_demo_leaves_nothing_behind() {
    let mut demo = Demo::start();
    assert!(demo.directory.exists());
    signal(&demo.process, nix::sys::signal::Signal::SIGTERM);
    let status = demo.process.wait().expect("an end");
    assert_eq!(status.code(), Some(0));
    assert!(!demo.directory.exists());
}

#[tokio::test]
async fn a_killed_demo_leaves_nothing_behind_either() {
    let mut demo = Demo::start();
    demo.process.kill().expect("killed");
    demo.process.wait().expect("an end");
    let gone = async {
        while demo.directory.exists() {
            tokio::task::yield_now().await;
        }
    };
    soon("the directory to vanish", gone).await;
}

fn signal(process: &Child, signal: nix::sys::signal::Signal) {
    let id = i32::try_from(process.id()).expect("a process id");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), signal).expect("sent");
}
