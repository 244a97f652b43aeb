//! The cursor: how far a reader has seen, built from a Postgres snapshot.
//!
//! A snapshot answers "was transaction X finished by then?" exactly, whatever order transactions
//! commit in, which a highest id cannot. Its text form is `xmin:xmax:xip,xip`, as in
//! <https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT>.

use std::{fmt, num::ParseIntError, str::FromStr, sync::Arc};

/// Longest cursor that is handed out or taken, in bytes.
pub const MAX_CURSOR_LENGTH: usize = 512;

/// Which history the transaction ids belong to: system identifier, timeline and install id in one
/// short text. Two cursors of different epochs cannot be compared.
pub type Epoch = Arc<str>;

/// Which transactions were finished at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Snapshot {
    /// Every transaction below was finished.
    pub xmin: u64,
    /// No transaction from here on was finished.
    pub xmax: u64,
    /// The transactions between that were still running.
    pub running: Vec<u64>,
}

/// A position in the change log of one epoch: `<epoch>.<snapshot>`, opaque to clients.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cursor {
    /// Which history this is a position in.
    pub epoch: Epoch,
    /// The position.
    pub snapshot: Snapshot,
}

/// Why a text is no cursor or snapshot.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidCursor {
    /// Longer than [`MAX_CURSOR_LENGTH`].
    #[error("a cursor has at most {MAX_CURSOR_LENGTH} bytes")]
    Length,
    /// Not `<epoch>.<xmin>:<xmax>:<running,…>`.
    #[error("a cursor looks like <epoch>.<xmin>:<xmax>:<running>")]
    Shape,
    /// A transaction id is no number.
    #[error("a cursor holds transaction ids")]
    Number(#[from] ParseIntError),
}

impl Snapshot {
    /// Whether transaction `xid` was finished by then.
    pub fn saw(&self, xid: u64) -> bool {
        xid < self.xmin || (xid < self.xmax && !self.running.contains(&xid))
    }

    /// Whether everything finished here is finished in `later`, so that nothing between the two is
    /// unseen by a reader that is at `later`.
    pub fn precedes(&self, later: &Self) -> bool {
        self.xmax <= later.xmax && !later.running.iter().any(|xid| self.saw(*xid))
    }

    /// The same position with nothing but its lower end: it claims to have seen less, so a reader
    /// that resumes from it is told more than it needs, never less.
    fn shortened(&self) -> Self {
        Self {
            xmin: self.xmin,
            xmax: self.xmin,
            running: Vec::new(),
        }
    }
}

impl Cursor {
    /// A position of the same history that claims no more than either.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        let snapshot = if self.snapshot.precedes(&other.snapshot) {
            self.snapshot.clone()
        } else if other.snapshot.precedes(&self.snapshot) {
            other.snapshot.clone()
        } else {
            let (one, other) = (self.snapshot.shortened(), other.snapshot.shortened());
            if one.xmin < other.xmin { one } else { other }
        };
        let epoch = self.epoch.clone();
        Self { epoch, snapshot }
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.xmin, self.xmax)?;
        for (index, xid) in self.running.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{xid}")?;
        }
        Ok(())
    }
}

impl FromStr for Snapshot {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let mut parts = text.splitn(3, ':');
        let mut part = || parts.next().ok_or(InvalidCursor::Shape);
        let (xmin, xmax, running) = (part()?.parse()?, part()?.parse()?, part()?);
        if xmin > xmax {
            return Err(InvalidCursor::Shape);
        }
        let running = running.split(',').filter(|xid| !xid.is_empty());
        let running: Vec<u64> = running.map(str::parse).collect::<Result<_, _>>()?;
        let inside = running.iter().all(|xid| (xmin..xmax).contains(xid));
        if !inside || !running.is_sorted_by(|one, next| one < next) {
            return Err(InvalidCursor::Shape);
        }
        Ok(Self {
            xmin,
            xmax,
            running,
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = format!("{}.{}", self.epoch, self.snapshot);
        if whole.len() <= MAX_CURSOR_LENGTH {
            f.write_str(&whole)
        } else {
            write!(f, "{}.{}", self.epoch, self.snapshot.shortened())
        }
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        if text.len() > MAX_CURSOR_LENGTH {
            return Err(InvalidCursor::Length);
        }
        let (epoch, snapshot) = text.split_once('.').ok_or(InvalidCursor::Shape)?;
        if epoch.is_empty() {
            return Err(InvalidCursor::Shape);
        }
        Ok(Self {
            epoch: epoch.into(),
            snapshot: snapshot.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::*};

    use super::*;

    fn snapshots(most_running: usize) -> impl Strategy<Value = Snapshot> {
        (1_u64..1 << 60, 0_u64..1 << 40, 0..=most_running).prop_flat_map(
            |(xmin, width, running)| {
                collection::btree_set(xmin..=xmin + width, 0..=running).prop_map(move |running| {
                    Snapshot {
                        xmin,
                        xmax: xmin + width + 1,
                        running: running.into_iter().collect(),
                    }
                })
            },
        )
    }

    proptest! {
        #[test]
        fn a_snapshot_survives_its_text_form(snapshot in snapshots(200)) {
            prop_assert_eq!(snapshot.to_string().parse(), Ok(snapshot));
        }

        #[test]
        fn a_cursor_of_any_snapshot_fits_and_never_claims_more(
            snapshot in snapshots(200),
            probe in 0_u64..1 << 61,
        ) {
            let cursor = Cursor { epoch: "0123456789abcdef".into(), snapshot: snapshot.clone() };
            let text = cursor.to_string();
            prop_assert!(text.len() <= MAX_CURSOR_LENGTH);
            let back: Cursor = text.parse().unwrap();
            prop_assert_eq!(&back.epoch, &cursor.epoch);
            prop_assert!(!back.snapshot.saw(probe) || snapshot.saw(probe));
        }

        #[test]
        fn a_snapshot_that_precedes_another_saw_nothing_that_the_other_did_not(
            one in snapshots(6), other in snapshots(6), probe in 0_u64..1 << 61,
        ) {
            if one.precedes(&other) {
                prop_assert!(!one.saw(probe) || other.saw(probe));
            }
            prop_assert!(one.shortened().precedes(&one) && one.precedes(&one));
            let at = |snapshot: &Snapshot| Cursor { epoch: "a".into(), snapshot: snapshot.clone() };
            let both = at(&one).meet(&at(&other)).snapshot;
            prop_assert!(both.precedes(&one) && both.precedes(&other));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,600}") {
            let _ = text.parse::<Cursor>();
        }
    }

    #[test]
    fn what_was_running_is_unseen_until_a_later_snapshot() {
        let snapshot: Snapshot = "10:20:10,14,15".parse().unwrap();
        assert!(snapshot.saw(9) && snapshot.saw(13));
        assert!(!snapshot.saw(10) && !snapshot.saw(15) && !snapshot.saw(20));
    }

    #[test]
    fn broken_cursors_are_refused() {
        for bad in [
            "",
            "x",
            "x.",
            ".1:1:",
            "x.1:2",
            "x.2:1:",
            "x.a:b:",
            "x.1:2:y",
            "x.1:5:7",
            "x.3:5:2",
            "x.1:5:3,2",
        ] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad:?}");
        }
    }
}
