//! What a client missed of one room, from wherever that is known.

use crate::{change::ResyncReason, invalidation::Folded};

/// What a client missed of one room.
#[derive(Clone, Debug)]
pub(super) enum Missed {
    /// Nothing.
    Nothing,
    /// These entities changed.
    Entities(Vec<Folded>),
    /// Too much, or nobody knows what.
    Resync(ResyncReason),
}

impl Missed {
    /// What was missed of a room in two ways.
    pub(super) fn and(self, more: Self, most: usize) -> Self {
        match (self, more) {
            (Self::Nothing, missed) | (missed, Self::Nothing) => missed,
            (Self::Resync(reason), _) | (_, Self::Resync(reason)) => Self::Resync(reason),
            (Self::Entities(entities), Self::Entities(more)) => {
                Self::new(Folded::join(entities.iter().chain(&more)), most)
            }
        }
    }

    /// At most `most` entities are told one by one.
    pub(super) fn new(entities: Vec<Folded>, most: usize) -> Self {
        match entities.len() {
            0 => Self::Nothing,
            count if count > most => Self::Resync(ResyncReason::Bulk),
            _ => Self::Entities(entities),
        }
    }
}
