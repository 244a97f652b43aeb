use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::change::{Change, Op};

const WINDOW: Duration = Duration::from_secs(60);

fn room(number: u8) -> Room {
    format!("room:{number}").parse().unwrap()
}

fn folded(xid: u64, id: u8) -> Folded {
    Folded::new(&Change {
        xid,
        at: Timestamp::UNIX_EPOCH,
        entity: "thing".into(),
        id: id.to_string().into(),
        op: Op::Update,
        events: [Arc::from(format!("x:{xid}"))].into(),
        targets: Vec::new(),
        old: None,
        new: None,
        origin: None,
    })
}

fn at(xmax: u64) -> Cursor {
    let snapshot = format!("{xmax}:{xmax}:").parse().unwrap();
    let epoch = "aa".into();
    Cursor { epoch, snapshot }
}

fn reached(xmax: u64, interest: &Interest) -> Reached {
    Reached {
        epoch: "aa".into(),
        snapshot: at(xmax).snapshot.into(),
        interest: interest.generation(),
    }
}

fn memory(entries: usize) -> (Memory, Interest, Instant) {
    let limits = MemoryLimits {
        window: WINDOW,
        entries,
        entities_per_room: 3,
    };
    let interest = Interest::default();
    (
        Memory::new(limits, interest.clone()),
        interest,
        Instant::now(),
    )
}

/// The events a client is told again; `None` if it is told to resync, or the log has to say.
fn missed(memory: &Memory, room: &Room, since: &Cursor) -> Option<BTreeSet<String>> {
    let place = memory.place(since)?;
    if !memory.knows(room, place) {
        return None;
    }
    match memory.missed(room, place) {
        Missed::Nothing => Some(BTreeSet::new()),
        Missed::Resync(_) => None,
        Missed::Entities(entities) => {
            let events = entities.iter().flat_map(|folded| folded.events.iter());
            Some(events.map(ToString::to_string).collect())
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Enter(u8),
    Leave(u8),
    /// The next transaction changes this thing in these rooms, and everything read so far is told.
    Tell(u8, Vec<u8>),
    /// The next transaction changes this thing in these rooms; a window still holds it back.
    Hold(u8, Vec<u8>),
    /// Rooms are told to resync.
    Resync(u8),
    /// Time passes.
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rooms = || proptest::collection::vec(0..4_u8, 1..3);
    let step = prop_oneof![
        2 => (0..4_u8).prop_map(Step::Enter),
        1 => (0..4_u8).prop_map(Step::Leave),
        6 => (0..5_u8, rooms()).prop_map(|(id, rooms)| Step::Tell(id, rooms)),
        2 => (0..5_u8, rooms()).prop_map(|(id, rooms)| Step::Hold(id, rooms)),
        1 => (0..4_u8).prop_map(Step::Resync),
        1 => (1..50_u64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..120)
}

proptest! {
    /// Against a plain list of everything that ever happened and does not wait any more: whoever comes
    /// back is told all of it since its position, or is not answered from memory.
    #[test]
    fn nothing_that_happened_since_is_missing(steps in steps(), entries in 1..60_usize) {
        let (mut memory, interest, mut now) = memory(entries);
        let mut happened: Vec<(u64, u8)> = Vec::new();
        let mut held: Vec<(u64, u8, u8)> = Vec::new();
        let mut inside = BTreeSet::new();
        memory.advance(&reached(1, &interest), now);
        for (number, step) in steps.into_iter().enumerate() {
            let xid = number as u64 + 1;
            let is_held = matches!(step, Step::Hold(..));
            match step {
                Step::Enter(number) => { inside.insert(number); memory.enter(&room(number)); }
                Step::Leave(number) => if inside.remove(&number) { memory.leave(&room(number), now); },
                Step::Hold(id, rooms) | Step::Tell(id, rooms) => {
                    let (wanted, passed_over): (Vec<u8>, Vec<u8>) =
                        rooms.into_iter().partition(|number| interest.now().in_target(&room(*number).into()));
                    happened.extend(passed_over.into_iter().map(|number| (xid, number)));
                    held.extend(wanted.into_iter().map(|number| (xid, id, number)));
                    if !is_held {
                        memory.advance(&reached(xid + 1, &interest), now);
                        for (xid, id, number) in held.drain(..) {
                            memory.record(&room(number), vec![folded(xid, id)]);
                            happened.push((xid, number));
                        }
                    }
                }
                Step::Resync(number) => {
                    memory.advance(&reached(xid, &interest), now);
                    memory.record_resync(&Target::Room(room(number)), ResyncReason::Bulk);
                }
                Step::Wait(seconds) => now += Duration::from_secs(seconds),
            }
            prop_assert!(memory.size().0 <= entries);
            for number in 0..4 {
                for since in [xid / 2, xid, xid + 1] {
                    let Some(missed) = missed(&memory, &room(number), &at(since)) else { continue };
                    let owed = happened.iter().filter(|(xid, there)| *there == number && *xid >= since);
                    for (xid, _) in owed {
                        prop_assert!(missed.contains(&format!("x:{xid}")), "{xid} since {since}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_client_is_told_again_what_it_missed_and_no_more() {
    let (mut memory, interest, now) = memory(100);
    memory.enter(&room(1));
    memory.advance(&reached(10, &interest), now);
    for xid in 10..14 {
        memory.advance(&reached(xid + 1, &interest), now);
        memory.record(&room(1), vec![folded(xid, xid as u8 % 2)]);
    }
    let events = |since| missed(&memory, &room(1), &at(since));
    let expected = |xids: &[u64]| Some(xids.iter().map(|xid| format!("x:{xid}")).collect());
    assert_eq!(events(14), expected(&[]));
    assert_eq!(events(13), expected(&[13]));
    assert_eq!(events(11), expected(&[11, 12, 13]));
    assert_eq!(
        events(9),
        None,
        "before the first read that heeded the room"
    );
    assert_eq!(missed(&memory, &room(2), &at(13)), None, "nobody was there");
}

#[test]
fn a_room_is_remembered_for_a_while_after_the_last_client_left() {
    let (mut memory, interest, now) = memory(100);
    memory.enter(&room(1));
    memory.advance(&reached(10, &interest), now);
    memory.leave(&room(1), now);
    memory.advance(&reached(11, &interest), now + WINDOW / 2);
    memory.record(&room(1), vec![folded(10, 1)]);
    assert_eq!(missed(&memory, &room(1), &at(10)).unwrap().len(), 1);
    memory.advance(&reached(12, &interest), now + WINDOW);
    assert_eq!(missed(&memory, &room(1), &at(10)), None);
    assert!(!interest.now().in_name("room:1"));
}

#[test]
fn another_history_is_not_compared_with_the_one_before() {
    let (mut memory, interest, now) = memory(100);
    memory.enter(&room(1));
    memory.advance(&reached(10, &interest), now);
    memory.advance(&reached(11, &interest), now);
    memory.record(&room(1), vec![folded(10, 1)]);
    let there = Reached {
        epoch: "bb".into(),
        ..reached(20, &interest)
    };
    memory.advance(&there, now);
    assert!(memory.place(&at(10)).is_none());
    let here = Cursor {
        epoch: "bb".into(),
        ..at(20)
    };
    assert_eq!(missed(&memory, &room(1), &here), Some(BTreeSet::new()));
}

#[test]
fn a_history_that_went_back_is_another_one() {
    let (mut memory, interest, now) = memory(100);
    memory.enter(&room(1));
    memory.advance(&reached(20, &interest), now);
    memory.record(&room(1), vec![folded(19, 1)]);
    memory.advance(&reached(15, &interest), now);
    assert_eq!(missed(&memory, &room(1), &at(15)), Some(BTreeSet::new()));
    assert!(memory.place(&at(14)).is_none());
}

#[test]
fn a_hot_entity_costs_a_few_folds_and_loses_no_event() {
    let (mut memory, interest, now) = memory(10_000);
    memory.enter(&room(1));
    memory.advance(&reached(1, &interest), now);
    for xid in 1..5_000 {
        memory.advance(&reached(xid + 1, &interest), now);
        memory.record(&room(1), vec![folded(xid % 7, 1)]);
    }
    assert!(memory.size().0 <= MAX_FOLDS && memory.told.len() < 2_000);
    assert_eq!(missed(&memory, &room(1), &at(1)).unwrap().len(), 7);
}
