//! What was really committed, known from the writers alone and not from pgbell.

use std::{collections::HashSet, time::Instant};

use super::journal::Room;

/// One write of a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// Marks this write and no other; it ends up in the values or the id that clients are told.
    pub(crate) token: u64,
    /// Entity and id, as `product/3`; `topic/*` is for everybody and can only be told as a resync.
    pub(crate) thing: String,
    /// Whoever is in one of these must hear of it.
    pub(crate) rooms: Vec<Room>,
}

/// A write that was committed.
#[derive(Clone, Debug)]
pub(crate) struct Committed {
    pub(crate) change: Change,
    /// When its COMMIT was sent. What is told from then on may be about it.
    pub(crate) begun: Instant,
}

/// The fate of every write.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) committed: Vec<Committed>,
    /// Tokens of all that was committed.
    pub(crate) real: HashSet<u64>,
    /// Tokens of what was rolled back, whole or to a savepoint.
    pub(crate) undone: HashSet<u64>,
}

impl Truth {
    pub(crate) fn commit(&mut self, changes: Vec<Change>, begun: Instant) {
        self.real.extend(changes.iter().map(|change| change.token));
        let committed = changes
            .into_iter()
            .map(|change| Committed { change, begun });
        self.committed.extend(committed);
    }

    pub(crate) fn undo(&mut self, changes: impl IntoIterator<Item = Change>) {
        let tokens = changes.into_iter().map(|change| change.token);
        self.undone.extend(tokens);
    }
}
