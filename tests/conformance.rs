//! RFC 6455, byte by byte: what breaks it ends the connection with the right code, and nothing else does.
//! `make conformance` asks some three hundred more questions of this kind.

use crate::support::{
    daemon::Daemon,
    database::Database,
    raw::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, Raw, TEXT, announced, frame},
    soon,
};

const PING_MESSAGE: &[u8] = br#"{"type":"ping","id":"#;
const ITS_END: &[u8] = b"7}";

async fn daemon() -> (Database, Daemon) {
    let database = Database::new().await;
    let daemon = Daemon::start(&database).await;
    (database, daemon)
}

/// The code with which a session ends that hears this, after it was welcomed.
async fn code_after(daemon: &Daemon, said: &[Vec<u8>]) -> u16 {
    let mut raw = Raw::open(daemon.addr, "/ws", "").await;
    raw.next(TEXT).await;
    for bytes in said {
        raw.say(bytes).await;
    }
    raw.closed().await
}

#[tokio::test]
async fn every_breach_of_framing_ends_the_connection_with_its_code() {
    let (_database, daemon) = daemon().await;
    let reserved = (0x3..=0x7).chain(0xb..=0xf);
    let mut breaches: Vec<(String, Vec<Vec<u8>>, u16)> = reserved
        .map(|opcode| {
            (
                format!("opcode {opcode:x}"),
                vec![frame(FIN | opcode, b"")],
                1002,
            )
        })
        .collect();
    for bit in [0x40, 0x20, 0x10] {
        let said = vec![frame(FIN | bit | TEXT, b"{}")];
        breaches.push((format!("reserved bit {bit:x}"), said, 1002));
    }
    let unmasked = [&[FIN | TEXT, 2][..], b"{}"].concat();
    let breach = |what: &str, said: &[Vec<u8>], code| (what.to_owned(), said.to_vec(), code);
    breaches.extend([
        breach("a frame without a mask", &[unmasked], 1002),
        breach("a ping in fragments", &[frame(PING, b"a")], 1002),
        breach("a close in fragments", &[frame(CLOSE, b"")], 1002),
        breach(
            "a ping of 126 bytes",
            &[frame(FIN | PING, &[b'a'; 126])],
            1002,
        ),
        breach(
            "a close of 126 bytes",
            &[frame(FIN | CLOSE, &[b'a'; 126])],
            1002,
        ),
        breach(
            "the end of nothing",
            &[frame(FIN | CONTINUATION, b"a")],
            1002,
        ),
        breach("the middle of nothing", &[frame(CONTINUATION, b"a")], 1002),
        breach(
            "a message inside another",
            &[frame(TEXT, b"{"), frame(FIN | TEXT, b"{}")],
            1002,
        ),
        breach("bytes instead of text", &[frame(FIN | BINARY, b"{}")], 1003),
        breach(
            "2^63 bytes announced",
            &[announced(FIN | TEXT, 1 << 63)],
            1009,
        ),
        breach(
            "2^64 - 1 bytes announced",
            &[announced(FIN | TEXT, u64::MAX)],
            1009,
        ),
        breach("16 MiB announced", &[announced(FIN | TEXT, 16 << 20)], 1009),
        breach(
            "too much in fragments",
            &[
                frame(TEXT, &[b' '; 40_000]),
                frame(CONTINUATION, &[b' '; 40_000]),
            ],
            1009,
        ),
    ]);
    for (what, said, code) in breaches {
        assert_eq!(code_after(&daemon, &said).await, code, "{what}");
    }
}

#[tokio::test]
async fn text_that_is_no_utf_8_ends_the_connection_however_it_comes() {
    let (_database, daemon) = daemon().await;
    for text in [
        &b"\xff"[..],
        b"a\x80",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xce\xba\xe1\xbd",
    ] {
        let whole = vec![frame(FIN | TEXT, text)];
        assert_eq!(code_after(&daemon, &whole).await, 1007, "{text:x?}");
        let mut parts = vec![frame(TEXT, b"")];
        parts.extend(text.iter().map(|byte| frame(CONTINUATION, &[*byte])));
        parts.push(frame(FIN | CONTINUATION, b""));
        assert_eq!(
            code_after(&daemon, &parts).await,
            1007,
            "{text:x?} in parts"
        );
    }
}

#[tokio::test]
async fn a_close_is_answered_with_its_code_if_there_is_such_a_code() {
    let (_database, daemon) = daemon().await;
    let close = |code: u16| vec![frame(FIN | CLOSE, &code.to_be_bytes())];
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
    ] {
        assert_eq!(code_after(&daemon, &close(code)).await, code);
    }
    for code in [
        0,
        999,
        1004,
        1005,
        1006,
        1015,
        1016,
        1100,
        2000,
        2999,
        5000,
        u16::MAX,
    ] {
        assert_eq!(code_after(&daemon, &close(code)).await, 1002, "{code}");
    }
    let half = vec![frame(FIN | CLOSE, &[3])];
    assert_eq!(code_after(&daemon, &half).await, 1002, "half a code");
    let reason = vec![frame(FIN | CLOSE, b"\x03\xe8\xff")];
    assert_eq!(
        code_after(&daemon, &reason).await,
        1007,
        "a reason that is no UTF-8"
    );
    let nothing = vec![frame(FIN | CLOSE, b"")];
    assert_eq!(code_after(&daemon, &nothing).await, 1005, "no code at all");
}

#[tokio::test]
async fn a_message_may_come_in_fragments_of_any_size_with_pings_between() {
    let (_database, daemon) = daemon().await;
    let mut raw = Raw::open(daemon.addr, "/ws", "").await;
    raw.next(TEXT).await;
    raw.say(&frame(TEXT, b"")).await;
    for byte in PING_MESSAGE {
        raw.say(&frame(CONTINUATION, &[*byte])).await;
        raw.say(&frame(FIN | PING, &[*byte])).await;
        assert_eq!(raw.next(PONG).await, [*byte], "answered between fragments");
    }
    raw.say(&frame(FIN | CONTINUATION, ITS_END)).await;
    let pong: serde_json::Value = serde_json::from_slice(&raw.next(TEXT).await).expect("JSON");
    assert_eq!((&pong["type"], &pong["id"]), (&"pong".into(), &7.into()));
    raw.say(&frame(FIN | PONG, b"nobody asked")).await;
    raw.say(&frame(FIN | PING, &[b'a'; 125])).await;
    assert_eq!(raw.next(PONG).await, [b'a'; 125]);
}

#[tokio::test]
async fn a_frame_may_arrive_byte_by_byte() {
    let (_database, daemon) = daemon().await;
    let mut raw = Raw::open(daemon.addr, "/ws", "").await;
    raw.next(TEXT).await;
    for byte in frame(FIN | TEXT, &[PING_MESSAGE, ITS_END].concat()) {
        raw.say(&[byte]).await;
        tokio::task::yield_now().await;
    }
    let pong = String::from_utf8(raw.next(TEXT).await).expect("UTF-8");
    assert!(pong.contains("pong"), "{pong}");
}

#[tokio::test]
async fn compression_is_not_negotiated_and_compressed_frames_are_refused() {
    let (_database, daemon) = daemon().await;
    for offer in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-bzip2, x-webkit-deflate-frame",
    ] {
        let offer = format!("Sec-WebSocket-Extensions: {offer}\r\n");
        let mut raw = Raw::open(daemon.addr, "/ws", &offer).await;
        let head = raw.head.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        assert!(!head.contains("extensions"), "{head}");
        raw.next(TEXT).await;
        // "{}", deflated.
        let deflated = [0xaa, 0xae, 0x05, 0x00];
        raw.say(&frame(FIN | 0x40 | TEXT, &deflated)).await;
        assert_eq!(raw.closed().await, 1002);
    }
}

#[tokio::test]
async fn the_server_ends_the_stream_and_the_client_need_not_ask() {
    let (_database, daemon) = daemon().await;
    // A server that waits for the client to end first ends when it stops counting the connection: never
    // before. One that does not may have been left by the time somebody looks, so that a look may take more.
    let mut ended_first = false;
    for _ in 0..20 {
        let mut raw = Raw::open(daemon.addr, "/ws", "").await;
        raw.next(TEXT).await;
        raw.say(&frame(FIN | CONTINUATION, b"")).await;
        assert_eq!(raw.closed().await, 1002);
        ended_first |= daemon.metric("pgbell_connections").await > 0;
        drop(raw);
        let left = async { while daemon.metric("pgbell_connections").await > 0 {} };
        soon("the session to end", left).await;
        if ended_first {
            return;
        }
    }
    panic!("no stream ended before its connection did");
}

#[tokio::test]
async fn no_bytes_whatever_break_a_session_or_its_neighbours() {
    let (_database, daemon) = daemon().await;
    let mut neighbour = daemon.client().await;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..200 {
        let mut raw = Raw::open(daemon.addr, "/ws", "").await;
        for _ in 0..random.usize(1..20) {
            let payload: Vec<u8> = (0..random.usize(..300)).map(|_| random.u8(..)).collect();
            match random.u8(..4) {
                0 => raw.say(&payload).await,
                1 => raw.say(&frame(random.u8(..), &payload)).await,
                2 => raw.say(&announced(random.u8(..), random.u64(..))).await,
                _ => raw.say(&frame(FIN | TEXT, br#"{"type":"ping"}"#)).await,
            }
        }
        raw.fall_silent().await;
        while raw.hear().await.is_some() {}
    }
    // A session that panics would never be counted out.
    let left = async { while daemon.metric("pgbell_connections").await != 1 {} };
    soon("every session to end", left).await;
    neighbour.say(serde_json::json!({"type": "ping"})).await;
    neighbour.next_of("pong").await;
}

#[cfg(feature = "sabotage")]
#[tokio::test]
async fn an_echo_says_back_what_it_hears_in_one_frame() {
    let (_database, daemon) = daemon().await;
    let mut raw = Raw::open(daemon.addr, "/echo", "").await;
    for length in [0, 1, 125, 126, 127, 1_000, 60_000] {
        let text = vec![b'x'; length];
        let (half, rest) = text.split_at(length / 2);
        raw.say(&frame(TEXT, half)).await;
        raw.say(&frame(FIN | CONTINUATION, rest)).await;
        assert_eq!(raw.hear().await, Some((TEXT, text)));
        let bytes = vec![0xff; length];
        raw.say(&frame(FIN | BINARY, &bytes)).await;
        assert_eq!(raw.hear().await, Some((BINARY, bytes)));
    }
    raw.say(&frame(FIN | TEXT, b"\xff")).await;
    assert_eq!(raw.closed().await, 1007);
}
