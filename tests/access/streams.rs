//! Tokens and tickets for server-sent events.

use serde_json::{Value, json};

use super::{Site, anyone, rule};
use crate::support::events::Events;

fn rules() -> Vec<pgbell::access::RoomRule> {
    vec![anyone("product:*"), rule("user:{sub}")]
}

/// Status and body of an answer.
fn split(answer: &str) -> (&str, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).expect("a status");
    (status, serde_json::from_str(body).unwrap_or_default())
}

async fn ticket(site: &Site, token: &str) -> String {
    let headers = format!("Authorization: Bearer {token}\r\nContent-Length: 0\r\n");
    let answer = site.daemon.ask("POST", "/ticket", &headers).await;
    let (status, body) = split(&answer);
    assert_eq!(status, "200", "{answer}");
    assert_eq!(body["expires_in_ms"], 30_000);
    assert!(answer.to_lowercase().contains("cache-control: no-store"));
    body["ticket"].as_str().expect("a ticket").to_owned()
}

#[tokio::test]
async fn a_ticket_is_good_once_and_stands_for_who_got_it() {
    let site = Site::new(rules()).await;
    let ticket = ticket(&site, &site.token("anna", json!({}))).await;
    let query = format!("rooms=user:anna,user:ben,product:1&ticket={ticket}");
    let mut events = Events::open(site.daemon.addr, &query, "").await;
    assert_eq!(events.next_of("welcome").await.data["user"], "anna");
    let rooms = events.next_of("subscribed").await.data["rooms"].clone();
    let status: Vec<_> = rooms
        .as_array()
        .expect("rooms")
        .iter()
        .map(|room| &room["status"])
        .collect();
    assert_eq!(status, ["live", "denied", "live"]);
    site.database.run(&super::write("user:anna", "1")).await;
    assert_eq!(events.next_of("invalidate").await.data["room"], "user:anna");

    let again = site
        .daemon
        .ask("GET", &format!("/events?{query}"), "")
        .await;
    let (status, body) = split(&again);
    assert_eq!(
        (status, &body["code"]),
        ("401", &json!("unauthorized")),
        "{again}"
    );
    let invented = "A".repeat(ticket.len());
    let query = format!("/events?rooms=product:1&ticket={invented}");
    assert_eq!(split(&site.daemon.ask("GET", &query, "").await).0, "401");
}

#[tokio::test]
async fn a_ticket_is_for_who_has_a_token_and_not_for_many() {
    let site = Site::new(rules()).await;
    let ask = async |headers: String| {
        let headers = format!("{headers}Content-Length: 0\r\n");
        let answer = site.daemon.ask("POST", "/ticket", &headers).await;
        let (status, body) = split(&answer);
        format!("{status} {}", body["code"].as_str().unwrap_or_default())
    };
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    assert_eq!(ask(String::new()).await, "401 unauthorized");
    assert_eq!(ask(bearer("garbage")).await, "401 unauthorized");
    let old = site.token("anna", json!({"exp": 1_000}));
    assert_eq!(ask(bearer(&old)).await, "401 token_expired");
    let anna = site.token("anna", json!({}));
    for _ in 0..20 {
        assert_eq!(ask(bearer(&anna)).await, "200 ");
    }
    assert_eq!(ask(bearer(&anna)).await, "429 rate_limited");
    assert_eq!(ask(bearer(&site.token("ben", json!({})))).await, "200 ");
}

#[tokio::test]
async fn a_client_that_is_no_browser_sends_its_token_along() {
    let site = Site::new(rules()).await;
    let header = format!(
        "Authorization: Bearer {}\r\n",
        site.token("anna", json!({}))
    );
    let mut events = Events::open(site.daemon.addr, "rooms=user:anna", &header).await;
    assert_eq!(events.next_of("welcome").await.data["user"], "anna");
    assert_eq!(
        events.next_of("subscribed").await.data["rooms"][0]["status"],
        "live"
    );
    let bad = site
        .daemon
        .ask(
            "GET",
            "/events?rooms=product:1",
            "Authorization: Bearer x\r\n",
        )
        .await;
    assert_eq!(split(&bad).0, "401");
    let mut guest = Events::open(site.daemon.addr, "rooms=product:1,user:anna", "").await;
    assert_eq!(guest.next_of("welcome").await.data["user"], json!(null));
    let rooms = guest.next_of("subscribed").await.data["rooms"].clone();
    assert_eq!(
        (&rooms[0]["status"], &rooms[1]["code"]),
        (&json!("live"), &json!("forbidden"))
    );
}

#[tokio::test]
async fn a_ticket_is_worth_no_more_than_the_token_it_was_given_for() {
    let site = Site::new(rules()).await;
    let soon = jiff::Timestamp::now().as_second() + 3;
    let brief = ticket(&site, &site.token("anna", json!({"exp": soon}))).await;
    let revoked = ticket(&site, &site.token("ben", json!({}))).await;
    let mut told = site.client("ben", json!({})).await;
    site.database.run("select pgbell.revoke('ben')").await;
    assert_eq!(super::end(&mut told).await.0, 4005);
    let query = format!("rooms=user:ben&ticket={revoked}");
    let mut events = Events::open(site.daemon.addr, &query, "").await;
    let first = events.next_of("goodbye").await;
    assert_eq!(first.data["code"], 4005);

    let query = format!("rooms=user:anna&ticket={brief}");
    let mut events = Events::open(site.daemon.addr, &query, "").await;
    let expiring = events.next_of("token_expiring").await.data["in_ms"].clone();
    assert!(expiring.as_u64().expect("a number") <= 3_000);
    assert_eq!(events.next_of("goodbye").await.data["code"], 4200);
}

#[tokio::test]
async fn where_tokens_are_not_looked_at_there_are_no_tickets_and_none_is_needed() {
    let database = crate::support::database::Database::with_shop().await;
    let daemon = crate::support::daemon::Daemon::start(&database).await;
    let headers = "Authorization: Bearer x\r\nContent-Length: 0\r\n";
    let answer = daemon.ask("POST", "/ticket", headers).await;
    let (status, body) = split(&answer);
    assert_eq!(
        (status, &body["code"]),
        ("400", &json!("bad_request")),
        "{answer}"
    );
    let mut events = Events::open(daemon.addr, "rooms=user:anna&ticket=any", "").await;
    let rooms = events.next_of("subscribed").await.data["rooms"].clone();
    assert_eq!(rooms[0]["status"], "live");
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_with_a_revocation_and_says_so() {
    let site = Site::new(rules()).await;
    let soon = jiff::Timestamp::now().as_second() + 2;
    let header = |token: String| format!("Authorization: Bearer {token}\r\n");
    let brief = header(site.token("anna", json!({"exp": soon})));
    let mut brief = Events::open(site.daemon.addr, "rooms=user:anna", &brief).await;
    let long = header(site.token("ben", json!({})));
    let mut long = Events::open(site.daemon.addr, "rooms=user:ben", &long).await;
    long.next_of("subscribed").await;
    assert_eq!(brief.next_of("goodbye").await.data["code"], 4200);
    assert!(brief.next().await.is_none(), "and nothing after it");
    site.database.run("select pgbell.revoke('ben')").await;
    assert_eq!(long.next_of("goodbye").await.data["code"], 4005);
    assert!(long.next().await.is_none());
}
