//! What a client missed of one room, from wherever that is known.

use std::sync::Arc;

use indexmap::IndexMap;

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
                let key = |folded: &Folded| (folded.entity.clone(), folded.id.clone());
                let mut all: IndexMap<(Arc<str>, Arc<str>), Folded> = entities
                    .into_iter()
                    .map(|folded| (key(&folded), folded))
                    .collect();
                for folded in more {
                    all.entry(key(&folded))
                        .and_modify(|known| known.append(&folded))
                        .or_insert(folded);
                }
                Self::new(all.into_values().collect(), most)
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
