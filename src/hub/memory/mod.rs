//! The resume index: what was told lately, so that clients who come back need not ask the log.
//!
//! Each flush gets a number and the position up to which the log had been read by then, its mark. A
//! position that a client comes back with lies at or after some marks; what was told at later marks is
//! what it may have missed. A room is remembered from the first mark of which it is sure that nothing
//! of the room was passed over, until nobody has been in it for a while.

mod forget;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use indexmap::IndexMap;

use super::missed::Missed;
use crate::{
    change::{Reached, ResyncReason},
    cursor::{Cursor, Epoch, Snapshot},
    interest::{Generation, Interest},
    invalidation::Folded,
    room::{Room, Target},
};

/// Most separate folds of one entity in one room; older ones become one.
const MAX_FOLDS: usize = 4;

type Key = (Arc<str>, Arc<str>);
/// Number of a mark.
type Number = u64;

/// Where a position lies among the marks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(Number);

/// Bounds of the memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemoryLimits {
    /// How long things are remembered.
    pub(super) window: Duration,
    /// Most changes that are remembered, and as many rooms that nobody is in.
    pub(super) entries: usize,
    /// Most entities told one by one to a client that comes back to a room.
    pub(super) entities_per_room: usize,
}

/// What was told lately, by room.
#[derive(Debug)]
pub(super) struct Memory {
    limits: MemoryLimits,
    interest: Interest,
    epoch: Epoch,
    /// The numbers of marks run from `first` on without gaps.
    marks: VecDeque<Mark>,
    first: Number,
    rooms: HashMap<Room, Remembered>,
    /// Every fold that is remembered, by its mark, and some that are no longer.
    told: VecDeque<(Number, Room, Key)>,
    folds: usize,
    /// Rooms that were left, in order, and some that were entered again.
    left: VecDeque<(Instant, Room)>,
    /// Rooms of which the reads that heed them are not known yet.
    unsettled: VecDeque<(Generation, Room)>,
    /// Rooms of which nothing is heard any more, until somebody looks.
    unheard: Vec<Room>,
}

#[derive(Debug)]
struct Mark {
    snapshot: Arc<Snapshot>,
    at: Instant,
    /// Whether anything was told, or any room begins, here.
    used: bool,
}

#[derive(Debug, Default)]
struct Remembered {
    begun: Generation,
    /// From this mark on, nothing was passed over.
    from: Option<Number>,
    /// Something told at this mark is no longer remembered.
    forgotten: Number,
    entities: IndexMap<Key, VecDeque<(Number, Folded)>>,
    resync: Option<(Number, ResyncReason)>,
    left: Option<Instant>,
}

impl Memory {
    /// Remembers nothing yet; tells `interest` which rooms it wants to hear of.
    pub(super) fn new(limits: MemoryLimits, interest: Interest) -> Self {
        Self {
            limits,
            interest,
            epoch: "".into(),
            marks: VecDeque::new(),
            first: 0,
            rooms: HashMap::new(),
            told: VecDeque::new(),
            folds: 0,
            left: VecDeque::new(),
            unsettled: VecDeque::new(),
            unheard: Vec::new(),
        }
    }

    /// Whether what was told belongs to this history.
    pub(super) fn is_of(&self, epoch: &Epoch) -> bool {
        self.epoch == *epoch
    }

    /// Somebody is in `room`.
    pub(super) fn enter(&mut self, room: &Room) {
        if let Some(known) = self.rooms.get_mut(room) {
            known.left = None;
            return;
        }
        let begun = self.interest.begin(room.clone());
        let remembered = Remembered {
            begun,
            forgotten: self.number(),
            ..Remembered::default()
        };
        self.rooms.insert(room.clone(), remembered);
        self.unsettled.push_back((begun, room.clone()));
    }

    /// Nobody is in `room` any more.
    pub(super) fn leave(&mut self, room: &Room, now: Instant) {
        if let Some(known) = self.rooms.get_mut(room) {
            known.left = Some(now);
            self.left.push_back((now, room.clone()));
        }
        self.forget(now);
    }

    /// Rooms of which nothing is heard any more, since this was asked last.
    pub(super) fn take_unheard(&mut self) -> Vec<Room> {
        std::mem::take(&mut self.unheard)
    }

    /// Everything that is told from now on had been read by `reached`.
    pub(super) fn advance(&mut self, reached: &Reached, now: Instant) {
        let last = self.marks.back_mut();
        let goes_on = last
            .as_ref()
            .is_none_or(|last| last.snapshot.precedes(&reached.snapshot));
        if !goes_on || self.epoch != reached.epoch {
            self.start_over(reached.epoch.clone());
        }
        let mark = Mark {
            snapshot: reached.snapshot.clone(),
            at: now,
            used: false,
        };
        match self.marks.back_mut() {
            Some(last) if !last.used => *last = mark,
            _ => self.marks.push_back(mark),
        }
        self.settle(reached.interest);
        self.forget(now);
    }

    /// `room` is told these changes.
    pub(super) fn record(&mut self, room: &Room, changes: Vec<Folded>) {
        let number = self.number();
        let Some(known) = self.rooms.get_mut(room) else {
            return;
        };
        for folded in changes {
            let key = (folded.entity.clone(), folded.id.clone());
            let folds = known.entities.entry(key.clone()).or_default();
            folds.push_back((number, folded));
            self.folds += 1;
            self.told.push_back((number, room.clone(), key));
            if folds.len() > MAX_FOLDS {
                join_oldest(folds);
                self.folds -= 1;
            }
        }
        self.use_mark();
        self.shrink();
    }

    /// The rooms that `target` covers are told to resync.
    pub(super) fn record_resync(&mut self, target: &Target, reason: ResyncReason) {
        let resync = Some((self.number(), reason));
        match target {
            Target::Room(room) => {
                if let Some(known) = self.rooms.get_mut(room) {
                    known.resync = resync;
                }
            }
            Target::Prefix(_) => {
                let covered = self
                    .rooms
                    .iter_mut()
                    .filter(|(room, _)| target.covers(room));
                covered.for_each(|(_, known)| known.resync = resync);
            }
        }
        self.use_mark();
    }

    /// The newest mark at or before `since`, if that is remembered. A position that is ahead of what
    /// was read, as one that an API has just handed out, is for the log to judge.
    pub(super) fn place(&self, since: &Cursor) -> Option<Place> {
        let newest = self.marks.back()?;
        if since.epoch != self.epoch || since.snapshot.xmax > newest.snapshot.xmax {
            return None;
        }
        let before = |mark: &Mark| mark.snapshot.precedes(&since.snapshot);
        let count = self.marks.partition_point(before);
        (count > 0).then(|| Place(self.first + count as Number - 1))
    }

    /// The place of now: whatever is told later is told after it.
    pub(super) fn here(&mut self) -> Place {
        self.use_mark();
        Place(self.number())
    }

    /// Whether everything that happened in `room` since `place`, and does not wait, is remembered.
    pub(super) fn knows(&self, room: &Room, Place(seen): Place) -> bool {
        let known = self.rooms.get(room);
        known.is_some_and(|known| {
            known.from.is_some_and(|from| from <= seen) && known.forgotten <= seen
        })
    }

    /// What `room` was told since `place`.
    pub(super) fn missed(&self, room: &Room, Place(seen): Place) -> Missed {
        let known = self.rooms.get(room).filter(|known| known.forgotten <= seen);
        let Some(known) = known else {
            return Missed::Resync(ResyncReason::Gap);
        };
        if let Some((_, reason)) = known.resync.filter(|(number, _)| *number > seen) {
            return Missed::Resync(reason);
        }
        let later = |folds: &VecDeque<(Number, Folded)>| {
            let later = folds.iter().filter(|(number, _)| *number > seen);
            let later = later.map(|(_, folded)| folded.clone());
            later.reduce(|mut earlier, later| {
                earlier.append(&later);
                earlier
            })
        };
        let missed = known.entities.values().filter_map(later).collect();
        Missed::new(missed, self.limits.entities_per_room)
    }

    /// Changes and rooms that are remembered.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.folds, self.rooms.len())
    }

    /// The number of the newest mark.
    fn number(&self) -> Number {
        (self.first + self.marks.len() as Number).saturating_sub(1)
    }

    fn use_mark(&mut self) {
        if let Some(mark) = self.marks.back_mut() {
            mark.used = true;
        }
    }

    /// Another history begins: marks of the old one compare with nothing in it.
    fn start_over(&mut self, epoch: Epoch) {
        self.epoch = epoch;
        self.first += self.marks.len() as Number;
        self.marks.clear();
        self.told.clear();
        self.folds = 0;
        self.unsettled.clear();
        for (room, known) in &mut self.rooms {
            known.entities.clear();
            known.from = None;
            known.forgotten = self.first;
            self.unsettled.push_back((known.begun, room.clone()));
        }
        self.unsettled
            .make_contiguous()
            .sort_by_key(|(begun, _)| *begun);
    }

    /// Rooms that this read heeded are remembered from here on.
    fn settle(&mut self, heeded: Generation) {
        let number = self.number();
        while self
            .unsettled
            .front()
            .is_some_and(|(begun, _)| *begun <= heeded)
        {
            let Some((begun, room)) = self.unsettled.pop_front() else {
                return;
            };
            let known = self
                .rooms
                .get_mut(&room)
                .filter(|known| known.begun == begun);
            if let Some(known) = known {
                known.from = Some(number);
                self.use_mark();
            }
        }
    }
}

fn join_oldest(folds: &mut VecDeque<(Number, Folded)>) {
    let Some((_, mut oldest)) = folds.pop_front() else {
        return;
    };
    if let Some((_, next)) = folds.front_mut() {
        oldest.append(next);
        *next = oldest;
    }
}

#[cfg(test)]
mod tests;
