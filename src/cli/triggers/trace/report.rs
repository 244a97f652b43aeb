//! What was found, with what clients would be sent: made by the daemon's own code.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    capture::{Reading, read_row},
    change::{Captured, Change, Reached, ResyncReason},
    coalesce,
    cursor::Cursor,
    hub::preview,
    install::triggers::trace::{Moment, Moments, Ran, Traced, Tried},
    interest::Interest,
    room::Room,
};

/// What of the daemon's configuration matters here.
pub(super) struct Daemon {
    pub(super) coalesce: coalesce::Config,
    pub(super) read_limit: u32,
    pub(super) spread: Duration,
}

/// All that is printed.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) statements: Vec<Statement>,
    /// What was done for trigger files before the statements were run.
    pub(super) files: Vec<Tried>,
    /// Rows of the log, as written.
    pub(super) changes: Vec<Box<RawValue>>,
    pub(super) changes_in_all: u64,
    /// How many of them have something that the daemon cannot read.
    pub(super) malformed: usize,
    pub(super) messages: Vec<Message>,
    pub(super) messages_in_all: usize,
    pub(super) moments: Vec<Due>,
    pub(super) moments_in_all: usize,
    pub(super) more_moments: bool,
    /// Why no message would be sent now, if none would be.
    pub(super) nothing_because: Vec<String>,
    pub(super) notes: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) ms: f64,
    #[serde(flatten)]
    pub(super) timing: Option<Timing>,
}

#[derive(Serialize)]
pub(super) struct Timing {
    pub(super) planning_ms: f64,
    pub(super) execution_ms: f64,
    pub(super) rows: u64,
    /// Time in triggers that write to the log.
    pub(super) pgbell_ms: f64,
    /// The same for each row that the statement wrote.
    pub(super) pgbell_ms_per_row: Option<f64>,
    pub(super) triggers: Vec<Trigger>,
}

#[derive(Serialize)]
pub(super) struct Trigger {
    pub(super) name: String,
    pub(super) constraint: Option<String>,
    pub(super) table: String,
    pub(super) calls: u64,
    pub(super) ms: f64,
    pub(super) pgbell: bool,
}

impl Trigger {
    /// What people know it by.
    pub(super) fn title(&self) -> &str {
        self.constraint.as_ref().unwrap_or(&self.name)
    }
}

/// One message to everybody in a room, or in the rooms of a pattern.
#[derive(Serialize)]
pub(super) struct Message {
    pub(super) to: String,
    pub(super) message: Box<RawValue>,
}

/// A change that time will make.
#[derive(Serialize)]
pub(super) struct Due {
    pub(super) fate: &'static str,
    pub(super) due_at: String,
    pub(super) row: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) was_due_at: Option<String>,
}

impl Report {
    /// Makes of the rows what a daemon that has nothing else to tell sends to `rooms`, or to all.
    pub(super) fn new(traced: Traced, rooms: &[Room], daemon: Daemon) -> Result<Self, String> {
        let cursor: Cursor = traced
            .cursor
            .parse()
            .map_err(|_| format!("the server calls its position {}", traced.cursor))?;
        let mut notes = traced.faults;
        let readings = read(&traced.rows, rooms);
        let malformed = readings
            .iter()
            .filter(|reading| reading.is_malformed)
            .count();
        let changes: Vec<Change> = readings
            .into_iter()
            .filter_map(|reading| reading.change)
            .collect();
        let is_too_much = traced.rows_in_all > u64::from(daemon.read_limit);
        if is_too_much {
            notes.push(format!(
                "more than {} log rows (database.read_limit) are too many for one read: every room resyncs",
                daemon.read_limit
            ));
        }
        if malformed > 0 {
            notes.push(format!(
                "{malformed} log rows are not as they should be; see docs/triggers.md"
            ));
        }
        let only = (!rooms.is_empty()).then_some(rooms);
        let captured = captured(changes, cursor, is_too_much);
        let flush = coalesce::at_once(daemon.coalesce, captured);
        let messages = preview(&flush, only, daemon.spread).into_iter();
        let messages: Vec<_> = messages
            .filter_map(|preview| {
                let to = preview.to.to_string();
                let message = raw(preview.message)?;
                Some(Message { to, message })
            })
            .collect();
        let nothing_because = match (messages.len(), traced.rows_in_all) {
            (0, 0) if traced.silent_because.is_empty() => notes.clone(),
            (0, 0) => traced.silent_because,
            (0, _) if only.is_some() => vec!["the changes are for other rooms".into()],
            (0, _) => vec!["no log row names a room".into()],
            _ => Vec::new(),
        };
        if traced.rows_in_all == 0 {
            notes.retain(|note| !nothing_because.contains(note));
        }
        let Moments { rows, has_more } = traced.moments;
        let moments: Vec<_> = rows.into_iter().filter_map(due).collect();
        Ok(Self {
            statements: traced.statements.into_iter().map(statement).collect(),
            files: traced.files,
            changes: traced.rows.into_iter().filter_map(raw).collect(),
            changes_in_all: traced.rows_in_all,
            malformed,
            messages_in_all: messages.len(),
            messages,
            moments_in_all: moments.len(),
            moments,
            more_moments: has_more,
            nothing_because,
            notes,
        })
    }

    /// Shows at most so many of each kind.
    pub(super) fn cut(mut self, limit: usize) -> Self {
        self.changes.truncate(limit);
        self.messages.truncate(limit);
        self.moments.truncate(limit);
        self
    }
}

fn read(rows: &[String], rooms: &[Room]) -> Vec<Reading> {
    let interest = Interest::default();
    for room in rooms {
        interest.begin(room.clone());
    }
    let interest = (!rooms.is_empty()).then_some(&interest);
    rows.iter().map(|row| read_row(row, interest)).collect()
}

fn captured(changes: Vec<Change>, cursor: Cursor, is_too_much: bool) -> Captured {
    let reached = Reached::default();
    match is_too_much {
        true => Captured::Gap {
            reason: ResyncReason::Bulk,
            cursor,
            reached,
        },
        false => Captured::Batch {
            changes,
            cursor,
            reached,
        },
    }
}

fn statement(ran: Ran) -> Statement {
    let timing = ran.timing.map(|timing| {
        let triggers: Vec<_> = timing
            .triggers
            .into_iter()
            .map(|trigger| Trigger {
                name: trigger.name,
                constraint: trigger.constraint,
                table: trigger.table,
                calls: trigger.calls,
                ms: trigger.ms,
                pgbell: trigger.is_ours,
            })
            .collect();
        let ours = triggers.iter().filter(|trigger| trigger.pgbell);
        // An empty sum would be -0.0.
        let pgbell_ms = ours.fold(0.0, |sum, trigger| sum + trigger.ms);
        Timing {
            planning_ms: timing.planning_ms,
            execution_ms: timing.execution_ms,
            rows: timing.rows,
            pgbell_ms,
            pgbell_ms_per_row: (timing.rows > 0).then(|| pgbell_ms / timing.rows as f64),
            triggers,
        }
    });
    Statement {
        sql: ran.sql,
        ms: ran.ms,
        timing,
    }
}

fn due(moment: Moment) -> Option<Due> {
    Some(Due {
        fate: moment.fate.as_str(),
        due_at: moment.due_at,
        row: raw(moment.row)?,
        was_due_at: moment.was_due_at,
    })
}

fn raw(json: String) -> Option<Box<RawValue>> {
    RawValue::from_string(json).ok()
}
