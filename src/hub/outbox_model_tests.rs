//! Random frames on a socket that takes random amounts, checked against what was sent.

use proptest::prelude::*;
use serde_json::Value;

use super::{
    tests::{Tap, change, events, messages, resync},
    *,
};
use crate::protocol::{Rooms, ServerMessage};

const LIMITS: OutboxLimits = OutboxLimits {
    frames: 6,
    bytes: 1_500,
    write_deadline: Duration::from_secs(10),
    heartbeat: Duration::from_secs(25),
    spread: Duration::ZERO,
};

#[derive(Clone, Debug)]
enum Step {
    /// A change of an entity in a room.
    Change(u8, u8),
    Resync(u8),
    ResyncAll,
    /// A reply that nothing is folded across, and one that is none of that.
    Joined,
    Fresh,
    /// The socket takes so many bytes.
    Take(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..4_u8, 0..3_u8).prop_map(|(room, entity)| Step::Change(room, entity)),
        1 => (0..4_u8).prop_map(Step::Resync),
        1 => Just(Step::ResyncAll),
        1 => Just(Step::Joined),
        1 => Just(Step::Fresh),
        4 => (1..1_200_usize).prop_map(Step::Take),
    ]
}

fn room(number: u8) -> String {
    // Of different lengths, so that there is a largest.
    format!("room:{}", "x".repeat(1 + usize::from(number) * 9))
}

/// Something that was sent about a room.
#[derive(Debug)]
struct Told {
    /// Its position: that of the frame it was sent in.
    number: u64,
    room: String,
    /// `None` for all of the room.
    entity: Option<u8>,
    /// Bytes that were on the wire, and answers about rooms that were sent, before it.
    after: (usize, usize),
}

/// A message on the wire, with its end and the answers about rooms up to it.
struct Read {
    message: Value,
    end: usize,
    joined: usize,
}

impl Read {
    fn covers(&self, told: &Told) -> bool {
        let late_enough = self.end > told.after.0 && self.joined >= told.after.1;
        let rooms = &self.message["rooms"];
        let resynced = self.message["type"] == "resync"
            && (rooms == "*"
                || rooms
                    .as_array()
                    .is_some_and(|rooms| rooms.contains(&told.room.clone().into())));
        late_enough && (resynced || self.tells(told))
    }

    fn tells(&self, told: &Told) -> bool {
        let changes = self.message["changes"].as_array().into_iter().flatten();
        let entity = told.entity.map(|entity| entity.to_string());
        self.message["room"] == told.room
            && changes.into_iter().any(|change| {
                change["id"].as_str() == entity.as_deref()
                    && change["new"]["n"].as_u64() >= Some(told.number)
            })
    }
}

struct Run {
    outbox: Outbox,
    tap: Tap,
    now: Instant,
    wire: Vec<u8>,
    told: Vec<Told>,
    number: u64,
    joined: usize,
}

impl Run {
    fn new(form: Form) -> Self {
        let (tap, now) = (Tap::of(form), Instant::now());
        let mut run = Self {
            outbox: Outbox::new(Box::new(tap.clone()), LIMITS, now),
            tap,
            now,
            wire: Vec::new(),
            told: Vec::new(),
            number: 0,
            joined: 0,
        };
        run.step(&Step::Joined);
        run
    }

    /// What the connection's task does when the socket takes something.
    fn take(&mut self, bytes: usize) {
        self.outbox.fold();
        self.tap.open(bytes);
        self.outbox.drain(self.now).unwrap();
        self.tap.open(0);
        self.wire.extend(self.tap.taken());
    }

    fn tell(&mut self, room: String, entity: Option<u8>) {
        self.told.push(Told {
            number: self.number,
            room,
            entity,
            after: (self.wire.len(), self.joined),
        });
    }

    /// What was told in vain, because the connection ended, is no promise.
    fn step(&mut self, step: &Step) {
        self.number += 1;
        let cursor: std::sync::Arc<str> = self.number.to_string().into();
        let frame = match step {
            Step::Take(bytes) => return self.take(*bytes),
            Step::Change(number, entity) => change(&room(*number), *entity, self.number),
            Step::Resync(number) => resync(
                Rooms::Named(vec![room(*number).parse().unwrap()]),
                self.number,
            ),
            Step::ResyncAll => resync(Rooms::Every, self.number),
            Step::Joined => Frame::message(&ServerMessage::Subscribed {
                id: None,
                cursor,
                rooms: Vec::new(),
            }),
            Step::Fresh => Frame::message(&ServerMessage::Fresh { cursor }),
        };
        let size = self.outbox.form.of(frame.clone()).bytes.len();
        if self.outbox.send(frame, self.now) == Sent::Ended {
            return;
        }
        match step {
            Step::Change(number, entity) => self.tell(room(*number), Some(*entity)),
            Step::Resync(number) => self.tell(room(*number), None),
            Step::ResyncAll => (0..4).for_each(|number| self.tell(room(number), None)),
            Step::Joined => self.joined += 1,
            Step::Fresh | Step::Take(_) => {}
        }
        let state = self.outbox.lock();
        assert!(state.queue.len() <= LIMITS.frames + 1, "one is on its way");
        assert!(
            state.bytes <= LIMITS.bytes + size.max(400),
            "{} bytes",
            state.bytes
        );
    }

    /// What a client that reads the wire sees.
    fn read(&self) -> Vec<Read> {
        let (mut end, mut joined) = (0, 0);
        let mut read = Vec::new();
        let told: Vec<(Value, usize)> = match self.outbox.form {
            Form::WebSocket => messages(&self.wire).into_iter().map(framed).collect(),
            Form::Events => events(&self.wire).into_iter().map(identified).collect(),
        };
        for (message, length) in told {
            end += length;
            joined += usize::from(message["type"] == "subscribed");
            read.push(Read {
                message,
                end,
                joined,
            });
        }
        read
    }
}

proptest! {
    #[test]
    fn what_is_folded_or_resynced_is_told_late_enough_and_no_position_claims_more(
        steps in prop::collection::vec(step(), 1..120),
        form in prop_oneof![Just(Form::WebSocket), Just(Form::Events)],
    ) {
        let mut run = Run::new(form);
        for step in &steps {
            run.step(step);
        }
        let ended = run.outbox.ending().is_some();
        run.take(1_000_000);
        let read = run.read();
        let mut latest = 0;
        for (index, seen) in read.iter().enumerate() {
            let cursor: Option<u64> = seen.message["cursor"].as_str().map(|cursor| cursor.parse().unwrap());
            latest = latest.max(cursor.unwrap_or_default());
            for told in run.told.iter().filter(|told| told.number <= latest) {
                let covered = read[..=index].iter().any(|seen| seen.covers(told));
                prop_assert!(covered, "at {latest}, {told:?} was not told in {:?}", texts(&read[..=index]));
            }
        }
        for told in run.told.iter().filter(|_| !ended) {
            let covered = read.iter().any(|seen| seen.covers(told));
            prop_assert!(covered, "{told:?} was not told in {:?}", texts(&read));
        }
        for number in 0..4 {
            for entity in 0..3_u8 {
                let numbers: Vec<u64> = numbers(&read, &room(number), entity);
                prop_assert!(numbers.is_sorted(), "{numbers:?} of one entity");
            }
        }
    }
}

/// A message with the length of its frame.
fn framed(message: Value) -> (Value, usize) {
    let length = message.to_string().len();
    (message, length + if length < 126 { 2 } else { 4 })
}

/// A message with the length of its event, whose position is the message's own.
fn identified((message, length, id): (Value, usize, Option<String>)) -> (Value, usize) {
    assert_eq!(id.as_deref(), message["cursor"].as_str());
    (message, length)
}

fn numbers(read: &[Read], room: &str, entity: u8) -> Vec<u64> {
    let of_room = read.iter().filter(|seen| seen.message["room"] == room);
    let changes = of_room.flat_map(|seen| seen.message["changes"].as_array().unwrap());
    changes
        .filter(|change| change["id"].as_str() == Some(entity.to_string().as_str()))
        .map(|change| change["new"]["n"].as_u64().unwrap())
        .collect()
}

fn texts(read: &[Read]) -> Vec<String> {
    read.iter().map(|seen| seen.message.to_string()).collect()
}
