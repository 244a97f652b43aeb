//! From a row of the log, or a payload that stands for one, to a change.
//!
//! Trigger authors write these rows by hand, and the log refuses nothing, because a refusal would
//! fail somebody's business write. So whatever is odd is read in the way that tells clients more,
//! not less, and is counted.

use std::{error::Error, sync::Arc};

use indexmap::IndexSet;
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

/// Largest `old` or `new`, in bytes, that is passed on: values are a courtesy, and clients fetch.
const MOST_VALUES: usize = 64 * 1024;

/// Deepest nesting of values: parsers give up, clients' too, long before Postgres does.
const MOST_DEPTH: usize = 64;

/// Longest `entity`, `id`, `origin` or event, in bytes.
const LONGEST_NAME: usize = 1024;

/// Most events of one row.
const MOST_EVENTS: usize = 100;

/// The columns of a change in the order in which they are read. Values that are far too large stay
/// in the database, which knows their size without looking at them; what stands in for them is no
/// object, and so read as none and counted.
macro_rules! columns_of_change {
    () => {
        "xid, at, entity, id, op, events, rooms, \
         case when pg_column_size(old) > 65536 then '0' else old end, \
         case when pg_column_size(new) > 65536 then '0' else new end, origin"
    };
}
pub(super) use columns_of_change;

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
        let mut is_malformed = false;
        let row = self.within_bounds(&mut is_malformed);
        is_malformed |= row.entity.is_none() || row.id.is_none();
        let targets = row.targets(hears, &mut is_malformed);
        let old = columns(row.old, &mut is_malformed);
        let new = columns(row.new, &mut is_malformed);
        if targets.is_empty() {
            return Reading {
                change: None,
                is_malformed,
            };
        }
        let events = row.events.unwrap_or_default().into_iter().flatten();
        let change = Change {
            xid: row.xid,
            at: row.at.unwrap_or_else(Timestamp::now),
            entity: row.entity.as_deref().unwrap_or("unknown").into(),
            id: row.id.as_deref().unwrap_or(Change::EVERY).into(),
            op: Op::from_column(row.op.as_deref()),
            events: events.map(Arc::from).collect(),
            targets,
            old,
            new,
            origin: row.origin.map(Arc::from),
        };
        Reading {
            change: Some(change),
            is_malformed,
        }
    }

    /// Without what is too long to be passed on. A row whose entity or events cannot be named is about
    /// anything in its rooms.
    fn within_bounds(mut self, malformed: &mut bool) -> Self {
        if self.origin.as_deref().is_some_and(is_too_long) {
            *malformed = true;
            self.origin = None;
        }
        if self.cannot_be_named() {
            *malformed = true;
            self.entity = self.entity.filter(|name| !is_too_long(name));
            (self.id, self.events, self.old, self.new) = (None, None, None, None);
        }
        self
    }

    fn cannot_be_named(&self) -> bool {
        let events = self.events.iter().flatten().flatten();
        let names = self.entity.iter().chain(&self.id);
        events.clone().count() > MOST_EVENTS || names.chain(events).any(|name| is_too_long(name))
    }

    /// The transaction of the row whose columns begin at `first`.
    pub(super) fn xid(row: &Row, first: usize) -> Result<u64, tokio_postgres::Error> {
        row.try_get::<_, Xid8>(first).map(|xid| xid.0)
    }

    /// Who of those that `hears` knows is told. Naming nobody at all is a mistake.
    fn targets(&self, hears: impl Fn(&Target) -> bool, malformed: &mut bool) -> Vec<Target> {
        let mut targets = IndexSet::new();
        let mut names_somebody = false;
        for name in self.rooms.iter().flatten().flatten() {
            match name.parse() {
                Ok(target) => {
                    names_somebody = true;
                    if hears(&target) {
                        targets.insert(target);
                    }
                }
                Err(_) => *malformed = true,
            }
        }
        *malformed |= !names_somebody;
        targets.into_iter().collect()
    }
}

/// How deep brackets are nested in JSON that is known to be well formed.
fn depth(json: &str) -> usize {
    let (mut deepest, mut depth, mut quoted, mut escaped) = (0, 0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth += 1,
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn is_too_long(name: &str) -> bool {
    name.len() > LONGEST_NAME
}

fn columns(json: Option<Box<RawValue>>, malformed: &mut bool) -> Option<Arc<Columns>> {
    let json = json.filter(|json| json.get() != "null")?;
    let fit = |json: &&str| json.len() <= MOST_VALUES && depth(json) <= MOST_DEPTH;
    let columns = Some(json.get())
        .filter(fit)
        .and_then(|json| serde_json::from_str::<Columns>(json).ok());
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
    fn the_database_leaves_out_what_is_larger_than_we_take() {
        for column in ["old", "new"] {
            let bound = format!("when pg_column_size({column}) > {MOST_VALUES} then");
            assert!(columns_of_change!().contains(&bound), "{bound}");
        }
    }

    #[test]
    fn brackets_in_texts_nest_nothing() {
        assert_eq!(depth(r#"{"a[{\"[\\":[[1],{"b":"]]"}]}"#), 3);
    }

    #[test]
    fn what_is_too_long_to_pass_on_is_left_out_and_what_cannot_be_named_is_anything() {
        let long = "x".repeat(LONGEST_NAME + 1);
        let row =
            |part: &str| format!(r#"{{"entity":"product","id":"1","rooms":["product:1"],{part}}}"#);
        let (change, malformed) = self::change(&row(&format!(
            r#""new":{{"a":"{}"}},"origin":"{long}""#,
            long.repeat(64)
        )));
        let change = change.unwrap();
        assert!(change.new.is_none() && change.origin.is_none() && !change.is_bulk());
        assert_eq!(malformed, 1);
        let events = vec![r#""a:b""#; MOST_EVENTS + 1].join(",");
        for part in [
            format!(r#""events":["a:{long}"]"#),
            format!(r#""events":[{events}]"#),
        ] {
            let (change, malformed) = self::change(&row(&part));
            assert!(change.unwrap().is_bulk() && malformed == 1);
        }
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
