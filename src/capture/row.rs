//! From a row of the log, or a payload that stands for one, to a change.
//!
//! Trigger authors write these rows by hand, and the log refuses nothing, because a refusal would
//! fail somebody's business write. So whatever is odd is read in the way that tells clients more,
//! not less, and is counted.

use std::{error::Error, sync::Arc};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_postgres::{
    Row,
    types::{FromSql, Type},
};

use crate::{
    change::{Change, Columns, Op},
    interest::{Interest, Interested},
    room::Target,
    telemetry::Metrics,
};

/// One row as it was written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LogRow {
    #[serde(deserialize_with = "number_or_text")]
    pub(super) xid: u64,
    pub(super) at: Option<Timestamp>,
    pub(super) entity: Option<String>,
    pub(super) id: Option<String>,
    pub(super) op: Option<String>,
    pub(super) events: Option<Vec<Option<String>>>,
    pub(super) rooms: Option<Vec<Option<String>>>,
    pub(super) old: Option<Box<RawValue>>,
    pub(super) new: Option<Box<RawValue>>,
    pub(super) origin: Option<String>,
}

/// What the daemon makes of one row.
#[derive(Debug)]
pub struct Reading {
    /// The change, unless nobody would be told of it.
    pub change: Option<Change>,
    /// Whether its author made a mistake.
    pub is_malformed: bool,
}

/// Reads a row that is given in the form of a payload as the daemon would, for clients in `rooms`, or
/// for everybody.
pub fn read_row(json: &str, rooms: Option<&Interest>) -> Reading {
    let (row, is_malformed) = match serde_json::from_str::<LogRow>(json) {
        Ok(row) => (row, false),
        Err(_) => (LogRow::unreadable(), true),
    };
    let reading = row.read(|target| rooms.is_none_or(|rooms| rooms.now().in_target(target)));
    Reading {
        is_malformed: is_malformed || reading.is_malformed,
        ..reading
    }
}

impl LogRow {
    /// Stands for a row that cannot be read: it may have been for anybody.
    pub(super) fn unreadable() -> Self {
        Self {
            rooms: Some(vec![Some("*".into())]),
            ..Self::default()
        }
    }

    /// Whether anybody would be told of the row whose columns begin at `first`.
    pub(super) fn is_wanted(
        row: &Row,
        first: usize,
        interest: &Interested<'_>,
    ) -> Result<bool, tokio_postgres::Error> {
        let rooms: Option<Vec<Option<&str>>> = row.try_get(first + 6)?;
        let mut names = rooms.iter().flatten().flatten().peekable();
        // A row that tells nobody at all is a mistake that wants counting.
        Ok(names.peek().is_none() || names.any(|name| interest.in_name(name)))
    }

    /// Reads the columns from `first` on, in the order of the log's read statement.
    pub(super) fn from_columns(row: &Row, first: usize) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            xid: Self::xid(row, first)?,
            at: row.try_get(first + 1)?,
            entity: row.try_get(first + 2)?,
            id: row.try_get(first + 3)?,
            op: row.try_get(first + 4)?,
            events: row.try_get(first + 5)?,
            rooms: row.try_get(first + 6)?,
            old: raw_json(row, first + 7)?,
            new: raw_json(row, first + 8)?,
            origin: row.try_get(first + 9)?,
        })
    }

    /// The change, or `None` if nobody would be told of it.
    pub(super) fn into_change(
        self,
        interest: &Interested<'_>,
        metrics: &Metrics,
    ) -> Option<Change> {
        let reading = self.read(|target| interest.in_target(target));
        if reading.is_malformed {
            metrics.malformed_changes.inc();
        }
        reading.change
    }

    fn read(self, hears: impl Fn(&Target) -> bool) -> Reading {
        let mut malformed = self.entity.is_none() || self.id.is_none();
        let mut targets = self.targets(&mut malformed);
        let old = columns(self.old, &mut malformed);
        let new = columns(self.new, &mut malformed);
        let is_malformed = malformed || targets.is_empty();
        targets.retain(hears);
        if targets.is_empty() {
            return Reading {
                change: None,
                is_malformed,
            };
        }
        let events = self.events.unwrap_or_default().into_iter().flatten();
        let change = Change {
            xid: self.xid,
            at: self.at.unwrap_or_else(Timestamp::now),
            entity: self.entity.as_deref().unwrap_or("unknown").into(),
            id: self.id.as_deref().unwrap_or(Change::EVERY).into(),
            op: Op::from_column(self.op.as_deref()),
            events: events.map(Arc::from).collect(),
            targets,
            old,
            new,
            origin: self.origin.map(Arc::from),
        };
        Reading {
            change: Some(change),
            is_malformed,
        }
    }

    /// The transaction of the row whose columns begin at `first`.
    pub(super) fn xid(row: &Row, first: usize) -> Result<u64, tokio_postgres::Error> {
        row.try_get::<_, Xid8>(first).map(|xid| xid.0)
    }

    fn targets(&self, malformed: &mut bool) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::new();
        for name in self.rooms.iter().flatten().flatten() {
            match name.parse() {
                Ok(target) if targets.contains(&target) => {}
                Ok(target) => targets.push(target),
                Err(_) => *malformed = true,
            }
        }
        targets
    }
}

fn columns(json: Option<Box<RawValue>>, malformed: &mut bool) -> Option<Arc<Columns>> {
    let json = json.filter(|json| json.get() != "null")?;
    let columns = serde_json::from_str::<Columns>(json.get()).ok();
    *malformed |= columns.is_none();
    columns.filter(|columns| !columns.is_empty()).map(Arc::new)
}

fn raw_json(row: &Row, column: usize) -> Result<Option<Box<RawValue>>, tokio_postgres::Error> {
    let json: Option<tokio_postgres::types::Json<Box<RawValue>>> = row.try_get(column)?;
    Ok(json.map(|json| json.0))
}

fn number_or_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

/// A full transaction id, `xid8`: eight bytes, big-endian.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Xid8(pub(super) u64);

impl<'a> FromSql<'a> for Xid8 {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(u64::from_be_bytes(raw.try_into()?)))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::XID8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(json: &str) -> (Option<Change>, u64) {
        let (metrics, interest) = (Metrics::new(), Interest::default());
        for room in ["product:1", "product:42", "seller:1"] {
            interest.begin(room.parse().unwrap());
        }
        let row: LogRow = serde_json::from_str(json).unwrap();
        let change = row.into_change(&interest.now(), &metrics);
        (change, metrics.malformed_changes.get())
    }

    #[test]
    fn a_well_made_row_is_read_as_written() {
        let (change, malformed) = change(
            r#"{"xid":"7","at":"2026-01-02T03:04:05.123456Z","entity":"product","id":"42","op":"delete",
                "events":["product:deleted"],"rooms":["product:42","seller:1","product:42"],
                "old":{"price":10.50},"new":null,"origin":"tab"}"#,
        );
        let change = change.unwrap();
        assert_eq!((change.xid, change.op, malformed), (7, Op::Delete, 0));
        assert_eq!(change.targets.len(), 2, "a room named twice is told once");
        assert_eq!(change.old.unwrap()["price"].get(), "10.50");
        assert!(change.new.is_none());
    }

    #[test]
    fn a_room_that_nobody_is_in_is_passed_over() {
        let (change, _) =
            change(r#"{"entity":"product","id":"1","rooms":["product:1","seller:7","shop_*"]}"#);
        assert_eq!(
            change.unwrap().targets.len(),
            2,
            "product:1, and shop_* which may be many"
        );
    }

    #[test]
    fn odd_parts_tell_more_not_less_and_are_counted() {
        let (odd, malformed) = change(r#"{"rooms":["a b","product:1"],"op":"upsert","new":[1]}"#);
        let odd = odd.unwrap();
        assert!(odd.is_bulk() && odd.op == Op::Update && odd.new.is_none());
        assert_eq!((odd.targets.len(), malformed), (1, 1));
        let (nobody, malformed) = change(r#"{"entity":"product","id":"1","rooms":[]}"#);
        assert!(nobody.is_none() && malformed == 1);
    }
}
