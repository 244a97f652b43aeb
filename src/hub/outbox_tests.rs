use std::sync::Arc;

use super::*;

/// A socket that takes what it is allowed to.
#[derive(Clone, Default)]
struct Tap(Arc<Mutex<(usize, Vec<u8>)>>);

impl Tap {
    fn open(&self, bytes: usize) {
        self.0.lock().unwrap().0 = bytes;
    }

    fn taken(&self) -> Vec<u8> {
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
}

const LIMITS: OutboxLimits = OutboxLimits {
    frames: 4,
    bytes: 10_000,
    write_deadline: Duration::from_secs(10),
    heartbeat: Duration::from_secs(25),
    spread: Duration::from_secs(2),
};

fn outbox() -> (Outbox, Tap, Instant) {
    let (tap, now) = (Tap::default(), Instant::now());
    (Outbox::new(Box::new(tap.clone()), LIMITS, now), tap, now)
}

fn about(room: &str, cursor: &str) -> Frame {
    Frame {
        bytes: format!("[{room} {cursor}]").into(),
        about: About::Room(room.parse().unwrap(), cursor.into()),
    }
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
    assert!(outbox.send(about("a", "1"), now) && outbox.send(reply("ok"), now));
    assert_eq!(text(&tap.taken()), "[a 1]ok");
    assert_eq!(outbox.drain(now).unwrap(), Progress::Drained);
}

#[test]
fn a_frame_cut_short_is_finished_before_the_next() {
    let (outbox, tap, now) = outbox();
    tap.open(2);
    outbox.send(about("a", "1"), now);
    outbox.send(about("b", "2"), now);
    assert_eq!(outbox.drain(now).unwrap(), Progress::Blocked);
    for _ in 0..8 {
        tap.open(1);
        outbox.drain(now).unwrap();
    }
    assert_eq!(text(&tap.taken()), "[a 1][b 2]");
}

#[test]
fn a_full_queue_becomes_one_resync_that_covers_everything_dropped() {
    let (outbox, tap, now) = outbox();
    tap.open(2);
    outbox.send(about("a", "1"), now);
    outbox.send(about("b", "2"), now);
    outbox.send(reply("ok"), now);
    outbox.send(about("a", "3"), now);
    assert!(!outbox.send(about("c", "4"), now), "the fifth is folded");
    outbox.send(about("d", "5"), now);
    tap.open(10_000);
    assert_eq!(outbox.drain(now).unwrap(), Progress::Drained);
    let told = text(&tap.taken());
    assert!(
        told.starts_with("[a 1]"),
        "what has begun is finished: {told}"
    );
    let resync = told.find(r#""rooms":["b","a","c"],"reason":"slow_consumer","cursor":"4""#);
    let (resync, ok) = (resync.expect(&told), told.find("ok").unwrap());
    assert!(resync < ok && told.ends_with("[d 5]"), "{told}");
}

#[test]
fn replies_are_never_dropped_but_end_a_client_that_does_not_read_them() {
    let (outbox, _, now) = outbox();
    for _ in 0..4 {
        assert!(outbox.send(reply("ok"), now));
    }
    outbox.send(reply("ok"), now);
    assert_eq!(outbox.ending(), Some(CloseReason::SlowConsumer));
}

#[test]
fn a_resync_of_every_room_swallows_the_rest() {
    let (outbox, tap, now) = outbox();
    for cursor in ["1", "2", "3", "4"] {
        outbox.send(about("a", cursor), now);
    }
    let every = Frame {
        bytes: "[*]".into(),
        about: About::EveryRoom("5".into()),
    };
    outbox.send(every, now);
    tap.open(10_000);
    outbox.drain(now).unwrap();
    assert!(text(&tap.taken()).contains(r#""rooms":"*","reason":"slow_consumer","cursor":"5""#));
}

#[test]
fn signs_of_life_come_when_due_and_silence_ends_the_connection() {
    let (outbox, tap, start) = outbox();
    let (beat, ping) = (reply("beat "), reply("ping "));
    tap.open(1000);
    outbox.tick(start + Duration::from_secs(24), &beat, &ping);
    assert_eq!(text(&tap.taken()), "");
    outbox.tick(start + Duration::from_secs(25), &beat, &ping);
    assert_eq!(text(&tap.taken()), "beat ping ");
    outbox.heard(start + Duration::from_secs(26));
    outbox.send(about("a", "1"), start + Duration::from_secs(40));
    outbox.tick(start + Duration::from_secs(50), &beat, &ping);
    assert_eq!(text(&tap.taken()), "[a 1]ping ");
    outbox.tick(start + Duration::from_secs(61), &beat, &ping);
    assert_eq!(outbox.ending(), None);
    outbox.tick(start + Duration::from_secs(62), &beat, &ping);
    assert_eq!(outbox.ending(), Some(CloseReason::NoPong));
}

#[test]
fn a_client_that_accepts_nothing_is_a_slow_consumer() {
    let (outbox, tap, start) = outbox();
    let (beat, ping) = (reply("beat "), reply("ping "));
    outbox.send(about("a", "1"), start);
    tap.open(1);
    outbox.drain(start + Duration::from_secs(9)).unwrap();
    outbox.tick(start + Duration::from_secs(19), &beat, &ping);
    assert_eq!(outbox.ending(), None, "one byte is progress");
    outbox.tick(start + Duration::from_secs(20), &beat, &ping);
    assert_eq!(outbox.ending(), Some(CloseReason::SlowConsumer));
}
