//! When access last changed, so that whoever decided before that decides again.

use std::collections::{HashMap, VecDeque};

use crate::room::Room;

/// Most rooms of which it is known when access to them changed; older ones are as if all had.
const MOST: usize = 10_000;

/// Counts the changes of what sessions may do.
#[derive(Debug, Default)]
pub(super) struct Changes {
    count: u64,
    /// The last that was about every room, or about some that nobody remembers.
    every: u64,
    rooms: HashMap<Room, u64>,
    order: VecDeque<(u64, Room)>,
}

impl Changes {
    /// How many there were so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Access to every room may have changed.
    pub(super) fn every(&mut self) {
        self.count += 1;
        self.every = self.count;
        self.rooms.clear();
        self.order.clear();
    }

    /// Access to this room may have changed.
    pub(super) fn room(&mut self, room: &Room) {
        self.count += 1;
        self.rooms.insert(room.clone(), self.count);
        self.order.push_back((self.count, room.clone()));
        while self.order.len() > MOST {
            let Some((number, oldest)) = self.order.pop_front() else {
                break;
            };
            self.every = number;
            if self.rooms.get(&oldest) == Some(&number) {
                self.rooms.remove(&oldest);
            }
        }
    }

    /// Whether access to this room may have changed since there were `count`.
    pub(super) fn since(&self, count: u64, room: &Room) -> bool {
        self.every > count || self.rooms.get(room).is_some_and(|last| *last > count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(number: usize) -> Room {
        format!("order:{number}").parse().expect("a room")
    }

    #[test]
    fn a_change_is_about_its_room_and_about_decisions_before_it() {
        let mut changes = Changes::default();
        let before = changes.count();
        changes.room(&room(7));
        assert!(changes.since(before, &room(7)));
        assert!(!changes.since(before, &room(8)));
        assert!(!changes.since(changes.count(), &room(7)));
        changes.every();
        assert!(changes.since(before + 1, &room(8)));
        assert!(!changes.since(changes.count(), &room(8)));
    }

    #[test]
    fn what_is_no_longer_remembered_is_about_every_room() {
        let mut changes = Changes::default();
        for number in 0..=MOST {
            changes.room(&room(number));
        }
        assert_eq!(changes.rooms.len(), MOST);
        assert!(changes.since(0, &room(MOST + 1)));
        assert!(!changes.since(1, &room(MOST + 1)));
        assert!(changes.since(1, &room(1)));
    }
}
