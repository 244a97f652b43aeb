//! Whether clients were told what they had to be told, and nothing else: the judgement alone.
//!
//! A change is owed to a client for each of its rooms that the client joined (or holds a cursor for)
//! before the COMMIT was sent and has not left by the end, whatever happened to its connections
//! meanwhile. It is paid by an `invalidate` of that entity in that room, or by a resync of the room,
//! received after the COMMIT was sent.

use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use super::{
    journal::{Journal, Note, Room, Standing, Told},
    tally::Tally,
    truth::{Committed, Truth},
};

/// What is wrong, and how what is right was proven.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) missing: Vec<Missing>,
    pub(crate) wrong: Vec<Wrong>,
    pub(crate) tally: Tally,
}

/// A committed change that a client was never told of.
#[derive(Clone, Debug)]
pub(crate) struct Missing {
    pub(crate) client: usize,
    pub(crate) room: Room,
    pub(crate) change: Committed,
}

impl Missing {
    /// Whether it is worth while to judge again.
    pub(crate) fn may_be_paid_by(&self, journal: &Journal) -> bool {
        let begun = journal
            .notes
            .partition_point(|(at, _)| *at < self.change.begun);
        let mut notes = journal.notes[begun..].iter();
        notes.any(|(_, note)| match note {
            Note::Told(told) => told.room == self.room && told.thing == self.change.change.thing,
            Note::Stands(room, Standing::Resync) => *room == self.room,
            Note::Resync(rooms) => rooms
                .as_ref()
                .is_none_or(|rooms| rooms.contains(&self.room)),
            _ => false,
        })
    }
}

/// Something that a client should not have been told.
#[derive(Clone, Debug)]
pub(crate) struct Wrong {
    pub(crate) client: usize,
    pub(crate) at: Instant,
    /// The room it is about, if it is about one.
    pub(crate) room: Option<Room>,
    pub(crate) what: String,
}

impl Verdict {
    pub(crate) fn is_clean(&self) -> bool {
        self.missing.is_empty() && self.wrong.is_empty()
    }
}

/// Judges all journals by what was committed.
pub(crate) fn judge<'a>(truth: &Truth, journals: impl IntoIterator<Item = &'a Journal>) -> Verdict {
    let mut of_room: HashMap<&str, Vec<&Committed>> = HashMap::new();
    for committed in &truth.committed {
        for room in &committed.change.rooms {
            of_room.entry(room).or_default().push(committed);
        }
    }
    let mut verdict = Verdict::default();
    for journal in journals {
        let mut reading = Reading {
            truth,
            client: journal.client,
            rooms: HashMap::new(),
            asked: HashMap::new(),
            verdict: &mut verdict,
        };
        for (at, note) in &journal.notes {
            reading.take(*at, note);
        }
        reading.settle(&of_room);
    }
    verdict
}

/// One journal, read up to some note.
struct Reading<'a> {
    truth: &'a Truth,
    client: usize,
    rooms: HashMap<Room, Debt>,
    /// Rooms asked for on the present connection, and whether with a cursor.
    asked: HashMap<Room, bool>,
    verdict: &'a mut Verdict,
}

/// What is owed to a client for one room, and what it got.
#[derive(Default)]
struct Debt {
    since: Option<Instant>,
    /// When it came into the room and when it was cut off or left, in turns.
    turns: Vec<Instant>,
    resync: Option<Instant>,
    told: HashMap<String, Instant>,
}

impl Debt {
    fn turn(&mut self, at: Instant, joined: bool) {
        if self.is_joined() != joined {
            self.turns.push(at);
        }
    }

    fn is_joined(&self) -> bool {
        self.turns.len() % 2 == 1
    }

    fn was_joined(&self, at: Instant) -> bool {
        self.turns.partition_point(|turn| *turn <= at) % 2 == 1
    }
}

impl Reading<'_> {
    fn take(&mut self, at: Instant, note: &Note) {
        match note {
            Note::Connected(_) | Note::Saw(_) => {}
            Note::Asks(room, since) => {
                self.asked.insert(room.clone(), since.is_some());
            }
            Note::Holds(room) => {
                self.room(room).since.get_or_insert(at);
            }
            Note::Stands(room, standing) => self.stands(at, room, *standing),
            Note::Leaves(room) => self.room(room).since = None,
            Note::Left(room) => {
                self.asked.remove(room);
                self.room(room).turn(at, false);
            }
            Note::Told(told) => self.told(at, told),
            Note::Resync(Some(rooms)) => {
                for room in rooms {
                    self.must_be_in(at, room);
                    self.room(room).resync = Some(at);
                }
            }
            Note::Resync(None) => {
                let joined = self.rooms.values_mut().filter(|debt| debt.is_joined());
                joined.for_each(|debt| debt.resync = Some(at));
            }
            Note::Cut(_) => {
                self.asked.clear();
                let all = self.rooms.values_mut();
                all.for_each(|debt| debt.turn(at, false));
            }
            Note::Odd(what) => self.wrong(at, None, what.clone()),
        }
    }

    fn stands(&mut self, at: Instant, room: &Room, standing: Standing) {
        if self.asked.get(room) == Some(&true) {
            self.verdict.tally.resumed += 1;
            self.verdict.tally.resumed_by_resync += usize::from(standing == Standing::Resync);
        }
        self.must_be_in(at, room);
        let debt = self.room(room);
        debt.turn(at, true);
        debt.since.get_or_insert(at);
        if standing == Standing::Resync {
            debt.resync = Some(at);
        }
    }

    fn told(&mut self, at: Instant, told: &Told) {
        self.verdict.tally.told += 1;
        self.verdict.tally.replayed += usize::from(told.replayed);
        self.must_be_in(at, &told.room);
        let mut wrong = Vec::new();
        for token in told
            .tokens
            .iter()
            .filter(|token| !self.truth.real.contains(token))
        {
            let fate = if self.truth.undone.contains(token) {
                "was rolled back"
            } else {
                "was never written"
            };
            let Told { room, thing, .. } = told;
            let what = format!("{room} was told of {thing} with {token}, which {fate}");
            wrong.push(what);
        }
        for what in wrong {
            self.wrong(at, Some(&told.room), what);
        }
        let debt = self.room(&told.room);
        debt.told.insert(told.thing.clone(), at);
    }

    /// Nobody hears of a room before asking for it on this connection, or after leaving it.
    fn must_be_in(&mut self, at: Instant, room: &Room) {
        if !self.asked.contains_key(room) {
            let what = format!("was told about {room} without being in it");
            self.wrong(at, Some(room), what);
        }
    }

    fn settle(&mut self, of_room: &HashMap<&str, Vec<&Committed>>) {
        for (room, debt) in std::mem::take(&mut self.rooms) {
            let Some(since) = debt.since else {
                continue;
            };
            let changes = of_room.get(&*room).map_or(&[][..], Vec::as_slice);
            for committed in changes.iter().filter(|committed| committed.begun >= since) {
                let after = |at: Option<&Instant>| at.is_some_and(|at| *at >= committed.begun);
                let told = after(debt.told.get(&committed.change.thing));
                if told || after(debt.resync.as_ref()) {
                    let joined = debt.was_joined(committed.begun);
                    self.verdict.tally.pay(joined, told);
                } else {
                    self.verdict.missing.push(Missing {
                        client: self.client,
                        room: room.clone(),
                        change: (*committed).clone(),
                    });
                }
            }
        }
    }

    fn room(&mut self, room: &Room) -> &mut Debt {
        self.rooms.entry(room.clone()).or_default()
    }

    fn wrong(&mut self, at: Instant, room: Option<&Room>, what: String) {
        self.verdict.wrong.push(Wrong {
            client: self.client,
            at,
            room: room.cloned(),
            what,
        });
    }
}

/// Tokens that were committed but are not in the log, and the other way round.
pub(crate) fn compare_with_log(truth: &Truth, log: &HashSet<u64>) -> Vec<String> {
    let lost = truth.real.difference(log);
    let lost = lost.map(|token| format!("{token} was committed and is not in the log"));
    let extra = log.difference(&truth.real);
    let extra = extra.map(|token| format!("{token} is in the log and was not committed"));
    lost.chain(extra).collect()
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
