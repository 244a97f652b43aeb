//! Invalidations: changes of one entity folded into one, and what coalesce hands to the hub.
//!
//! Folding is kept here, free of clocks and channels, so that everything that holds changes back
//! folds them alike.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    change::{Change, Columns, Events, Op, Reached, ResyncReason},
    room::{Room, Target},
};

/// A cursor in its text form, shared by all frames that carry it.
pub type CursorText = Arc<str>;

/// What coalesce hands on: everything that is told at one moment.
#[derive(Clone, Debug)]
pub struct Flush {
    /// The position before the oldest change in here or still waiting: what a client may resume
    /// from once it has seen any part of this flush.
    pub cursor: CursorText,
    /// The position a client may resume from once it has seen all of this flush.
    pub then: CursorText,
    /// How far the log had been read.
    pub reached: Reached,
    /// At most one per room.
    pub invalidations: Vec<Invalidation>,
    /// Rooms that cannot be told what changed, with the reason.
    pub resyncs: Vec<(Target, ResyncReason)>,
}

/// "These entities of this room changed."
#[derive(Clone, Debug)]
pub struct Invalidation {
    /// Who is told.
    pub room: Room,
    /// One per entity, in order of first change.
    pub changes: Vec<Folded>,
}

/// All changes of one entity in one room since the last flush, as one. This is what goes on the
/// wire as an element of `changes`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Change"))]
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

    /// Adds what was folded from later changes of the same entity.
    pub fn append(&mut self, later: &Self) {
        self.count += later.count;
        self.op = self.op.then(later.op);
        self.row = later.row.clone();
        self.events = union(&self.events, &later.events);
        self.at = self.at.min(later.at);
        merge(&mut self.old, later.old.as_ref(), Keep::Earliest);
        merge(&mut self.new, later.new.as_ref(), Keep::Latest);
        if self.origin != later.origin {
            self.origin = None;
        }
    }

    /// One fold per entity of folds that stand in their order.
    pub fn join<'a>(folds: impl IntoIterator<Item = &'a Self>) -> Vec<Self> {
        let mut entities: IndexMap<(Arc<str>, Arc<str>), Self> = IndexMap::new();
        for folded in folds {
            entities
                .entry((folded.entity.clone(), folded.id.clone()))
                .and_modify(|known| known.append(folded))
                .or_insert_with(|| folded.clone());
        }
        entities.into_values().collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn change(xid: u64, op: Op, event: &str, old: &str, new: &str) -> Change {
        let columns = |json: &str| (!json.is_empty()).then(|| serde_json::from_str(json).unwrap());
        Change {
            xid,
            at: Timestamp::from_second(1_000 + i64::try_from(xid).unwrap()).unwrap(),
            entity: "product".into(),
            id: "1".into(),
            op,
            events: [Arc::from(event)].into(),
            targets: Vec::new(),
            old: columns(old),
            new: columns(new),
            origin: None,
        }
    }

    fn fold(changes: &[Change]) -> serde_json::Value {
        let (first, rest) = changes.split_first().unwrap();
        let mut folded = Folded::new(first);
        rest.iter().for_each(|next| folded.absorb(next));
        serde_json::to_value(&folded).unwrap()
    }

    #[test]
    fn folding_keeps_the_first_old_the_last_new_and_every_event() {
        let folded = fold(&[
            change(
                1,
                Op::Update,
                "product:price_changed",
                r#"{"price":10.50}"#,
                r#"{"price":11}"#,
            ),
            change(
                2,
                Op::Update,
                "product:updated",
                r#"{"name":"a"}"#,
                r#"{"name":"b"}"#,
            ),
            change(
                3,
                Op::Update,
                "product:price_changed",
                r#"{"price":11}"#,
                r#"{"price":12}"#,
            ),
        ]);
        assert_eq!(folded["count"], 3);
        assert_eq!(
            folded["old"],
            serde_json::json!({"price": 10.5, "name": "a"})
        );
        assert_eq!(folded["new"], serde_json::json!({"price": 12, "name": "b"}));
        assert_eq!(folded["events"][1], "product:updated");
        assert_eq!(folded["at"], "1970-01-01T00:16:41Z");
    }

    #[test]
    fn operations_fold_to_the_one_that_leads_from_first_to_last() {
        use Op::{Delete, Insert, Update};
        for (first, second, both) in [
            (Insert, Update, Insert),
            (Insert, Delete, Delete),
            (Delete, Insert, Update),
            (Update, Delete, Delete),
            (Update, Update, Update),
        ] {
            assert_eq!(first.then(second), both, "{first:?} then {second:?}");
        }
    }

    #[test]
    fn log_rows_for_several_audiences_of_one_row_change_count_once() {
        let out = change(1, Op::Update, "stock:out", "", "");
        let low = change(1, Op::Update, "stock:low", "", "");
        assert_eq!(fold(&[out.clone(), low.clone()])["count"], 1);
        assert_eq!(fold(&[out.clone(), low.clone(), out, low])["count"], 2);
    }

    #[test]
    fn folds_appended_tell_what_one_fold_of_all_changes_tells() {
        let changes = [
            change(1, Op::Insert, "a:b", "", r#"{"x":1}"#),
            change(2, Op::Update, "a:c", r#"{"x":1}"#, r#"{"x":2}"#),
            change(3, Op::Delete, "a:d", r#"{"x":2,"y":3}"#, ""),
        ];
        for middle in 1..changes.len() {
            let (first, last) = changes.split_at(middle);
            let folded = |part: &[Change]| {
                let mut folded = Folded::new(&part[0]);
                part[1..].iter().for_each(|next| folded.absorb(next));
                folded
            };
            let mut appended = folded(first);
            appended.append(&folded(last));
            assert_eq!(serde_json::to_value(&appended).unwrap(), fold(&changes));
        }
    }

    #[test]
    fn an_origin_is_told_only_if_every_change_has_it() {
        let mut mine = change(1, Op::Update, "a:b", "", "");
        mine.origin = Some("tab-7".into());
        let theirs = change(2, Op::Update, "a:b", "", "");
        assert_eq!(fold(&[mine.clone(), mine.clone()])["origin"], "tab-7");
        assert!(fold(&[mine, theirs]).get("origin").is_none());
    }
}
