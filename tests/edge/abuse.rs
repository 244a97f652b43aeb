//! Strangers who send anything at all, and witnesses in the same rooms who must miss nothing. `ABUSE_SEED=n`
//! begins with the strangers that a failure names; `make soak` goes on for minutes.

use std::{
    collections::BTreeSet,
    env, io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use fastrand::Rng;
use serde_json::json;
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::timeout,
};

use crate::{
    access::{Site, anyone},
    support::{
        client::{Client, ids_in, told},
        database::Database,
        raw::{FIN, TEXT, announced, frame},
        soon,
    },
};

const STRANGERS: u64 = 20;
const ROOM: &str = "witness:1";
/// Longest stay of a stranger who is not thrown out.
const VISIT: Duration = Duration::from_millis(300);
const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: pgbell\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Comes again and again, each time as somebody else.
async fn stranger(addr: SocketAddr, token: String, mut random: Rng) {
    loop {
        // Whether it was cut off, refused or left alone is its own business.
        let _ = timeout(VISIT, visit(addr, &token, &mut random)).await;
        // Without this, one whose port is refused would keep the others from their turn.
        tokio::task::yield_now().await;
    }
}

async fn visit(addr: SocketAddr, token: &str, random: &mut Rng) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, random.u8(2..8)], 0).into())?;
    let mut stream = socket.connect(addr).await?;
    stream.write_all(&opening(token, random)).await?;
    for _ in 0..random.usize(..30) {
        stream.write_all(&saying(token, random)).await?;
    }
    part(stream, random).await
}

/// How a connection begins.
fn opening(token: &str, random: &mut Rng) -> Vec<u8> {
    let request = match random.u8(..8) {
        0 => return noise(random),
        1 => format!("GET /events?rooms={ROOM},{} HTTP/1.1\r\n\r\n", word(random)),
        2 => format!("POST /ticket HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n"),
        3 => format!("GET /{} HTTP/1.1\r\nX: {}\r\n", word(random), word(random)),
        _ => HANDSHAKE.to_owned(),
    };
    let mut bytes = request.into_bytes();
    match random.u8(..8) {
        0 => bytes.truncate(random.usize(..bytes.len())),
        1 => {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        _ => {}
    }
    bytes
}

/// What comes after that.
fn saying(token: &str, random: &mut Rng) -> Vec<u8> {
    let message = match random.u8(..10) {
        0 => return noise(random),
        1 => return frame(random.u8(..), &noise(random)),
        2 => return announced(random.u8(..), random.u64(..)),
        3 => return frame(FIN | TEXT, br#"{"type":"ping"}"#).repeat(random.usize(..500)),
        4 => json!({"type": "subscribe", "id": 1, "rooms": [ROOM]}),
        5 => json!({"type": "unsubscribe", "id": 2, "rooms": [ROOM, word(random)]}),
        6 => {
            json!({"type": "subscribe", "id": 3, "rooms": vec![word(random); random.usize(..1_200)]})
        }
        7 => json!({"type": "sync", "id": 4, "since": word(random), "rooms": [ROOM]}),
        8 => json!({"type": "auth", "id": 5, "token": word(random)}),
        _ => json!({"type": "auth", "id": 6, "token": token}),
    };
    frame(FIN | TEXT, message.to_string().as_bytes())
}

fn noise(random: &mut Rng) -> Vec<u8> {
    (0..random.usize(..400)).map(|_| random.u8(..)).collect()
}

fn word(random: &mut Rng) -> String {
    (0..random.usize(..20))
        .map(|_| random.alphanumeric())
        .collect()
}

/// Some hang up, some listen, and some do neither.
async fn part(mut stream: TcpStream, random: &mut Rng) -> io::Result<()> {
    match random.u8(..4) {
        0 => SockRef::from(&stream).set_linger(Some(Duration::ZERO)),
        1 => stream.shutdown().await,
        2 => stream.read_to_end(&mut Vec::new()).await.map(drop),
        _ => std::future::pending().await,
    }
}

/// Whether a witness was told of these, one by one or by a resync.
async fn assert_told(witness: &mut Client, database: &Database, ids: &BTreeSet<String>) {
    let messages = witness.messages(database).await;
    let by_resync = |room: &str| {
        told(&messages)
            .get(room)
            .is_some_and(|told| told.contains("resync"))
    };
    let missed: Vec<_> = ids.difference(&ids_in(&messages, ROOM)).cloned().collect();
    assert!(
        missed.is_empty() || by_resync(ROOM) || by_resync("*"),
        "missed {missed:?}"
    );
}

async fn abuse(lasting: Duration) {
    let asked = env::var("ABUSE_SEED").map(|seed| seed.parse().expect("ABUSE_SEED is a number"));
    let seed: u64 = asked.unwrap_or_else(|_| fastrand::u64(..));
    println!("ABUSE_SEED={seed}");
    let rules = vec![anyone("witness:*"), anyone("mark:*")];
    let site = Site::with(Database::new().await, rules, |config| {
        let gateway = &mut config.gateway;
        gateway.unlimited_addresses = vec!["127.0.0.1".into()];
        (gateway.connection_rate, gateway.connection_burst) = (1_000, 1_000);
        (gateway.message_rate, gateway.message_burst) = (100, 200);
        gateway.max_connections_per_user = 5;
        gateway.header_timeout = Duration::from_secs(1);
    })
    .await;
    let mut witnesses = Vec::new();
    for _ in 0..2 {
        witnesses.push(site.daemon.client_in(&[ROOM]).await);
    }
    let mut strangers = JoinSet::new();
    for number in 0..STRANGERS {
        let random = Rng::with_seed(seed.wrapping_add(number));
        let token = site.token("mallory", json!({}));
        strangers.spawn(stranger(site.daemon.addr, token, random));
    }
    let begun = Instant::now();
    let mut next = 0;
    while begun.elapsed() < lasting {
        let ids: BTreeSet<String> = (next..next + 20).map(|id| id.to_string()).collect();
        next += 20;
        for id in &ids {
            site.database.run(&crate::access::write(ROOM, id)).await;
        }
        for witness in &mut witnesses {
            assert_told(witness, &site.database, &ids).await;
        }
        assert_eq!(site.daemon.get("/readyz").await.0, 200);
    }
    println!("{next} changes");
    strangers.shutdown().await;
    // A session that panicked would never be counted out.
    let left = async { while site.daemon.metric("pgbell_connections").await != 2 {} };
    soon("every stranger to be counted out", left).await;
    let left = async { while site.daemon.metric("pgbell_http_connections").await != 1 {} };
    soon("every request to be counted out", left).await;
    drop(witnesses);
    site.daemon.stop().await.expect("stopped in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_strangers_send_witnesses_miss_nothing() {
    abuse(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes the minutes that it is given: make soak"]
async fn soak() {
    let minutes = env::var("ABUSE_MINUTES")
        .map(|minutes| minutes.parse().expect("ABUSE_MINUTES is a number"));
    abuse(Duration::from_secs(60 * minutes.unwrap_or(1))).await;
}
