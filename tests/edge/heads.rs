//! Requests that no honest client sends, and what every answer carries.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{daemon::Daemon, database::Database, soon};

async fn answer(daemon: &Daemon, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(daemon.addr).await.expect("a connection");
    let (mut answer, _) = (Vec::new(), stream.write_all(request).await);
    let _ = soon("an answer", stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_head_without_measure_is_refused() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let lines = |count: usize| "X-Line: x\r\n".repeat(count);
    let request =
        |head: &str| format!("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n");
    for (head, status) in [
        (lines(60), "200"),
        (lines(63), "431"),
        (format!("Cookie: {}\r\n", "x".repeat(6_000)), "200"),
        (format!("Cookie: {}\r\n", "x".repeat(9_000)), "431"),
        ("No colon\r\n".into(), "400"),
        ("X: \u{0}\r\n".into(), "400"),
    ] {
        let answer = answer(&daemon, request(&head).as_bytes()).await;
        let found = answer.split(' ').nth(1).unwrap_or_default();
        assert_eq!(found, status, "{} bytes: {answer}", head.len());
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(9_000));
    let found = answer(&daemon, long.as_bytes()).await;
    assert!(
        found.starts_with("HTTP/1.1 414") || found.starts_with("HTTP/1.1 431"),
        "{found}"
    );
    let second = answer(&daemon, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(!second.contains("200"), "{second}");
}

#[tokio::test]
async fn every_answer_tells_browsers_to_be_careful_with_it() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    for path in [
        "/",
        "/console.js",
        "/client.js",
        "/asyncapi.json",
        "/health",
        "/metrics",
        "/livez",
        "/no",
        "/ws",
        "/events",
    ] {
        let head = daemon.ask("GET", path, "").await;
        let (head, _) = head.split_once("\r\n\r\n").expect("a head");
        for header in [
            "content-security-policy: default-src 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "permissions-policy: camera=()",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: ",
        ] {
            assert!(head.contains(header), "{header} for {path}: {head}");
        }
        assert!(!head.contains("unsafe"), "{path}: {head}");
        assert_eq!(head.matches("content-security-policy").count(), 1, "{path}");
    }
}
