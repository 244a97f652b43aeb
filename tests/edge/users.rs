//! How much one user may have, wherever they come from.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    access::{Site, anyone, end, tell},
    support::{client::Client, database::Database, events::Events, soon},
};

const REFUSED: &str = r#"pgbell_refused_sessions_total{reason="max_connections_per_user"}"#;

async fn site(most: usize) -> Site {
    let rules = vec![anyone("product:*")];
    Site::with(Database::with_shop().await, rules, |config| {
        config.gateway.max_connections_per_user = most;
    })
    .await
}

/// A client with these header lines, and the type or the close code of what it is told first.
async fn come(site: &Site, headers: &[(&'static str, String)]) -> (String, Client) {
    let mut client = Client::open_with(site.daemon.addr, headers).await;
    let first = client.next().await;
    let told = first["type"].as_str().map(str::to_owned);
    (told.unwrap_or_else(|| first["closed"].to_string()), client)
}

/// Waits until there is a place again.
async fn gets_in(what: &str, site: &Site, token: &str) {
    let headers = in_header(token);
    let freed = async { while Box::pin(come(site, &headers)).await.0 != "welcome" {} };
    soon(what, freed).await;
}

fn in_header(token: &str) -> Vec<(&'static str, String)> {
    vec![("authorization", format!("Bearer {token}"))]
}

fn beside_the_protocol(token: &str) -> Vec<(&'static str, String)> {
    let encoded = URL_SAFE_NO_PAD.encode(token);
    let offers = format!("pgbell.v1, bearer.{encoded}");
    vec![("sec-websocket-protocol", offers)]
}

/// A stream that was opened with a new ticket.
async fn stream(site: &Site, token: &str) -> Events {
    let headers = format!("Authorization: Bearer {token}\r\nContent-Length: 0\r\n");
    let answer = site.daemon.ask("POST", "/ticket", &headers).await;
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    let body: Value = serde_json::from_str(body).expect("JSON");
    let ticket = body["ticket"].as_str().expect("a ticket");
    let query = format!("rooms=product:1&ticket={ticket}");
    Events::open(site.daemon.addr, &query, "").await
}

#[tokio::test]
async fn a_user_with_as_many_connections_as_they_may_have_is_told_and_others_are_served() {
    let site = site(3).await;
    let (anna, ben) = (site.token("anna", json!({})), site.token("ben", json!({})));
    let (told, first) = come(&site, &in_header(&anna)).await;
    assert_eq!(told, "welcome");
    let (told, mut second) = come(&site, &beside_the_protocol(&anna)).await;
    assert_eq!(told, "welcome");
    let mut third = site.client("anna", json!({})).await;

    assert_eq!(come(&site, &in_header(&anna)).await.0, "4004");
    assert_eq!(come(&site, &beside_the_protocol(&anna)).await.0, "4004");
    let mut fourth = site.daemon.client().await;
    fourth
        .say(json!({"type": "auth", "id": 1, "token": anna}))
        .await;
    assert_eq!(end(&mut fourth).await, (json!(4004), Vec::new()));
    assert_eq!(site.daemon.number(REFUSED).await, 3.0);

    for headers in [in_header(&ben), Vec::new()] {
        assert_eq!(
            come(&site, &headers).await.0,
            "welcome",
            "others are served"
        );
    }
    for client in [&mut second, &mut third] {
        let newer = site.token("anna", json!({"jti": "newer"}));
        let answer = tell(client, &newer).await;
        assert_eq!(answer["type"], "authenticated", "it has its place already");
    }
    drop(first);
    gets_in("the place that was given back", &site, &anna).await;
    drop(third);
    gets_in("the place of who had said it in a message", &site, &anna).await;
}

#[tokio::test]
async fn a_users_streams_count_as_their_sockets_do() {
    let site = site(2).await;
    let anna = site.token("anna", json!({}));
    let mut first = stream(&site, &anna).await;
    first.next_of("subscribed").await;
    let mut second = site.client("anna", json!({})).await;

    let mut third = stream(&site, &anna).await;
    assert_eq!(third.next_of("goodbye").await.data["code"], 4004);
    assert!(third.next().await.is_none(), "and nothing after it");
    let header = format!("Authorization: Bearer {anna}\r\n");
    let mut third = Events::open(site.daemon.addr, "rooms=product:1", &header).await;
    assert_eq!(third.next_of("goodbye").await.data["code"], 4004);
    assert_eq!(come(&site, &in_header(&anna)).await.0, "4004");
    assert_eq!(site.daemon.number(REFUSED).await, 3.0);

    let mut guest = Events::open(site.daemon.addr, "rooms=product:1", "").await;
    guest.next_of("subscribed").await;
    let mut other = stream(&site, &site.token("ben", json!({}))).await;
    other.next_of("subscribed").await;
    assert_eq!(second.subscribe(&["product:1"]).await["type"], "subscribed");
    drop(first);
    gets_in("the place of the stream", &site, &anna).await;
}
