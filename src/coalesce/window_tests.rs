use std::collections::HashMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::{change::Op, coalesce::RoomRule};

const WINDOW: Duration = Duration::from_millis(300);

fn config() -> Config {
    let rule = |pattern: &str, window| RoomRule {
        pattern: pattern.parse().unwrap(),
        window,
    };
    Config {
        window: WINDOW,
        rooms: vec![rule("checkout:*", Duration::ZERO), rule("slow", WINDOW * 3)],
        max_entities_per_room: 4,
        max_pending: 8,
    }
}

fn change(xid: u64, id: &str, targets: &[&str]) -> Change {
    Change {
        xid,
        at: Timestamp::UNIX_EPOCH,
        entity: "product".into(),
        id: id.into(),
        op: Op::Update,
        events: [Arc::from("product:updated")].into(),
        targets: targets
            .iter()
            .map(|target| target.parse().unwrap())
            .collect(),
        old: None,
        new: None,
        origin: None,
    }
}

/// What each room is told: entities with counts, `resync`, or nothing.
fn told(flush: &Flush) -> Vec<String> {
    let entity = |folded: &Folded| format!("{}x{}", folded.id, folded.count);
    let mut told: Vec<String> = flush
        .invalidations
        .iter()
        .map(|told| {
            let entities: Vec<_> = told.changes.iter().map(entity).collect();
            format!("{} {}", told.room, entities.join(" "))
        })
        .chain(
            flush
                .resyncs
                .iter()
                .map(|(target, _)| format!("{target} resync")),
        )
        .collect();
    told.sort();
    told
}

#[test]
fn a_quiet_room_is_told_at_once_and_then_once_per_window() {
    let start = Instant::now();
    let mut window = Window::new(config(), "c0".into(), Reached::default());
    window.absorb(
        &[change(1, "7", &["a"])],
        "c1".into(),
        Reached::default(),
        start,
    );
    assert_eq!(told(&window.flush(start)), ["a 7x1"]);

    for (xid, ms) in [(2, 10), (3, 100), (4, 299)] {
        let now = start + Duration::from_millis(ms);
        window.absorb(
            &[change(xid, "7", &["a"])],
            format!("c{xid}").into(),
            Reached::default(),
            now,
        );
        assert_eq!(told(&window.flush(now)), [""; 0], "at {ms} ms");
    }
    assert_eq!(window.next_deadline(), Some(start + WINDOW));
    assert_eq!(told(&window.flush(start + WINDOW)), ["a 7x3"]);

    assert_eq!(told(&window.flush(start + WINDOW * 2)), [""; 0]);
    assert_eq!(
        window.next_deadline(),
        None,
        "a quiet room leaves nothing behind"
    );
}

#[test]
fn a_window_of_zero_tells_every_read() {
    let now = Instant::now();
    let mut window = Window::new(config(), "c0".into(), Reached::default());
    for xid in 1..=3 {
        window.absorb(
            &[change(xid, "7", &["checkout:1"])],
            format!("c{xid}").into(),
            Reached::default(),
            now,
        );
        assert_eq!(told(&window.flush(now)), ["checkout:1 7x1"]);
    }
}

#[test]
fn rooms_wait_for_their_own_windows() {
    let start = Instant::now();
    let mut window = Window::new(config(), "c0".into(), Reached::default());
    window.absorb(
        &[change(1, "7", &["a", "slow"])],
        "c1".into(),
        Reached::default(),
        start,
    );
    window.flush(start);
    window.absorb(
        &[change(2, "7", &["a", "slow"])],
        "c2".into(),
        Reached::default(),
        start,
    );
    assert_eq!(told(&window.flush(start + WINDOW)), ["a 7x1"]);
    assert_eq!(told(&window.flush(start + WINDOW * 3)), ["slow 7x1"]);
}

#[test]
fn what_the_daemon_is_told_about_access_waits_for_no_window() {
    let start = Instant::now();
    let everything = RoomRule {
        pattern: Target::every(),
        window: WINDOW,
    };
    let config = Config {
        rooms: vec![everything],
        ..config()
    };
    let mut window = Window::new(config, "c0".into(), Reached::default());
    for id in ["anna", "ben"] {
        let told_off = [change(1, id, &["pgbell:access"])];
        window.absorb(&told_off, "c1".into(), Reached::default(), start);
        assert_eq!(told(&window.flush(start)).len(), 1, "{id}");
    }
}

#[test]
fn what_the_daemon_is_told_about_access_is_told_one_by_one_however_much_it_is() {
    let start = Instant::now();
    let mut window = Window::new(config(), "c0".into(), Reached::default());
    let ids: Vec<_> = (0..50).map(|number| number.to_string()).collect();
    let orders: Vec<_> = ids
        .iter()
        .map(|id| change(1, id, &["pgbell:access"]))
        .collect();
    window.absorb(&orders, "c1".into(), Reached::default(), start);
    let flush = window.flush(start);
    assert!(flush.resyncs.is_empty());
    assert_eq!(flush.invalidations[0].changes.len(), ids.len());
    assert_eq!(window.pending(), (0, 0));
}

#[test]
fn a_cursor_never_passes_a_change_that_still_waits() {
    let start = Instant::now();
    let mut window = Window::new(config(), "c0".into(), Reached::default());
    window.absorb(
        &[change(1, "7", &["a", "slow"])],
        "c1".into(),
        Reached::default(),
        start,
    );
    let flush = window.flush(start);
    assert_eq!((&*flush.cursor, &*flush.then), ("c0", "c1"));

    window.absorb(
        &[change(2, "7", &["slow"])],
        "c2".into(),
        Reached::default(),
        start,
    );
    window.absorb(
        &[change(3, "8", &["a"])],
        "c3".into(),
        Reached::default(),
        start,
    );
    let flush = window.flush(start + WINDOW);
    assert_eq!(told(&flush), ["a 8x1"]);
    assert_eq!(
        (&*flush.cursor, &*flush.then),
        ("c1", "c1"),
        "slow still waits since c1"
    );
    let flush = window.flush(start + WINDOW * 3);
    assert_eq!((&*flush.cursor, &*flush.then), ("c1", "c3"));
}

#[test]
fn too_much_to_tell_becomes_a_resync_and_frees_what_it_held() {
    let start = Instant::now();
    let mut window = Window::new(config(), "c0".into(), Reached::default());
    let many: Vec<_> = (0..6)
        .map(|id| change(1, &id.to_string(), &["a"]))
        .collect();
    window.absorb(&many, "c1".into(), Reached::default(), start);
    assert_eq!(window.pending(), (1, 0));
    assert_eq!(told(&window.flush(start)), ["a resync"]);

    let rooms: Vec<_> = (0..9)
        .map(|room| change(2, "7", &[&format!("r{room}")]))
        .collect();
    window.absorb(&rooms, "c2".into(), Reached::default(), start);
    let told = told(&window.flush(start));
    assert_eq!(
        told.iter().filter(|told| told.ends_with("resync")).count(),
        1
    );
}

#[test]
fn a_change_of_every_entity_resyncs_rooms_and_beginnings_of_rooms() {
    let now = Instant::now();
    let mut window = Window::new(config(), "c0".into(), Reached::default());
    window.absorb(
        &[change(1, "*", &["product:*", "admin:stock"])],
        "c1".into(),
        Reached::default(),
        now,
    );
    assert_eq!(
        told(&window.flush(now)),
        ["admin:stock resync", "product:* resync"]
    );
}

#[test]
fn a_shutdown_tells_everything_that_waits() {
    let start = Instant::now();
    let mut window = Window::new(config(), "c0".into(), Reached::default());
    for xid in 1..=2 {
        window.absorb(
            &[change(xid, "7", &["a"])],
            "c".into(),
            Reached::default(),
            start,
        );
        window.flush(start);
    }
    assert_eq!(told(&window.flush_all(start)), ["a 7x1"]);
}

#[derive(Clone, Debug)]
enum Step {
    Read(Vec<(usize, usize)>),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let read = proptest::collection::vec((0..4_usize, 0..3_usize), 0..4).prop_map(Step::Read);
    let wait = (0..400_u64).prop_map(Step::Wait);
    proptest::collection::vec(prop_oneof![read, wait], 1..60)
}

proptest! {
    /// The model keeps, for each room, the log rows it was not told yet.
    #[test]
    fn nothing_is_lost_told_twice_early_or_late(steps in steps()) {
        let rooms = ["a", "slow", "checkout:1", "b"];
        let windows = [WINDOW, WINDOW * 3, Duration::ZERO, WINDOW];
        let mut now = Instant::now();
        let mut window = Window::new(Config { max_entities_per_room: 100, max_pending: 1000, ..config() }, "0".into(), Reached::default());
        // Per room: (row, brought by read, waiting since); and when it was last told.
        let mut waiting: HashMap<usize, Vec<(usize, u64, Instant)>> = HashMap::new();
        let mut told_at: HashMap<usize, Instant> = HashMap::new();
        let (mut reads, mut xid) = (0_u64, 0);
        for step in steps {
            match step {
                Step::Wait(ms) => now += Duration::from_millis(ms),
                Step::Read(changes) => {
                    reads += 1;
                    let mut batch = Vec::new();
                    for (room, id) in changes {
                        xid += 1;
                        batch.push(change(xid, &id.to_string(), &[rooms[room]]));
                        waiting.entry(room).or_default().push((id, reads, now));
                    }
                    window.absorb(&batch, reads.to_string().into(), Reached::default(), now);
                }
            }
            let oldest = |waiting: &HashMap<usize, Vec<(usize, u64, Instant)>>| {
                waiting.values().flatten().map(|(_, read, _)| read - 1).min().unwrap_or(reads)
            };
            let before = oldest(&waiting);
            let flush = window.flush(now);
            prop_assert_eq!(flush.cursor.parse::<u64>().unwrap(), before);
            for invalidation in &flush.invalidations {
                let room = rooms.iter().position(|room| *room == invalidation.room.as_str()).unwrap();
                let mut counts: HashMap<usize, u64> = HashMap::new();
                for (id, _, _) in waiting.remove(&room).expect("told without a change") {
                    *counts.entry(id).or_default() += 1;
                }
                let told: HashMap<usize, u64> = invalidation.changes.iter()
                    .map(|folded| (folded.id.parse().unwrap(), folded.count)).collect();
                prop_assert_eq!(told, counts);
                if let Some(last) = told_at.insert(room, now) {
                    prop_assert!(now - last >= windows[room], "twice in a window");
                }
            }
            prop_assert_eq!(flush.then.parse::<u64>().unwrap(), oldest(&waiting));
            for (room, rows) in &waiting {
                let last = told_at.get(room);
                prop_assert!(rows.is_empty() || last.is_some_and(|last| now - *last < windows[*room]), "late");
            }
        }
    }
}
