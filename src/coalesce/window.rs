//! When each room is told what: the decision alone, without clock, channel or task.
//!
//! A room that has been quiet is told at once. After that it is told at most once per window, and
//! what came meanwhile is folded by entity.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque, hash_map::Entry},
    sync::Arc,
    time::{Duration, Instant},
};

use indexmap::IndexMap;

use super::Config;
use crate::{
    change::{Change, Reached, ResyncReason},
    invalidation::{CursorText, Flush, Folded, Invalidation},
    room::{Room, Target},
    sabotage::Step,
};

/// All rooms with something to tell, or told so lately that the next has to wait.
#[derive(Debug)]
pub(super) struct Window {
    config: Config,
    slots: HashMap<Target, Slot>,
    /// One entry per slot: when to tell it, or to forget it if it has nothing.
    deadlines: BinaryHeap<Reverse<Deadline>>,
    /// Deadlines so far.
    order: u64,
    reads: Reads,
    reached: Reached,
    pending_entities: usize,
}

/// Moment, order, room: rooms that are told at the same moment are told in the order of their changes.
type Deadline = (Instant, u64, Target);

/// One room's window.
#[derive(Debug)]
struct Slot {
    pending: Pending,
    /// The read that brought the oldest pending change.
    read: u64,
}

#[derive(Debug)]
enum Pending {
    Nothing,
    Entities(IndexMap<(Arc<str>, Arc<str>), Folded>),
    Resync(ResyncReason),
}

impl Window {
    /// Nothing pending, at position `cursor`.
    pub(super) fn new(config: Config, cursor: CursorText, reached: Reached) -> Self {
        Self {
            config,
            slots: HashMap::new(),
            deadlines: BinaryHeap::new(),
            order: 0,
            reads: Reads::new(cursor),
            reached,
            pending_entities: 0,
        }
    }

    /// Takes in what one read of the log brought; `cursor` is the position after it, as far as it may
    /// be handed out, and `reached` the position itself.
    pub(super) fn absorb(
        &mut self,
        changes: &[Change],
        cursor: CursorText,
        reached: Reached,
        now: Instant,
    ) {
        self.reached = reached;
        let read = self.reads.begin(cursor);
        for change in changes {
            for target in &change.targets {
                self.add(change, target, read, now);
            }
        }
        self.reads.forget_told();
    }

    /// Drops everything pending: all rooms are about to be told to resync from `cursor`.
    pub(super) fn start_over(&mut self, cursor: CursorText, reached: Reached) {
        *self = Self::new(self.config.clone(), cursor, reached);
    }

    /// Everything that is to be told by `now`.
    pub(super) fn flush(&mut self, now: Instant) -> Flush {
        let cursor = self.reads.safe();
        let (mut invalidations, mut resyncs) = (Vec::new(), Vec::new());
        while let Some(target) = self.pop_due(now) {
            match self.take_pending(&target) {
                Pending::Nothing => {
                    self.slots.remove(&target);
                    continue;
                }
                Pending::Resync(reason) => resyncs.push((target.clone(), reason)),
                Pending::Entities(entities) => {
                    invalidations.extend(invalidation(&target, entities))
                }
            }
            self.rest(target, now);
        }
        self.reads.forget_told();
        Flush {
            cursor,
            then: self.reads.safe(),
            reached: self.reached.clone(),
            invalidations,
            resyncs,
        }
    }

    /// When [`Window::flush`] next has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines
            .peek()
            .map(|Reverse((deadline, ..))| *deadline)
    }

    /// Brings every deadline forward, for a shutdown.
    pub(super) fn flush_all(&mut self, now: Instant) -> Flush {
        let waiting = std::mem::take(&mut self.deadlines);
        let due = waiting
            .into_iter()
            .map(|Reverse((_, order, target))| Reverse((now, order, target)));
        self.deadlines = due.collect();
        self.flush(now)
    }

    /// Rooms with something pending, and entities pending in all rooms.
    pub(super) fn pending(&self) -> (usize, usize) {
        (self.reads.held(), self.pending_entities)
    }

    fn add(&mut self, change: &Change, target: &Target, read: u64, now: Instant) {
        let slot = match self.slots.entry(target.clone()) {
            Entry::Occupied(slot) => slot.into_mut(),
            Entry::Vacant(vacant) => {
                self.order += 1;
                self.deadlines
                    .push(Reverse((now, self.order, target.clone())));
                vacant.insert(Slot {
                    pending: Pending::Nothing,
                    read,
                })
            }
        };
        if matches!(slot.pending, Pending::Nothing) {
            slot.read = read;
            self.reads.hold(read);
            slot.pending = Pending::Entities(IndexMap::new());
        }
        let Pending::Entities(entities) = &mut slot.pending else {
            return;
        };
        let names_entity = !change.is_bulk() && matches!(target, Target::Room(_));
        // What the daemon is told about access is heeded one by one. It waits for no window, so one read
        // of the log bounds it.
        let has_room = is_reserved(target)
            || entities.len() < self.config.max_entities_per_room
                && self.pending_entities < self.config.max_pending;
        let key = (change.entity.clone(), change.id.clone());
        if let (true, Some(folded)) = (names_entity, entities.get_mut(&key)) {
            folded.absorb(change);
        } else if names_entity && has_room {
            entities.insert(key, Folded::new(change));
            self.pending_entities += 1;
        } else {
            self.pending_entities -= entities.len();
            slot.pending = Pending::Resync(ResyncReason::Bulk);
        }
    }

    fn pop_due(&mut self, now: Instant) -> Option<Target> {
        let Reverse((deadline, ..)) = self.deadlines.peek()?;
        if *deadline > now {
            return None;
        }
        self.deadlines.pop().map(|Reverse((.., target))| target)
    }

    fn take_pending(&mut self, target: &Target) -> Pending {
        let Some(slot) = self.slots.get_mut(target) else {
            return Pending::Nothing;
        };
        let pending = std::mem::replace(&mut slot.pending, Pending::Nothing);
        if let Pending::Entities(entities) = &pending {
            self.pending_entities -= entities.len();
        }
        if !matches!(pending, Pending::Nothing) {
            self.reads.release(slot.read);
        }
        pending
    }

    /// A room that was just told waits for its window before it is told again.
    fn rest(&mut self, target: Target, now: Instant) {
        let window = self.window_of(&target);
        if window.is_zero() {
            self.slots.remove(&target);
        } else {
            self.order += 1;
            self.deadlines
                .push(Reverse((now + window, self.order, target)));
        }
    }

    fn window_of(&self, target: &Target) -> Duration {
        let covers = |pattern: &Target| match target {
            Target::Room(room) => pattern.covers(room),
            Target::Prefix(_) => pattern == target,
        };
        // What the daemon is told about access it is told at once, whatever covers those rooms besides.
        if is_reserved(target) {
            return Duration::ZERO;
        }
        let rule = self.config.rooms.iter().find(|rule| covers(&rule.pattern));
        rule.map_or(self.config.window, |rule| rule.window)
    }
}

/// Whether this is one of the daemon's own rooms.
fn is_reserved(target: &Target) -> bool {
    matches!(target, Target::Room(room) if room.is_reserved())
}

fn invalidation(
    target: &Target,
    entities: IndexMap<(Arc<str>, Arc<str>), Folded>,
) -> Option<Invalidation> {
    let room: Room = match target {
        Target::Room(room) => room.clone(),
        Target::Prefix(_) => return None,
    };
    Some(Invalidation {
        room,
        changes: entities.into_values().collect(),
    })
}

/// Which reads of the log brought changes that still wait, so that no cursor passes them.
#[derive(Debug)]
struct Reads {
    /// Number of the read at the front of `open`.
    first: u64,
    /// The position before each read, and how many rooms wait since it.
    open: VecDeque<(CursorText, usize)>,
    latest: CursorText,
}

impl Reads {
    fn new(cursor: CursorText) -> Self {
        Self {
            first: 0,
            open: VecDeque::new(),
            latest: cursor,
        }
    }

    fn begin(&mut self, after: CursorText) -> u64 {
        let before = std::mem::replace(&mut self.latest, after);
        self.open.push_back((before, 0));
        self.first + self.open.len() as u64 - 1
    }

    fn waiting(&mut self, read: u64) -> Option<&mut usize> {
        let index = usize::try_from(read.checked_sub(self.first)?).ok()?;
        self.open.get_mut(index).map(|(_, waiting)| waiting)
    }

    fn hold(&mut self, read: u64) {
        if let Some(waiting) = self.waiting(read) {
            *waiting += 1;
        }
    }

    fn release(&mut self, read: u64) {
        if let Some(waiting) = self.waiting(read) {
            *waiting -= 1;
        }
    }

    fn forget_told(&mut self) {
        while self.open.front().is_some_and(|(_, waiting)| *waiting == 0) {
            self.open.pop_front();
            self.first += 1;
        }
    }

    /// The position before the oldest change that waits.
    fn safe(&self) -> CursorText {
        if Step::HoldBack.is_left_out() {
            return self.latest.clone();
        }
        self.open
            .front()
            .map_or(&self.latest, |(before, _)| before)
            .clone()
    }

    fn held(&self) -> usize {
        self.open.iter().map(|(_, waiting)| waiting).sum()
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
