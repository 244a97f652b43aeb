//! Which pages may connect.

use super::come;
use crate::support::{daemon::Daemon, database::Database, events::Events};

const SHOP: &str = "https://shop.example.com";

async fn listed() -> (Database, Daemon) {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.gateway.origins = vec![SHOP.into(), "http://localhost:5173".into()];
    })
    .await;
    (database, daemon)
}

#[tokio::test]
async fn a_page_that_is_not_listed_is_refused_in_a_way_that_its_script_can_see() {
    let (_database, daemon) = listed().await;
    let first = async |origins: &[&str]| {
        let headers: Vec<_> = origins.iter().map(|origin| ("origin", *origin)).collect();
        come(1, daemon.addr, &headers).await.0
    };
    for allowed in [&[][..], &[SHOP], &["http://localhost:5173"]] {
        assert_eq!(first(allowed).await, "welcome", "{allowed:?}");
    }
    for hostile in [
        "https://shop.example.com.evil.net",
        "https://evil-shop.example.com",
        "https://sub.shop.example.com",
        "https://example.com",
        "http://shop.example.com",
        "https://shop.example.com:443",
        "https://shop.example.com:8443",
        "https://shop.example.com.",
        "https://shop.example.com/",
        "https://shop.example.com#x",
        "https://SHOP.example.com",
        "HTTPS://shop.example.com",
        "https://user@shop.example.com",
        "https://evil.net,https://shop.example.com",
        "https://shop.example.com, https://evil.net",
        "https://sh\u{f6}p.example.com",
        "http://localhost",
        "http://localhost:51731",
        "http://127.0.0.1:5173",
        "//shop.example.com",
        "null",
        "*",
        "",
    ] {
        assert_eq!(first(&[hostile]).await, "4001", "{hostile:?}");
    }
    for several in [[SHOP, SHOP], [SHOP, "https://evil.net"], ["null", SHOP]] {
        assert_eq!(first(&several).await, "4001", "{several:?}");
    }
    let metrics = daemon.get("/metrics").await.1;
    assert!(
        metrics.contains(r#"closes_total{reason="origin_forbidden"} 26"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_stream_of_events_is_for_the_same_pages_and_tells_browsers_so() {
    let (_database, daemon) = listed().await;
    let ask = async |method: &str, origin: &str| {
        daemon
            .ask(method, "/events?rooms=", &format!("Origin: {origin}\r\n"))
            .await
    };
    let origin = format!("Origin: {SHOP}\r\n");
    let events = Events::open(daemon.addr, "rooms=product:1", &origin).await;
    for line in [
        "HTTP/1.1 200 OK",
        &format!("access-control-allow-origin: {SHOP}\r\n"),
        "vary: origin",
    ] {
        assert!(events.head.contains(line), "{line} in {}", events.head);
    }
    assert!(!events.head.contains("content-length"), "{}", events.head);
    let program = Events::open(daemon.addr, "rooms=product:1", "").await;
    assert!(
        program.head.starts_with("HTTP/1.1 200 OK"),
        "{}",
        program.head
    );
    assert!(!program.head.contains("access-control"), "{}", program.head);

    let mistaken = ask("GET", SHOP).await;
    assert!(mistaken.starts_with("HTTP/1.1 400"), "{mistaken}");
    assert!(
        mistaken.contains(&format!("access-control-allow-origin: {SHOP}")),
        "a page may read why"
    );
    let preflight = ask("OPTIONS", SHOP).await;
    assert!(preflight.starts_with("HTTP/1.1 204"), "{preflight}");
    assert!(
        preflight.contains("access-control-allow-headers: authorization"),
        "{preflight}"
    );
    for method in ["GET", "OPTIONS"] {
        let answer = ask(method, "https://evil.net").await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        assert!(!answer.contains("access-control"), "{answer}");
    }
    let script = daemon
        .ask("GET", "/client.js", "Origin: https://evil.net\r\n")
        .await;
    assert!(
        script.contains("access-control-allow-origin: *"),
        "{script}"
    );
}

#[tokio::test]
async fn a_ticket_is_for_the_same_pages_which_may_send_their_token_for_it() {
    let (_database, daemon) = listed().await;
    let ask = async |method: &str, origin: &str, more: &str| {
        let headers = format!("Origin: {origin}\r\nContent-Length: 0\r\n{more}");
        daemon.ask(method, "/ticket", &headers).await.to_lowercase()
    };
    let allowed = format!("access-control-allow-origin: {SHOP}\r\n");
    let wish =
        "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n";
    let preflight = ask("OPTIONS", SHOP, wish).await;
    assert!(preflight.starts_with("http/1.1 204"), "{preflight}");
    for line in [
        &allowed,
        "access-control-allow-methods: get, head, post\r\n",
        "access-control-allow-headers: authorization",
    ] {
        assert!(preflight.contains(line), "{line} in {preflight}");
    }
    let answer = ask("POST", SHOP, "Authorization: Bearer x\r\n").await;
    assert!(
        answer.contains(&allowed),
        "a page may read the answer: {answer}"
    );
    for method in ["OPTIONS", "POST"] {
        let answer = ask(method, "https://evil.net", "Authorization: Bearer x\r\n").await;
        assert!(answer.starts_with("http/1.1 403"), "{answer}");
        assert!(!answer.contains("access-control"), "{answer}");
    }
}

#[tokio::test]
async fn without_a_list_no_page_may_connect_unless_everything_is_open() {
    let database = Database::with_shop().await;
    for (open, expected) in [(true, "welcome"), (false, "4001")] {
        let daemon = Daemon::with(&database, |config| config.access.open = open).await;
        let (told, _) = come(1, daemon.addr, &[("origin", "https://anywhere.example")]).await;
        assert_eq!(told, expected, "open: {open}");
        assert_eq!(come(1, daemon.addr, &[]).await.0, "welcome", "a program");
    }
}
