//! Clients that never finish their request, and those who want to be served meanwhile.

use std::{net::SocketAddr, time::Duration};

use tokio::{io::AsyncWriteExt, task::JoinSet, time::sleep};

use super::{come, connect};
use crate::support::{daemon::Daemon, database::Database, soon};

const DRIPPING: usize = 300;

/// Requests that go on and on, one byte at a time, and come back when they are cut off.
fn drip(last: u8, addr: SocketAddr) -> JoinSet<()> {
    let mut dripping = JoinSet::new();
    for _ in 0..DRIPPING {
        dripping.spawn(async move {
            loop {
                let mut stream = connect(last, addr).await;
                let begun = stream.write_all(b"GET /ws HTTP/1.1\r\nX-Drip: ").await;
                let mut going = begun.is_ok();
                while going {
                    sleep(Duration::from_millis(20)).await;
                    going = stream.write_all(b"x").await.is_ok();
                }
            }
        });
    }
    dripping
}

async fn slow_daemon(database: &Database, unlimited: &str) -> Daemon {
    Daemon::with(database, |config| {
        config.gateway.unlimited_addresses = vec!["127.0.0.1".into(), unlimited.into()];
        config.gateway.max_http_connections = 100;
        config.gateway.max_http_connections_per_address = 25;
        (
            config.gateway.connection_rate,
            config.gateway.connection_burst,
        ) = (10_000, 10_000);
        // Longer than a test waits: nobody is saved by this one.
        config.gateway.header_timeout = Duration::from_secs(600);
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_drips_its_requests_takes_places_from_itself_alone() {
    let database = Database::with_shop().await;
    let daemon = slow_daemon(&database, "127.0.0.1").await;
    let dripping = drip(2, daemon.addr);
    let cut = r#"pgbell_cut_connections_total{reason="silent"}"#;
    let busy = async { while daemon.number(cut).await < DRIPPING as f64 {} };
    soon("the drip to fill its places", busy).await;
    for _ in 0..30 {
        assert_eq!(come(3, daemon.addr, &[]).await.0, "welcome");
    }
    assert!(daemon.number("pgbell_http_connections").await <= 101.0);
    drop(dripping);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn even_from_addresses_without_limits_a_drip_keeps_nobody_out() {
    let database = Database::with_shop().await;
    let daemon = slow_daemon(&database, "127.0.0.2").await;
    let dripping = drip(2, daemon.addr);
    let cut = r#"pgbell_cut_connections_total{reason="silent"}"#;
    let busy = async { while daemon.number(cut).await < 50.0 {} };
    soon("the drip to fill all places", busy).await;
    for _ in 0..3 {
        assert_eq!(come(3, daemon.addr, &[]).await.0, "welcome");
    }
    assert!(daemon.number("pgbell_http_connections").await <= 101.0);
    drop(dripping);
}
