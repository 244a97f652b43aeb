//! How far the log was read, and how much of that may be handed out.
//!
//! A crash can take back commits that did not wait for the disk (`synchronous_commit = off`), and the
//! ids of their transactions are then given to others. A cursor that claimed to have seen the first
//! would miss the second. So a position is handed out once the WAL was flushed past the moment it was
//! read at, and a crash is followed by reading from there.
//! See <https://www.postgresql.org/docs/current/wal-async-commit.html>.

use std::collections::VecDeque;

use crate::{
    change::Reached,
    cursor::{Cursor, Epoch, Snapshot},
    interest::Generation,
};

/// Most reads that wait for the disk; past it, some are told only together with a later one.
const MAX_UNFLUSHED: usize = 256;

/// A place in the WAL.
pub(super) type Lsn = u64;

/// Tells a server that has crashed from the one it was before.
pub(super) type Incarnation = Option<String>;

/// The end of the last record before `written`: at the beginning of a page, the place where the next
/// record will go stands behind a header that is written with it, and may be so for long.
pub(super) fn last_record(written: Lsn) -> Lsn {
    const PAGE: Lsn = 8 * 1024;
    const SEGMENT: Lsn = 16 * 1024 * 1024;
    const HEADER: Lsn = 24;
    const SEGMENT_HEADER: Lsn = 40;
    let is_header = written % PAGE == HEADER && written % SEGMENT != HEADER
        || written % SEGMENT == SEGMENT_HEADER;
    if is_header {
        written - written % PAGE
    } else {
        written
    }
}

/// Where the log was read up to.
#[derive(Clone, Debug)]
pub(super) struct Position {
    epoch: Epoch,
    read: Snapshot,
    durable: Snapshot,
    /// Reads after `durable`, each with the end of the WAL at its time.
    unflushed: VecDeque<(Lsn, Snapshot)>,
    incarnation: Incarnation,
}

impl Position {
    /// Nothing before `here`, which is on disk, matters.
    pub(super) fn start(here: Cursor, incarnation: Incarnation) -> Self {
        Self {
            epoch: here.epoch,
            read: here.snapshot.clone(),
            durable: here.snapshot,
            unflushed: VecDeque::new(),
            incarnation,
        }
    }

    /// What the next read starts from.
    pub(super) fn read(&self) -> &Snapshot {
        &self.read
    }

    /// What a crash cannot take back.
    pub(super) fn durable(&self) -> Cursor {
        self.at(self.durable.clone())
    }

    /// Another position of the same history.
    pub(super) fn at(&self, snapshot: Snapshot) -> Cursor {
        Cursor {
            epoch: self.epoch.clone(),
            snapshot,
        }
    }

    /// How far the log was read, by a read that began at this `interest`.
    pub(super) fn reached(&self, interest: Generation) -> Reached {
        Reached {
            epoch: self.epoch.clone(),
            snapshot: self.read.clone().into(),
            interest,
        }
    }

    /// Takes in a read at `snapshot`, when the WAL reached to `written` and was on disk to `flushed`.
    /// Returns whether that is any further than before.
    pub(super) fn advance(&mut self, snapshot: Snapshot, written: Lsn, flushed: Lsn) -> bool {
        let moved = self.read != snapshot;
        if moved {
            if self.unflushed.len() == MAX_UNFLUSHED {
                self.unflushed.pop_back();
            }
            self.unflushed
                .push_back((last_record(written), snapshot.clone()));
            self.read = snapshot;
        }
        self.reached_disk(flushed) || moved
    }

    /// Takes in how far the WAL is on disk. Returns whether more may be handed out than before.
    pub(super) fn reached_disk(&mut self, flushed: Lsn) -> bool {
        let on_disk = |(written, _): &mut (Lsn, Snapshot)| *written <= flushed;
        let mut moved = false;
        while let Some((_, snapshot)) = self.unflushed.pop_front_if(on_disk) {
            self.durable = snapshot;
            moved = true;
        }
        moved
    }

    /// Whether there is more than may be handed out.
    pub(super) fn waits_for_disk(&self) -> bool {
        !self.unflushed.is_empty()
    }

    /// Goes on with the server as it is now: from what a crash cannot have taken back, if there was one.
    pub(super) fn reconnect(&mut self, incarnation: Incarnation) {
        if self.incarnation != incarnation {
            self.incarnation = incarnation;
            self.read = self.durable.clone();
            self.unflushed.clear();
        }
    }

    /// Leaves everything before `here`, which is on disk, behind.
    pub(super) fn skip_to(&mut self, here: Cursor) {
        *self = Self::start(here, self.incarnation.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(xmax: u64) -> Snapshot {
        format!("{xmax}:{xmax}:").parse().unwrap()
    }

    fn start() -> Position {
        let epoch = "aa".into();
        let snapshot = snapshot(10);
        Position::start(Cursor { epoch, snapshot }, Some("monday".into()))
    }

    #[test]
    fn only_what_is_on_disk_is_handed_out_and_gone_back_to_after_a_crash() {
        let mut position = start();
        position.advance(snapshot(11), 500, 400);
        position.advance(snapshot(12), 600, 400);
        assert_eq!(
            (position.read(), position.durable().snapshot),
            (&snapshot(12), snapshot(10))
        );
        position.advance(snapshot(12), 700, 600);
        assert_eq!(
            position.durable().snapshot,
            snapshot(12),
            "read at 600, on disk to 600"
        );
        position.advance(snapshot(13), 800, 700);
        position.reconnect(Some("monday".into()));
        assert_eq!(
            position.read(),
            &snapshot(13),
            "a cut connection takes nothing back"
        );
        position.reconnect(Some("tuesday".into()));
        assert_eq!(position.read(), &snapshot(12));
    }

    #[test]
    fn the_header_of_a_page_that_is_not_written_yet_is_not_waited_for() {
        assert_eq!(last_record(0x0200_0028), 0x0200_0000, "of a segment");
        assert_eq!(last_record(0x0200_2018), 0x0200_2000);
        assert_eq!(last_record(0x0200_2020), 0x0200_2020);
    }

    #[test]
    fn a_disk_that_does_not_answer_costs_bounded_memory_and_loses_nothing() {
        let mut position = start();
        for number in 11..2_000 {
            position.advance(snapshot(number), number, 0);
        }
        assert_eq!(position.unflushed.len(), MAX_UNFLUSHED);
        position.advance(snapshot(1_999), 5_000, 1_998);
        assert!(position.durable().snapshot.xmax < 1_999);
        position.advance(snapshot(1_999), 5_000, 5_000);
        assert_eq!(position.durable().snapshot, snapshot(1_999));
    }
}
