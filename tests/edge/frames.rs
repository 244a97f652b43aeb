//! Frames that no honest client sends.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    daemon::Daemon,
    database::{Database, SELL_ONE},
    soon,
};

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: pgbell\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

/// A WebSocket without anything that knows the protocol; the head of the answer.
async fn handshake(daemon: &Daemon) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(daemon.addr).await.expect("a connection");
    stream.write_all(HANDSHAKE.as_bytes()).await.expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    (stream, String::from_utf8(head).expect("text"))
}

/// The code of the close frame behind all that is told before.
async fn close_code(stream: &mut TcpStream) -> Option<u16> {
    loop {
        let opcode = stream.read_u8().await.ok()?;
        let length = match stream.read_u8().await.ok()? {
            126 => stream.read_u16().await.ok()?.into(),
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.ok()?;
        if opcode == 0x88 {
            return Some(u16::from_be_bytes(payload.first_chunk().copied()?));
        }
    }
}

/// A frame as a client has to send it, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a short frame");
    let mut frame = vec![first, 0x80 | 126];
    frame.extend(length.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[tokio::test]
async fn what_breaks_the_protocol_is_closed_with_the_code_that_says_why() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let parts = [frame(0x01, &[b'x'; 40_000]), frame(0x80, &[b'x'; 40_000])].concat();
    let giant = [&[0x81, 0xff][..], &u64::MAX.to_be_bytes(), &[0; 4]].concat();
    let large = [&[0x81, 0xff][..], &65_537_u64.to_be_bytes(), &[0; 4]].concat();
    for (bytes, code, what) in [
        (giant, None, "more bytes than there can be"),
        (large, Some(1009), "more bytes than may be"),
        (parts, Some(1009), "parts of more than may be"),
        (b"\x81\x05hello".to_vec(), Some(1002), "unmasked"),
        (frame(0xc1, b"{}"), Some(1002), "compressed"),
        (
            frame(0x83, b"{}"),
            Some(1002),
            "an opcode that nobody knows",
        ),
        (frame(0x80, b"{}"), Some(1002), "the end of nothing"),
        (
            frame(0x89, &[0; 126]),
            Some(1002),
            "a ping that is too long",
        ),
        (frame(0x09, b"x"), Some(1002), "a part of a ping"),
        (frame(0x81, b"\xff\xfe"), Some(1007), "no UTF-8"),
        (frame(0x82, b"{}"), Some(1003), "binary"),
    ] {
        let (mut stream, head) = handshake(&daemon).await;
        assert!(!head.to_lowercase().contains("extensions"), "{head}");
        stream.write_all(&bytes).await.expect("sent");
        let found = soon(what, close_code(&mut stream)).await;
        assert!(found == code || code.is_none(), "{what}: {found:?}");
    }
}

#[tokio::test]
async fn a_message_whose_parts_never_end_ends_its_connection_and_nobody_elses() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        (config.gateway.message_rate, config.gateway.message_burst) = (1, 10);
    })
    .await;
    let mut witness = daemon.client_in(&["product:1"]).await;
    let (mut stream, _) = handshake(&daemon).await;
    stream.write_all(&frame(0x01, b"x")).await.expect("sent");
    let empty = [0x00, 0x80, 0, 0, 0, 0].repeat(1_000);
    let flood = async {
        // Fails when the daemon has closed and is gone.
        for _ in 0..100 {
            if stream.write_all(&empty).await.is_err() {
                return;
            }
        }
    };
    soon("the flood", flood).await;
    database.run(SELL_ONE).await;
    witness.next_of("invalidate").await;
    let closed = r#"pgbell_closes_total{reason="rate_limited"}"#;
    let counted = async { while daemon.number(closed).await != 1.0 {} };
    soon("a closed connection", counted).await;
}
