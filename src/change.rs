//! A change: one row of `pgbell.change`, as every stage sees it, and how changes of one entity fold.
//!
//! Folding is the heart of coalescing and is kept here, free of clocks and channels, so that a
//! window, a slow consumer's queue and a resume index all fold alike.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::room::Target;

/// What happened to the row.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
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

/// All changes of one entity in one room since the last flush, as one. This is what goes on the
/// wire as an element of `changes`.
#[derive(Clone, Debug, Serialize)]
pub struct Folded {
    /// Kind of the entity.
    pub entity: Arc<str>,
    /// Which entity.
    pub id: Arc<str>,
    /// The operation that leads from the state before the first change to the one after the last.
    pub op: Op,
    /// Union of the events, in order of first appearance.
    pub events: Events,
    /// How many row changes were folded.
    pub count: u64,
    /// Time of the oldest change in here.
    pub at: Timestamp,
    /// The earliest known value of each column that changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Arc<Columns>>,
    /// The latest known value of each column that changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Arc<Columns>>,
    /// Set while every folded change carries the same origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Arc<str>>,
    #[serde(skip)]
    row: RowChange,
}

/// Identifies the row change that is being assembled. A trigger writes one log row per audience,
/// so one changed table row may arrive as several log rows, which count once.
#[derive(Clone, Debug)]
struct RowChange {
    xid: u64,
    at: Timestamp,
    op: Op,
    events: Events,
}

impl Folded {
    /// The fold of a single change.
    pub fn new(change: &Change) -> Self {
        Self {
            entity: change.entity.clone(),
            id: change.id.clone(),
            op: change.op,
            events: change.events.clone(),
            count: 1,
            at: change.at,
            old: change.old.clone(),
            new: change.new.clone(),
            origin: change.origin.clone(),
            row: RowChange::new(change),
        }
    }

    /// Adds a later change of the same entity.
    pub fn absorb(&mut self, next: &Change) {
        if self.row.continues_with(next) {
            self.row.events = union(&self.row.events, &next.events);
        } else {
            self.count += 1;
            self.op = self.op.then(next.op);
            self.row = RowChange::new(next);
        }
        self.events = union(&self.events, &next.events);
        self.at = self.at.min(next.at);
        merge(&mut self.old, next.old.as_ref(), Keep::Earliest);
        merge(&mut self.new, next.new.as_ref(), Keep::Latest);
        if self.origin != next.origin {
            self.origin = None;
        }
    }
}

impl RowChange {
    fn new(change: &Change) -> Self {
        Self {
            xid: change.xid,
            at: change.at,
            op: change.op,
            events: change.events.clone(),
        }
    }

    /// Log rows of one statement share transaction and time. If they also name different events
    /// they describe one changed row; a second change of the row repeats an event.
    fn continues_with(&self, next: &Change) -> bool {
        (self.xid, self.at, self.op) == (next.xid, next.at, next.op)
            && !next.events.iter().any(|event| self.events.contains(event))
    }
}

fn union(known: &Events, more: &Events) -> Events {
    if Arc::ptr_eq(known, more) || more.iter().all(|event| known.contains(event)) {
        return known.clone();
    }
    let new = more.iter().filter(|event| !known.contains(event));
    known.iter().chain(new).cloned().collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Keep {
    Earliest,
    Latest,
}

fn merge(known: &mut Option<Arc<Columns>>, more: Option<&Arc<Columns>>, keep: Keep) {
    let Some(more) = more else { return };
    let Some(known) = known else {
        *known = Some(more.clone());
        return;
    };
    let known = Arc::make_mut(known);
    for (column, value) in more.iter() {
        if keep == Keep::Latest || !known.contains_key(column) {
            known.insert(column.clone(), value.clone());
        }
    }
}
