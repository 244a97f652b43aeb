use std::sync::Arc;

use super::*;
use crate::{
    change::{Change, Op, ResyncReason},
    invalidation::{Folded, Invalidation},
    protocol::{Rooms, ServerMessage},
};

/// A socket that takes what it is allowed to.
#[derive(Clone)]
pub(super) struct Tap(Arc<Mutex<(usize, Vec<u8>)>>, Form);

impl Tap {
    pub(super) fn of(form: Form) -> Self {
        Self(Arc::default(), form)
    }

    pub(super) fn open(&self, bytes: usize) {
        self.0.lock().unwrap().0 = bytes;
    }

    pub(super) fn taken(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap().1)
    }
}

impl Wire for Tap {
    fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut tap = self.0.lock().unwrap();
        let offered: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let fits = offered.len().min(tap.0);
        if fits == 0 && !offered.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        tap.0 -= fits;
        tap.1.extend(&offered[..fits]);
        Ok(fits)
    }

    fn form(&self) -> Form {
        self.1
    }
}

const LIMITS: OutboxLimits = OutboxLimits {
    frames: 4,
    bytes: 10_000,
    write_deadline: Duration::from_secs(10),
    heartbeat: Duration::from_secs(25),
    spread: Duration::from_secs(2),
};

fn outbox() -> (Outbox, Tap, Instant) {
    outbox_of(Form::WebSocket)
}

fn outbox_of(form: Form) -> (Outbox, Tap, Instant) {
    let (tap, now) = (Tap::of(form), Instant::now());
    (Outbox::new(Box::new(tap.clone()), LIMITS, now), tap, now)
}

/// One change of an entity, which `new.n` numbers.
pub(super) fn change(room: &str, entity: u8, number: u64) -> Frame {
    let change = Change {
        xid: number,
        at: jiff::Timestamp::UNIX_EPOCH,
        entity: "thing".into(),
        id: entity.to_string().into(),
        op: Op::Update,
        events: [Arc::from("thing:changed")].into(),
        targets: Vec::new(),
        old: None,
        new: serde_json::from_str(&format!("{{\"n\":{number}}}")).unwrap(),
        origin: None,
    };
    let invalidation = Invalidation {
        room: room.parse().unwrap(),
        changes: vec![Folded::new(&change)],
    };
    Frame::invalidate(invalidation.into(), number.to_string().into())
}

pub(super) fn resync(rooms: Rooms, number: u64) -> Frame {
    Frame::resync(rooms, ResyncReason::Bulk, number.to_string().into(), 0)
}

/// The messages in whole events, each with its length and its position.
pub(super) fn events(bytes: &[u8]) -> Vec<(serde_json::Value, usize, Option<String>)> {
    let text = std::str::from_utf8(bytes).unwrap();
    let events = text.split_inclusive("\n\n").map(|event| {
        let field = |name| event.lines().find_map(|line| line.strip_prefix(name));
        let data = serde_json::from_str(field("data: ").unwrap()).unwrap();
        (data, event.len(), field("id: ").map(str::to_owned))
    });
    events.collect()
}

/// The texts of whole frames.
pub(super) fn messages(mut bytes: &[u8]) -> Vec<serde_json::Value> {
    let mut messages = Vec::new();
    while let [opcode, length, ..] = *bytes {
        let (header, length) = match length {
            126 => (4, u16::from_be_bytes([bytes[2], bytes[3]]).into()),
            length => (2, usize::from(length)),
        };
        let payload = &bytes[header..header + length];
        if opcode == 0x81 {
            messages.push(serde_json::from_slice(payload).unwrap());
        }
        bytes = &bytes[header + length..];
    }
    messages
}

fn told(tap: &Tap) -> Vec<String> {
    let tell = |message: &serde_json::Value| {
        let number = &message["changes"][0]["new"]["n"];
        let about = match message["type"].as_str() {
            Some("invalidate") => format!("{} {number}", message["room"]),
            Some("resync") => format!("resync {}", message["rooms"]),
            other => return other.unwrap_or("nothing").to_owned(),
        };
        format!("{about} at {}", message["cursor"]).replace('"', "")
    };
    messages(&tap.taken()).iter().map(tell).collect()
}

fn reply(text: &'static str) -> Frame {
    Frame::encoded(text.as_bytes().into())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn while_a_socket_takes_everything_nothing_waits() {
    let (outbox, tap, now) = outbox();
    tap.open(1000);
    assert_eq!(outbox.send(change("a", 1, 1), now), Sent::Delivered);
    assert_eq!(outbox.send(reply("ok"), now), Sent::Delivered);
    assert!(text(&tap.taken()).ends_with("ok"));
    assert_eq!(outbox.drain(now).unwrap(), Progress::Drained);
}

#[test]
fn a_frame_cut_short_is_finished_before_the_next() {
    let (outbox, tap, now) = outbox();
    tap.open(2);
    outbox.send(reply("[a 1]"), now);
    outbox.send(reply("[b 2]"), now);
    assert_eq!(outbox.drain(now).unwrap(), Progress::Blocked);
    for _ in 0..8 {
        tap.open(1);
        outbox.drain(now).unwrap();
    }
    assert_eq!(text(&tap.taken()), "[a 1][b 2]");
}

#[test]
fn a_full_queue_is_folded_by_room_and_entity() {
    let (outbox, tap, now) = outbox();
    tap.open(2);
    outbox.send(change("a", 1, 1), now);
    for (room, number) in [("a", 2), ("b", 3), ("a", 4), ("b", 5)] {
        assert_eq!(outbox.send(change(room, 1, number), now), Sent::Delivered);
    }
    let sent = outbox.send(change("a", 2, 6), now);
    assert_eq!(sent, Sent::Folded(Folding::Folded));
    tap.open(10_000);
    assert_eq!(outbox.drain(now).unwrap(), Progress::Drained);
    let messages = messages(&tap.taken());
    assert_eq!(
        messages.len(),
        3,
        "what has begun is finished: {messages:?}"
    );
    let [_, a, b] = &messages[..] else {
        unreachable!()
    };
    assert_eq!((&a["room"], &a["cursor"]), (&"a".into(), &"2".into()));
    let changes = &a["changes"];
    assert_eq!(
        (&changes[0]["count"], &changes[0]["new"]["n"]),
        (&2.into(), &4.into())
    );
    assert_eq!(changes[1]["id"], "2");
    assert_eq!(
        (&b["changes"][0]["new"]["n"], &b["cursor"]),
        (&5.into(), &"3".into())
    );
}

#[test]
fn what_is_too_much_even_then_becomes_one_resync_of_the_largest_rooms() {
    let (outbox, tap, now) = outbox();
    tap.open(2);
    for (room, number) in [
        ("a", 1),
        ("small", 2),
        ("large-1", 3),
        ("b", 4),
        ("small", 5),
    ] {
        outbox.send(change(room, 1, number), now);
    }
    let sent = outbox.send(change("large-1", 2, 6), now);
    assert_eq!(sent, Sent::Folded(Folding::Folded), "three rooms fit");
    outbox.send(change("large-2", 1, 7), now);
    let sent = outbox.send(change("large-3", 1, 8), now);
    assert_eq!(sent, Sent::Folded(Folding::Resynced));
    tap.open(10_000);
    outbox.drain(now).unwrap();
    let expected = [
        "a 1 at 1",
        "small 5 at 2",
        "resync [large-1,large-3] at 3",
        "b 4 at 4",
        "large-2 7 at 7",
    ];
    assert_eq!(told(&tap), expected);
}

#[test]
fn nothing_is_folded_across_an_answer_about_rooms() {
    let (outbox, tap, now) = outbox();
    let joined = ServerMessage::Unsubscribed {
        id: None,
        rooms: Vec::new(),
    };
    outbox.send(change("a", 1, 1), now);
    outbox.send(Frame::message(&joined), now);
    for number in [2, 3, 4] {
        outbox.send(change("a", 1, number), now);
    }
    tap.open(10_000);
    outbox.drain(now).unwrap();
    assert_eq!(told(&tap), ["a 1 at 1", "unsubscribed", "a 4 at 2"]);
}

#[test]
fn replies_are_never_dropped_but_end_a_client_that_does_not_read_them() {
    let (outbox, _, now) = outbox();
    for _ in 0..4 {
        assert_eq!(outbox.send(reply("ok"), now), Sent::Delivered);
    }
    assert_eq!(outbox.send(reply("ok"), now), Sent::Ended);
    assert_eq!(outbox.ending(), Some(CloseReason::SlowConsumer));
}

#[test]
fn a_resync_tells_what_waits_of_its_rooms() {
    let (outbox, tap, now) = outbox();
    let named = Rooms::Named(vec!["a".parse().unwrap()]);
    outbox.send(change("b", 1, 1), now);
    outbox.send(change("a", 1, 2), now);
    outbox.send(change("c", 1, 3), now);
    outbox.send(resync(named, 4), now);
    outbox.send(change("a", 1, 5), now);
    tap.open(10_000);
    outbox.drain(now).unwrap();
    let expected = ["b 1 at 1", "resync [a] at 2", "c 3 at 3"];
    assert_eq!(told(&tap), expected);

    let (outbox, tap, now) = self::outbox();
    for number in 1..=4 {
        outbox.send(change("a", 1, number), now);
    }
    outbox.send(resync(Rooms::Every, 5), now);
    tap.open(10_000);
    outbox.drain(now).unwrap();
    assert_eq!(told(&tap), ["resync * at 1"]);
}

#[test]
fn signs_of_life_come_when_due() {
    let (outbox, tap, start) = outbox();
    let (beat, ping) = (Shared::new(reply("beat ")), reply("ping "));
    let at = |seconds| start + Duration::from_secs(seconds);
    tap.open(1000);
    outbox.tick(at(24), &beat, &ping);
    assert_eq!(text(&tap.taken()), "");
    outbox.tick(at(25), &beat, &ping);
    assert_eq!(text(&tap.taken()), "beat ping ");
    outbox.heard(at(26));
    outbox.send(reply("[a 1]"), at(40));
    outbox.tick(at(50), &beat, &ping);
    assert_eq!(text(&tap.taken()), "[a 1]ping ");
    assert_eq!(outbox.ending(), None);
}

/// When a connection that was last heard at the start ends, if it ticks at `phase` of each second.
fn silent_until(outbox: &Outbox, start: Instant, phase: Duration) -> Duration {
    let (beat, ping) = (Shared::new(reply("beat ")), reply("ping "));
    let mut now = start + phase;
    while outbox.ending().is_none() {
        now += TICK;
        outbox.tick(now, &beat, &ping);
    }
    now - start
}

#[test]
fn silence_ends_a_connection_within_heartbeat_and_grace_whenever_the_tick_comes() {
    for phase in [0, 1, 500, 999] {
        let (outbox, tap, start) = outbox();
        tap.open(1000);
        let found = silent_until(&outbox, start, Duration::from_millis(phase));
        assert_eq!(outbox.ending(), Some(CloseReason::NoPong));
        let late = Duration::from_secs(35);
        assert!(found <= late && found > late - TICK - TICK, "{found:?}");
    }
}

#[test]
fn a_client_that_accepts_nothing_is_a_slow_consumer() {
    let (outbox, tap, start) = outbox();
    outbox.send(change("a", 1, 1), start);
    tap.open(1);
    let progress = start + Duration::from_secs(9);
    outbox.drain(progress).unwrap();
    let found = silent_until(&outbox, progress, Duration::ZERO);
    assert_eq!(outbox.ending(), Some(CloseReason::SlowConsumer));
    assert_eq!(found, LIMITS.write_deadline, "since the last byte");
}

#[test]
fn a_client_that_reads_slowly_need_not_answer_pings() {
    let (outbox, tap, start) = outbox();
    let (beat, ping) = (Shared::new(reply("beat ")), reply("ping "));
    outbox.send(reply("0123456789012345678901234567890123456789"), start);
    for second in 1..40 {
        let now = start + Duration::from_secs(second);
        tap.open(1);
        outbox.drain(now).unwrap();
        outbox.tick(now, &beat, &ping);
    }
    assert_eq!(outbox.ending(), None);
}

#[test]
fn a_client_of_events_is_told_no_position_and_nothing_of_rooms_before_it_was_answered() {
    let (outbox, tap, now) = outbox_of(Form::Events);
    tap.open(10_000);
    let cursor = |text: &str| text.into();
    let fresh = |text| {
        Shared::new(Frame::message(&ServerMessage::Fresh {
            cursor: cursor(text),
        }))
    };
    outbox.send_shared(&fresh("1"), now);
    outbox.send(resync(Rooms::Every, 2), now);
    outbox.send(
        Frame::message(&ServerMessage::Subscribed {
            id: None,
            cursor: cursor("3"),
            rooms: Vec::new(),
        }),
        now,
    );
    outbox.send(change("a", 1, 4), now);
    outbox.send_shared(&fresh("5"), now);
    let told = events(&tap.taken());
    let told: Vec<_> = told
        .iter()
        .map(|(message, _, id)| (message["type"].as_str().unwrap(), id.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("fresh", None),
            ("subscribed", Some("3")),
            ("invalidate", Some("4")),
            ("fresh", Some("5"))
        ]
    );
}

#[test]
fn a_client_of_events_need_not_answer_but_must_read() {
    let (outbox, tap, start) = outbox_of(Form::Events);
    let beat = Shared::new(Frame::message(&ServerMessage::Pong {
        id: None,
        server_time: jiff::Timestamp::UNIX_EPOCH,
    }));
    for second in 0..100 {
        tap.open(10_000);
        outbox.tick(start + Duration::from_secs(second), &beat, &reply("ping"));
    }
    assert_eq!(
        events(&tap.taken()).len(),
        3,
        "one for each heartbeat, and no ping"
    );
    assert_eq!(outbox.ending(), None);
    tap.open(0);
    for second in 100..200 {
        outbox.tick(start + Duration::from_secs(second), &beat, &reply("ping"));
    }
    assert_eq!(outbox.ending(), Some(CloseReason::SlowConsumer));
}
