//! How much one address may have, and whose address that is.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{come, connect};
use crate::support::{daemon::Daemon, database::Database, events::Events, soon};

/// The tests themselves ask from 127.0.0.1, all others are counted.
fn only_others_count(config: &mut pgbell::gateway::Config) {
    config.unlimited_addresses = vec!["127.0.0.1".into()];
}

/// Whether a connection is answered before it is cut off.
async fn is_answered(mut stream: TcpStream) -> bool {
    let ask = b"GET /livez HTTP/1.1\r\nHost: pgbell\r\nConnection: close\r\n\r\n";
    let (mut answer, sent) = (String::new(), stream.write_all(ask).await);
    let read = soon("an answer or an end", stream.read_to_string(&mut answer)).await;
    sent.is_ok() && read.is_ok() && answer.starts_with("HTTP/1.1 200")
}

#[tokio::test]
async fn an_address_with_as_many_connections_as_it_may_have_is_told_and_others_are_served() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        only_others_count(&mut config.gateway);
        config.gateway.max_connections_per_address = 3;
    })
    .await;
    let mut crowd = Vec::new();
    for _ in 0..2 {
        let (told, client) = come(2, daemon.addr, &[]).await;
        assert_eq!(told, "welcome");
        crowd.push(client);
    }
    let mut stream = Events::on(connect(2, daemon.addr).await, "rooms=product:1", "").await;
    stream.next_of("subscribed").await;
    assert_eq!(come(2, daemon.addr, &[]).await.0, "4004");
    let mut refused = Events::on(connect(2, daemon.addr).await, "rooms=product:1", "").await;
    assert_eq!(refused.next_of("goodbye").await.data["code"], 4004);
    assert_eq!(come(3, daemon.addr, &[]).await.0, "welcome");
    for _ in 0..5 {
        assert_eq!(
            come(1, daemon.addr, &[]).await.0,
            "welcome",
            "without a limit"
        );
    }
    crowd.pop();
    let freed = async { while come(2, daemon.addr, &[]).await.0 != "welcome" {} };
    soon("the place that was given back", freed).await;
    drop(stream);
    let freed = async { while come(2, daemon.addr, &[]).await.0 != "welcome" {} };
    soon("the place of the stream", freed).await;
}

#[tokio::test]
async fn an_address_that_comes_too_often_is_cut_off_and_others_are_served() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        only_others_count(&mut config.gateway);
        (
            config.gateway.connection_rate,
            config.gateway.connection_burst,
        ) = (1, 10);
    })
    .await;
    let mut answered = 0;
    for _ in 0..200 {
        answered += usize::from(is_answered(connect(2, daemon.addr).await).await);
    }
    assert!((10..100).contains(&answered), "{answered}");
    assert!(is_answered(connect(3, daemon.addr).await).await);
    let cut = r#"pgbell_cut_connections_total{reason="connection_rate"}"#;
    assert_eq!(daemon.number(cut).await, (200 - answered) as f64);
}

#[tokio::test]
async fn an_address_makes_room_for_its_own_requests_and_not_for_those_of_others() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        only_others_count(&mut config.gateway);
        config.gateway.max_http_connections_per_address = 3;
        config.gateway.header_timeout = std::time::Duration::from_secs(60);
    })
    .await;
    let mut other = connect(3, daemon.addr).await;
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(connect(2, daemon.addr).await);
    }
    assert!(is_answered(connect(2, daemon.addr).await).await);
    for stream in &mut silent[..8] {
        let end = soon("an end", stream.read(&mut [0; 16])).await;
        assert_eq!(end.expect("an orderly end"), 0);
    }
    other
        .write_all(b"GET /livez HTTP/1.0\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = String::new();
    let read = soon("an answer", other.read_to_string(&mut answer)).await;
    assert!(read.is_ok() && answer.contains("200"), "{answer}");
    let cut = r#"pgbell_cut_connections_total{reason="silent"}"#;
    assert_eq!(daemon.number(cut).await, 8.0);
}

#[tokio::test]
async fn behind_a_trusted_proxy_clients_are_told_apart_by_what_it_says_of_them() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        only_others_count(&mut config.gateway);
        config.gateway.trusted_proxies = vec!["127.0.0.2".into()];
        config.gateway.max_connections_per_address = 1;
    })
    .await;
    let from = async |last: u8, said: &str| {
        let told = come(last, daemon.addr, &[("x-forwarded-for", said)]).await;
        (told.0, told.1)
    };
    let mut kept = Vec::new();
    for (proxy, said, expected) in [
        (2, "203.0.113.1", "welcome"),
        (2, "203.0.113.1", "4004"),
        (2, "198.51.100.66, 203.0.113.1", "4004"),
        (2, "203.0.113.2", "welcome"),
        (2, "2001:db8::1", "welcome"),
        (2, "2001:db8::ffff", "4004"),
        (2, "2001:db8:0:1::1", "welcome"),
        // Nobody's word: it counts as itself.
        (3, "203.0.113.77", "welcome"),
        (3, "203.0.113.78", "4004"),
    ] {
        let (told, client) = from(proxy, said).await;
        assert_eq!(told, expected, "{proxy} says {said}");
        kept.push(client);
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_comes_as_often_as_one_may() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        only_others_count(&mut config.gateway);
        config.gateway.trusted_proxies = vec!["127.0.0.2".into()];
        (
            config.gateway.connection_rate,
            config.gateway.connection_burst,
        ) = (1, 3);
    })
    .await;
    let limited = async {
        while come(2, daemon.addr, &[("x-forwarded-for", "203.0.113.1")])
            .await
            .0
            != "4103"
        {}
    };
    soon("a limit", limited).await;
    let (told, _) = come(2, daemon.addr, &[("x-forwarded-for", "203.0.113.2")]).await;
    assert_eq!(told, "welcome");
}
