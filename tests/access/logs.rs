//! Nothing of a token is written down, and a daemon says what its rules mean.

use serde_json::json;

use super::{SECRET, Site, anyone, join, sql, tell};
use crate::support::{client::Client, events::Events, program::Program};

#[tokio::test]
async fn no_token_and_no_secret_is_in_any_log() {
    let site = Site::new(Vec::new()).await;
    let keys = format!(r#"[{{algorithm="HS256", secret="{SECRET}"}}]"#);
    let rooms = r#"[{room="user:{sub}"}, {room="thing:{id}", sql="select 1 / (length($1) - 1)"}]"#;
    let settings = [
        ("PGBELL_LOG", "trace"),
        ("PGBELL_ACCESS__OPEN", "false"),
        ("PGBELL_ACCESS__TOKENS__KEYS", &*keys),
        ("PGBELL_ACCESS__ROOMS", rooms),
        ("PGBELL_ACCESS__SQL__ROLE", "pgbell_daemon"),
    ];
    let mut program = Program::with(&site.database, &settings).await;
    program.says("database is live").await;
    let canary = |sub: &str| site.token(sub, json!({"canary": "canary-claim-91"}));
    let (good, old) = (
        canary("anna"),
        site.token("anna", json!({"exp": 1_000, "canary": "canary-claim-91"})),
    );
    let forged = format!("{}x", &good[..good.len() - 1]);
    for token in [&good, &old, &forged] {
        let mut client = Client::connect(program.addr).await;
        tell(&mut client, token).await;
        join(&mut client, &["user:anna", "thing:1"]).await;
        client
            .say(json!({"type": "auth", "id": 1, "token": 7, "more": token}))
            .await;
        client.next().await;
        let headers = [("authorization", format!("Bearer {token}"))];
        let mut client = Client::open_with(program.addr, &headers).await;
        client.next().await;
        let header = format!("Authorization: Bearer {token}\r\n");
        Events::open(program.addr, "rooms=user:anna", &header).await;
        Events::open(program.addr, &format!("rooms=user:anna&ticket={token}"), "").await;
    }
    program.signal(nix::sys::signal::Signal::SIGTERM);
    let log = {
        program.says("stopped in order").await;
        program.log()
    };
    assert!(
        log.iter().any(|line| line.contains("a token is refused")),
        "it was verbose"
    );
    for line in &log {
        let parts = [&good, &old, &forged].map(|token| token.split('.').collect::<Vec<_>>());
        let secrets = parts
            .iter()
            .flatten()
            .skip(1)
            .copied()
            .chain([SECRET, "canary-claim-91"]);
        for secret in secrets.filter(|secret| *secret != parts[0][0]) {
            assert!(!line.contains(secret), "{line}");
        }
    }
}

#[tokio::test]
async fn a_daemon_that_lets_nobody_in_says_so_at_the_start() {
    let site = Site::new(Vec::new()).await;
    let settings = [("PGBELL_ACCESS__OPEN", "false")];
    let mut program = Program::with(&site.database, &settings).await;
    let line = program.says("nobody can join any room").await;
    assert!(
        line.contains("access.open = true") && line.contains("access.rooms"),
        "{line}"
    );
    let mut open = Program::with(&site.database, &[]).await;
    open.says("every room is open to everybody").await;
}

#[tokio::test]
async fn the_subscriber_shows_its_token() {
    let site = Site::new(vec![
        super::rule("user:{sub}"),
        anyone("a"),
        sql("b", "select 1"),
    ])
    .await;
    let run = async |token: &str, room: &str| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_pgbell"));
        let url = format!("ws://{}/ws", site.daemon.addr);
        command
            .args(["sub", "--count", "1", "--url", &url, room])
            .env("PGBELL_TOKEN", token);
        command
            .kill_on_drop(true)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        command.spawn().expect("it starts")
    };
    let child = run(&site.token("anna", json!({})), "user:anna").await;
    let mut witness = site.client("anna", json!({})).await;
    join(&mut witness, &["user:anna"]).await;
    let joined = async { while site.daemon.health().await["subscribers"] != 2 {} };
    crate::support::soon("both to join", joined).await;
    site.database.run(&super::write("user:anna", "7")).await;
    let output = crate::support::soon("its end", child.wait_with_output())
        .await
        .expect("an end");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && out.contains("thing 7"),
        "{output:?}"
    );

    for (token, code) in [
        ("x", "4000"),
        (&site.token("anna", json!({"exp": 1_000})), "4200"),
    ] {
        let child = run(token, "user:anna").await;
        let output = crate::support::soon("its end", child.wait_with_output())
            .await
            .expect("an end");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && err.contains(code), "{err}");
        assert!(token == "x" || !err.contains(token), "{err}");
    }
}
