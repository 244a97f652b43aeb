//! How many debts there were, and how they were paid.

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) all: Paid,
    /// Those of changes that were committed while the client was not in the room.
    pub(crate) away: Paid,
    /// Answers to a `since`, by room.
    pub(crate) resumed: usize,
    pub(crate) resumed_by_resync: usize,
    /// Entities told of, and those of them that answered a `since`.
    pub(crate) told: usize,
    pub(crate) replayed: usize,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Paid {
    pub(crate) by_invalidate: usize,
    pub(crate) by_resync: usize,
}

impl Tally {
    /// Counts a debt that was paid, if it was `told`, by an `invalidate`.
    pub(super) fn pay(&mut self, joined: bool, told: bool) {
        self.all.count(told);
        if !joined {
            self.away.count(told);
        }
    }
}

impl Paid {
    fn count(&mut self, told: bool) {
        match told {
            true => self.by_invalidate += 1,
            false => self.by_resync += 1,
        }
    }

    /// Which part was paid by an `invalidate`; all of nothing.
    pub(crate) fn told_part(self) -> f64 {
        match self.by_invalidate + self.by_resync {
            0 => 1.0,
            all => self.by_invalidate as f64 / all as f64,
        }
    }
}
