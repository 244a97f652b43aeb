//! The answer to a question: the changes that the log still has, by room.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::missed::Missed;
use crate::{
    change::{Change, ResyncReason},
    cursor::Cursor,
    invalidation::Folded,
    room::{Room, Target},
};

/// What the log says, by room.
#[derive(Debug)]
pub(super) struct Log {
    changes: Vec<Change>,
    by_room: HashMap<Room, Vec<usize>>,
    /// Changes that concern many rooms at once.
    broad: Vec<(Target, usize)>,
}

impl Log {
    pub(super) fn new(changes: Vec<Change>) -> Self {
        let mut by_room: HashMap<Room, Vec<usize>> = HashMap::new();
        let mut broad = Vec::new();
        for (index, change) in changes.iter().enumerate() {
            for target in &change.targets {
                match target {
                    Target::Room(room) => by_room.entry(room.clone()).or_default().push(index),
                    Target::Prefix(_) => broad.push((target.clone(), index)),
                }
            }
        }
        Self {
            changes,
            by_room,
            broad,
        }
    }

    /// What a client that was at `since` missed of `room`.
    pub(super) fn missed(&self, room: &Room, since: &Cursor, most: usize) -> Missed {
        let unseen = |index: &usize| !since.snapshot.saw(self.changes[*index].xid);
        let mut broad = self.broad.iter();
        if broad.any(|(target, index)| target.covers(room) && unseen(index)) {
            return Missed::Resync(ResyncReason::Bulk);
        }
        let mut entities = IndexMap::new();
        let in_room = self.by_room.get(room).map_or(&[][..], Vec::as_slice);
        for index in in_room.iter().filter(|index| unseen(index)) {
            let change = &self.changes[*index];
            if change.is_bulk() {
                return Missed::Resync(ResyncReason::Bulk);
            }
            entities
                .entry((change.entity.clone(), change.id.clone()))
                .and_modify(|folded: &mut Folded| folded.absorb(change))
                .or_insert_with(|| Folded::new(change));
        }
        Missed::new(entities.into_values().collect(), most)
    }
}
