//! A change: one row of `pgbell.change`, and what capture hands to coalesce.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    cursor::{Cursor, Epoch, Snapshot},
    room::Target,
};

/// What happened to the row.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// The row is new.
    Insert,
    /// The row has other values than before.
    Update,
    /// The row is gone.
    Delete,
}

impl Op {
    /// Reads the `op` column. Anything unknown is an update: the safe answer to a trigger author's
    /// typing error is to tell clients to look, not to drop the change.
    pub fn from_column(op: Option<&str>) -> Self {
        match op {
            Some("insert") => Self::Insert,
            Some("delete") => Self::Delete,
            _ => Self::Update,
        }
    }

    /// The single operation that describes `self` followed by `next`.
    pub fn then(self, next: Self) -> Self {
        match (self, next) {
            (_, Self::Delete) => Self::Delete,
            (Self::Insert, _) => Self::Insert,
            (Self::Delete | Self::Update, _) => Self::Update,
        }
    }
}

/// Column values that every member of a room may see, by column name.
pub type Columns = IndexMap<Arc<str>, Arc<RawValue>>;

/// The events of a change, in the order the trigger gave them, without repeats.
pub type Events = Arc<[Arc<str>]>;

/// One row of the change log.
#[derive(Clone, Debug)]
pub struct Change {
    /// Top-level transaction that made the change.
    pub xid: u64,
    /// When the statement that made the change began.
    pub at: Timestamp,
    /// Kind of the entity, `product`.
    pub entity: Arc<str>,
    /// Which entity, or [`Change::EVERY`].
    pub id: Arc<str>,
    /// What happened to the row.
    pub op: Op,
    /// What it means, `product:price_changed`.
    pub events: Events,
    /// Who is told.
    pub targets: Vec<Target>,
    /// Shown columns before the change.
    pub old: Option<Arc<Columns>>,
    /// Shown columns after the change.
    pub new: Option<Arc<Columns>>,
    /// The writer's own mark, so that a client can recognise its own write.
    pub origin: Option<Arc<str>>,
}

impl Change {
    /// The id that stands for every entity of a kind: too many changed to name them, so the rooms
    /// concerned are told to resync.
    pub const EVERY: &'static str = "*";

    /// Whether this change names no single entity.
    pub fn is_bulk(&self) -> bool {
        &*self.id == Self::EVERY
    }
}

/// How far the log was read, which may be further than any cursor claims. The default is before
/// the first read.
#[derive(Clone, Debug, Default)]
pub struct Reached {
    /// Which history `snapshot` belongs to.
    pub epoch: Epoch,
    /// Changes of transactions that were finished here have been read.
    pub snapshot: Arc<Snapshot>,
    /// How often interest had begun when the read did: what concerns later rooms may have been passed
    /// over.
    pub interest: u64,
}

/// What capture hands on, in the order it happened.
#[derive(Clone, Debug)]
pub enum Captured {
    /// Every change that became visible between the previous position and this one.
    Batch {
        /// The changes, in the order of the log.
        changes: Vec<Change>,
        /// A position after them, or before: what of it may be handed out.
        cursor: Cursor,
        /// How far the read went.
        reached: Reached,
    },
    /// Changes may have happened that nobody can account for.
    Gap {
        /// Why.
        reason: ResyncReason,
        /// The position after the gap.
        cursor: Cursor,
        /// The same, as a read that saw nothing before.
        reached: Reached,
    },
}

/// Why rooms are told to resync.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResyncReason {
    /// A stretch of changes was not seen.
    Gap,
    /// Too many entities changed to name them.
    Bulk,
    /// This client did not read fast enough.
    SlowConsumer,
    /// The database is another one, or has another history, than before.
    Epoch,
    /// The change log no longer reaches back far enough.
    Truncated,
}

impl ResyncReason {
    /// The name on the wire and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Bulk => "bulk",
            Self::SlowConsumer => "slow_consumer",
            Self::Epoch => "epoch",
            Self::Truncated => "truncated",
        }
    }
}
