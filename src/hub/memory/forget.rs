//! How the memory forgets: what is too old, and the oldest of what is too much.

use std::{collections::VecDeque, time::Instant};

use super::Memory;

impl Memory {
    /// Lets go of what is too old, and of the oldest of what is too much.
    pub(super) fn forget(&mut self, now: Instant) {
        let window = self.limits.window;
        let old = |at: Instant| now.saturating_duration_since(at) >= window;
        while self.marks.len() > 1 && self.marks.front().is_some_and(|mark| old(mark.at)) {
            self.marks.pop_front();
            self.first += 1;
        }
        while self
            .told
            .front()
            .is_some_and(|(number, ..)| *number < self.first)
        {
            self.forget_told();
        }
        while self.left.front().is_some_and(|(at, _)| old(*at)) {
            self.forget_left();
        }
        self.shrink();
    }

    /// Lets go of the oldest of what is too much.
    pub(super) fn shrink(&mut self) {
        while self.folds > self.limits.entries && !self.told.is_empty() {
            self.forget_told();
        }
        while self.left.len() > self.limits.entries {
            self.forget_left();
        }
        self.compact();
    }

    fn forget_told(&mut self) {
        let Some((number, room, key)) = self.told.pop_front() else {
            return;
        };
        let Some(known) = self.rooms.get_mut(&room) else {
            return;
        };
        let Some(folds) = known.entities.get_mut(&key) else {
            return;
        };
        if folds.front().is_some_and(|(oldest, _)| *oldest <= number) {
            folds.pop_front();
            self.folds -= 1;
            known.forgotten = known.forgotten.max(number);
        }
        if folds.is_empty() {
            known.entities.swap_remove(&key);
        }
    }

    fn forget_left(&mut self) {
        let Some((at, room)) = self.left.pop_front() else {
            return;
        };
        if self
            .rooms
            .get(&room)
            .is_none_or(|known| known.left != Some(at))
        {
            return;
        }
        if let Some(known) = self.rooms.remove(&room) {
            self.folds -= known.entities.values().map(VecDeque::len).sum::<usize>();
        }
        self.interest.end(&room);
        self.unheard.push(room);
    }

    /// What is queued to be forgotten, and is forgotten already, must not pile up.
    fn compact(&mut self) {
        const SLACK: usize = 1024;
        if self.told.len() > 2 * self.folds + SLACK {
            let rooms = &self.rooms;
            self.told.retain(|(number, room, key)| {
                let folds = rooms.get(room).and_then(|known| known.entities.get(key));
                folds.is_some_and(|folds| folds.iter().any(|(known, _)| known == number))
            });
        }
        if self.unsettled.len() > 2 * self.rooms.len() + SLACK {
            let rooms = &self.rooms;
            self.unsettled
                .retain(|(begun, room)| rooms.get(room).is_some_and(|known| known.begun == *begun));
        }
        if self.left.len() > 2 * self.rooms.len() + SLACK {
            let rooms = &self.rooms;
            self.left
                .retain(|(at, room)| rooms.get(room).is_some_and(|known| known.left == Some(*at)));
        }
    }
}
