//! Secrets: canaries where secrets stand, and a look for them wherever something is said.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use pgbell::{access::Signer, config::Config};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    client::Client,
    command::command,
    daemon::{answer_of, get},
    database::{Database, SELL_ONE},
    events::Events,
    program::Program,
    raw::{FIN, Raw, TEXT, frame},
};

const DATABASE_PASSWORD: &str = "Dk4vQx7mZt2sLw9pRb3nHc6yUj8fGa5e";
const TOKEN_SECRET: &str = "Tm6wJr3xKp9zVs4nYb7cQd2hLf8gXa5u";
/// In tokens that are accepted by nobody.
const TOKEN: &str = "Bq8tNz5kWy2mCr7vFs4jPx9dHl3gTa6e";
/// In the query of a URL, which ends up in logs of others soon enough.
const IN_URL: &str = "Gx3pSv6rMk9wZc2tJd7nLq4bYf8hKa5u";
/// Shows the operator's paths.
const ADMIN_TOKEN: &str = "Vn5hYc8qRd2xKs7mWz4tBp9jLf3gTa6u";
/// Signs changes inside notifications.
const PAYLOAD_KEY: &str = "Zf7kXm2wQv9rJb4nTs6pHd3yLc8gUa5e";
const CANARIES: &[&str] = &[
    DATABASE_PASSWORD,
    TOKEN_SECRET,
    TOKEN,
    IN_URL,
    ADMIN_TOKEN,
    PAYLOAD_KEY,
];

/// As much of a secret as gives it away.
const TELLING: usize = 12;

fn found_in(said: &str) -> Option<&'static str> {
    CANARIES.iter().copied().find(|canary| tells(said, canary))
}

/// Whether enough of a canary stands in `said`, in clear or in one of the forms in which bytes are shown.
fn tells(said: &str, canary: &str) -> bool {
    let hex = |text: &str| {
        text.bytes()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let listed = |text: &str| {
        let numbers: Vec<_> = text.bytes().map(|byte| byte.to_string()).collect();
        numbers.join(", ")
    };
    let lower = said.to_ascii_lowercase();
    let parts = canary.as_bytes().windows(TELLING);
    let mut parts = parts.map(|part| std::str::from_utf8(part).expect("letters"));
    let in_base64 = STANDARD.encode(canary);
    let in_base64 = &in_base64[..2 * TELLING];
    said.contains(in_base64)
        || parts.any(|part| {
            said.contains(part) || lower.contains(&hex(part)) || said.contains(&listed(part))
        })
}

fn assert_silent(what: &str, said: &str) {
    assert!(!said.is_empty(), "{what} says nothing");
    if let Some(canary) = found_in(said) {
        let place = said.lines().find(|line| found_in(line).is_some());
        panic!("{what} tells {canary}: {}", place.unwrap_or(said));
    }
}

#[test]
fn a_canary_is_found_in_whatever_form_it_is_told() {
    let hex: String = TOKEN.bytes().map(|byte| format!("{byte:02X}")).collect();
    let part = &TOKEN[5..20];
    let bytes = format!("{:?}", TOKEN.as_bytes());
    for told in [TOKEN, part, &hex, &bytes, &STANDARD.encode(TOKEN)] {
        assert_eq!(found_in(&format!("a {told} b")), Some(TOKEN), "{told}");
    }
    assert_eq!(
        found_in("a Bq8tNz5kWy2 b"),
        None,
        "too little to give it away"
    );
}

/// The URL of a database with a password in it.
fn with_password(url: &str) -> String {
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}password={DATABASE_PASSWORD}")
}

/// What a client does that has a token, rightly and wrongly. Returns what it is answered.
async fn talk(program: &Program) -> String {
    let token = format!("{TOKEN}.{TOKEN}.{TOKEN}");
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let protocol = format!("Sec-WebSocket-Protocol: pgbell.v1, bearer.{token}\r\n");
    let mut answers = String::new();
    for headers in [&bearer, &protocol] {
        let mut raw = Raw::open(program.addr, &format!("/ws?token={IN_URL}"), headers).await;
        answers += &raw.head;
        if let Some((_, payload)) = raw.hear().await {
            answers += &String::from_utf8_lossy(&payload);
        }
        raw.say(&frame(FIN | 0x40 | TEXT, token.as_bytes())).await;
        raw.fall_silent().await;
    }
    for (path, headers) in [
        (format!("/events?token={IN_URL}"), &bearer),
        (format!("/nothing/{IN_URL}?rooms=a"), &bearer),
        (format!("/health?admin={IN_URL}"), &bearer),
    ] {
        answers += &answer_of(program.addr, "GET", &path, headers).await;
    }
    let mut client = Client::open(program.addr, Some("pgbell.v1")).await;
    answers += &client.next().await.to_string();
    for message in [
        json!({"type": "auth", "id": 1, "token": token}),
        json!({"type": "auth", "id": 2, "token": [token]}),
        json!({"type": "auth", "id": 3, "Token": token}),
        json!({"type": "auth", "token": {"a": token}, "id": 4}),
    ] {
        client.say(message).await;
        answers += &client.next().await.to_string();
    }
    client.say_raw(Message::binary(token.into_bytes())).await;
    answers + &client.next().await.to_string()
}

/// A token that is accepted.
fn good_token() -> String {
    let mut config = Config::default();
    let key = json!([{"algorithm": "HS256", "secret": TOKEN_SECRET}]);
    config.access.tokens.keys = serde_json::from_value(key).expect("a key");
    let signer = Signer::with_secret(&config.access).expect("a secret");
    let claims = json!({"sub": "anna", "exp": Timestamp::now().as_second() + 3600});
    signer
        .sign(claims.as_object().expect("an object"))
        .expect("signed")
}

/// Gets a ticket for a token, and opens a stream of events with it; the ticket may be shown to nobody else.
async fn stream_by_ticket(program: &Program, token: &str) -> (String, Events) {
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let answer = answer_of(program.addr, "POST", "/ticket", &bearer).await;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body: Value = serde_json::from_str(body).expect(&answer);
    let ticket = body["ticket"].as_str().expect("a ticket").to_owned();
    let query = format!("rooms=product:1&ticket={ticket}");
    let mut events = Events::open(program.addr, &query, "").await;
    assert_eq!(events.next_of("welcome").await.data["user"], "anna");
    // Once is enough; whoever comes with it again is refused, and that is not written down either.
    let again = answer_of(program.addr, "GET", &format!("/events?{query}"), "").await;
    assert!(!tells(&again, &ticket), "{again}");
    (ticket, events)
}

#[tokio::test]
async fn no_secret_is_told_by_a_daemon_that_tells_all_it_can() {
    for transport in ["doorbell", "payload"] {
        tell_all(transport).await;
    }
}

async fn tell_all(transport: &str) {
    let database = Database::with_shop().await;
    let set_key =
        format!("update pgbell.install set payload_key = convert_to('{PAYLOAD_KEY}', 'UTF8')");
    database.run(&set_key).await;
    let url = with_password(&database.url);
    let keys = format!(r#"[{{algorithm = "HS256", secret = "{TOKEN_SECRET}"}}]"#);
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("PGBELL_DATABASE__TRANSPORT", transport),
        ("PGBELL_GATEWAY__ADMIN__TOKEN", ADMIN_TOKEN),
        ("PGBELL_ACCESS__TOKENS__KEYS", &keys),
        ("PGBELL_LOG", "trace"),
    ];
    let mut program = Program::with(&database, &settings).await;
    let mut witness = Client::connect(program.addr).await;
    witness.subscribe(&["product:1"]).await;
    database.run(SELL_ONE).await;
    witness.next_of("invalidate").await;
    let answers = talk(&program).await;
    assert_silent("an answer to a client", &answers);
    let token = good_token();
    let (ticket, stream) = stream_by_ticket(&program, &token).await;
    let cut = "select pg_terminate_backend(pid) from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid()";
    database.run(cut).await;
    witness.next_of("stale").await;
    witness.next_of("fresh").await;
    let operator = format!("Authorization: Bearer {ADMIN_TOKEN}\r\n");
    for path in ["/health", "/readyz", "/metrics", "/"] {
        assert_silent(path, &get(program.addr, path).await.1);
        let page = answer_of(program.addr, "GET", path, &operator).await;
        assert!(page.starts_with("HTTP/1.1 200"), "{path}: {page}");
        assert_silent(path, &page);
    }
    drop((witness, stream));
    program.signal(nix::sys::signal::Signal::SIGTERM);
    program.says("stopped in order").await;
    let log = program.log().join("\n");
    assert!(log.contains("DEBUG"), "it tells all it can");
    assert_silent("the log", &log);
    for secret in [&ticket, &token] {
        assert!(!tells(&log, secret), "the log tells a token or a ticket");
    }
}

#[test]
fn no_secret_is_told_by_a_daemon_that_cannot_reach_its_database() {
    let directory = tempfile::tempdir().expect("a directory");
    let url = format!("postgres://pgbell:{DATABASE_PASSWORD}@127.0.0.1:1/shop");
    for arguments in [&["install"][..], &["triggers", "diff"], &["config"]] {
        let (_, out, err) = command(directory.path(), &url, arguments);
        assert_silent(&arguments.join(" "), &(out + &err));
    }
}

/// Files with a mistake where a secret is, or beside it.
const MISTAKES: &[&str] = &[
    "[database]\nurl = \"postgres://u:DATABASE@h/db\"\nurl = \"postgres://u:DATABASE@h/db\"",
    "[database]\nurl = \"postgres://u:DATABASE@h/db",
    "[database]\nurl = postgres://u:DATABASE@h/db",
    "[database]\nurl = [\"postgres://u:DATABASE@h/db\"]",
    "[database]\nurl = \"mysql://u:DATABASE@h/db\"",
    "[database]\nurl = \"DATABASE\"",
    "[database]\nurl = \"postgres://u:DATABASE@h:port/db\"",
    "[database]\nurl = \"postgres://u@h/db?password=DATA@DATABASE\"",
    "database = \"postgres://u:DATABASE@h/db\"",
    "database = [\"postgres://u:DATABASE@h/db\"]",
    "[database.url]\npassword = \"DATABASE\"",
    "access = \"SECRET\"",
    "[access]\ntokens = \"SECRET\"",
    "[gateway]\nadmin = \"ADMIN\"",
    "[gateway.admin]\ntoken = [\"ADMIN\"]",
    "[gateway.admin]\ntoken = \"ADMIN ADMIN\"",
    "[gateway.admin]\ntoken = \"ADMIN",
    "[gateway.admin]\ntoken = ADMIN",
    "[gateway.admin]\ntokens = \"ADMIN\"",
    "[access.tokens]\nkeys = \"SECRET\"",
    "[access.tokens]\nkeys = [\"SECRET\"]",
    "[access.tokens]\nkeys = [{ algorithm = \"HS256\", secret = [\"SECRET\"] }]",
    "[access.tokens]\nkeys = [{ algorithm = \"HS512\", secret = \"SECRET\" }]",
    "[access.tokens]\nkeys = [{ algorithm = \"RS256\", public_key = \"SECRET\" }]",
    "[access.tokens]\nkeys = [{ algorithm = \"HS256\", key = \"SECRET\" }]",
    "[access.tokens]\nkeys = [{ algorithm = \"HS256\", secret = \"SECRET }]",
    "[access.tokens]\nkeys = [{ algorithm = \"HS256\", secret = \"SECRET\" }]\nleeway = \"1 year\"",
];

fn with_canaries(text: &str) -> String {
    text.replace("DATABASE", DATABASE_PASSWORD)
        .replace("SECRET", TOKEN_SECRET)
        .replace("ADMIN", ADMIN_TOKEN)
}

#[test]
fn no_secret_is_told_by_a_configuration_that_is_shown_or_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("pgbell.toml");
    let good = "[database]\nurl = \"postgres://u:DATABASE@h/db?sslpassword=DATABASE\"
        [gateway.admin]\ntoken = \"ADMIN\"
        [access.tokens]\nkeys = [{ algorithm = \"HS256\", secret = \"SECRET\" }]";
    std::fs::write(&file, with_canaries(good)).expect("a file");
    let (code, out, err) = command(directory.path(), "", &["config"]);
    assert_eq!(code, 0, "{err}");
    assert_silent("pgbell config", &(out + &err));
    for mistake in MISTAKES {
        std::fs::write(&file, with_canaries(mistake)).expect("a file");
        for arguments in [&["config"][..], &["token", "check", TOKEN]] {
            assert_refused(directory.path(), mistake, arguments);
        }
    }
}

fn assert_refused(directory: &Path, mistake: &str, arguments: &[&str]) {
    let (code, out, err) = command(directory, "", arguments);
    let said = format!("{out}{err}");
    // Whether a URL leads anywhere is not a question of configuration.
    let is_shown = arguments == ["config"] && said.contains("***");
    assert!(code != 0 || is_shown, "{mistake}: {said}");
    assert_silent(&format!("pgbell {} of {mistake}", arguments[0]), &said);
}
