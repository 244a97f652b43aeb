//! A report for people.

use serde::Deserialize;

use super::report::{Due, Message, Report, Statement, Timing};
use crate::cli::sub::{
    message,
    print::{change_text, notice, printable},
};

/// The whole report.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    section(&mut text, "files", files(report));
    section(&mut text, &changes_title(report), changes(report));
    section(&mut text, &messages_title(report), messages(report));
    section(&mut text, "frames", frames(report));
    section(&mut text, &moments_title(report), moments(report));
    section(
        &mut text,
        "time",
        report.statements.iter().flat_map(time).collect(),
    );
    section(&mut text, "notes", report.notes.clone());
    text.push_str("rolled back: nothing was changed, nobody was told\n");
    text
}

/// A title and its lines; nothing where there are none.
fn section(text: &mut String, title: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    text.push_str(title);
    text.push('\n');
    for line in lines {
        text.push_str("  ");
        text.push_str(&printable(&line));
        text.push('\n');
    }
    text.push('\n');
}

fn files(report: &Report) -> Vec<String> {
    let line = |file: &super::report::File| {
        let changed = match file.changed_functions.as_slice() {
            [] => "no function differs from the database".into(),
            names => format!("changes {}", names.join(", ")),
        };
        let locked = file.locked_for.iter();
        let locked = locked.map(|trigger| format!("; makes {trigger}, which locked the table"));
        format!("{}  {changed}{}", file.file, locked.collect::<String>())
    };
    report.files.iter().map(line).collect()
}

/// A row of the log, as far as it is as it should be.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Logged {
    entity: Option<String>,
    id: Option<String>,
    op: Option<String>,
    events: Option<Vec<Option<String>>>,
    rooms: Option<Vec<Option<String>>>,
    old: Option<serde_json::Value>,
    new: Option<serde_json::Value>,
    origin: Option<String>,
    what: Option<String>,
    due_at: Option<String>,
}

impl Logged {
    fn read(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }

    fn subject(&self) -> String {
        let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "?".into());
        format!("{} {}", name(&self.entity), name(&self.id))
    }

    fn events(&self) -> String {
        list(self.events.as_ref())
    }

    fn rooms(&self) -> String {
        match list(self.rooms.as_ref()) {
            none if none.is_empty() => "to nobody".into(),
            rooms => format!("to {rooms}"),
        }
    }
}

fn list(names: Option<&Vec<Option<String>>>) -> String {
    let names: Vec<_> = names.into_iter().flatten().flatten().cloned().collect();
    names.join(" ")
}

fn changes_title(report: &Report) -> String {
    match report.changes_in_all {
        1 => "1 change is logged".into(),
        number => format!(
            "{number} changes are logged{}",
            shown(report.changes.len(), number)
        ),
    }
}

fn shown(shown: usize, in_all: u64) -> String {
    match shown as u64 == in_all {
        true => String::new(),
        false => format!(", the first {shown} of them are"),
    }
}

fn changes(report: &Report) -> Vec<String> {
    let line = |row: &Box<serde_json::value::RawValue>| {
        let row = Logged::read(row.get());
        let value = |name: &str, value: &Option<serde_json::Value>| {
            value.as_ref().map(|value| format!("{name} {value}"))
        };
        let parts = [
            Some(row.subject()),
            Some(row.events()),
            row.op.clone(),
            value("old", &row.old),
            value("new", &row.new),
            row.origin.as_ref().map(|origin| format!("origin {origin}")),
            Some(row.rooms()),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
    };
    report.changes.iter().map(line).collect()
}

fn messages_title(report: &Report) -> String {
    match report.messages_in_all {
        0 => "nothing would be sent, because".into(),
        1 => "1 message would be sent".into(),
        number => format!(
            "{number} messages would be sent{}",
            shown(report.messages.len(), number as u64)
        ),
    }
}

fn messages(report: &Report) -> Vec<String> {
    let told = report.messages.iter().flat_map(told);
    report.nothing_because.iter().cloned().chain(told).collect()
}

/// As `pgbell sub` would print it.
fn told(message: &Message) -> Vec<String> {
    match serde_json::from_str(message.message.get()) {
        Ok(message::Message::Invalidate { room, changes, .. }) => {
            let lines = changes.iter().map(|change| change_text(&room, change));
            lines.collect()
        }
        Ok(other) => notice(&other).into_iter().collect(),
        Err(_) => vec![format!("{}  {}", message.to, message.message.get())],
    }
}

fn frames(report: &Report) -> Vec<String> {
    let line = |message: &Message| format!("{}  {}", message.to, message.message.get());
    report.messages.iter().map(line).collect()
}

fn moments_title(report: &Report) -> String {
    let more = if report.more_moments {
        "more than "
    } else {
        ""
    };
    let number = report.moments_in_all;
    let shown = shown(report.moments.len(), number as u64);
    format!("the schedule changes in {more}{number} moments{shown}")
}

fn moments(report: &Report) -> Vec<String> {
    let line = |due: &Due| {
        let row = Logged::read(due.row.get());
        let was = due
            .was_due_at
            .as_ref()
            .map(|was| format!("was due at {was}"));
        let parts = [
            row.due_at.clone(),
            Some(due.fate.to_owned()),
            Some(format!(
                "{} {}",
                row.subject(),
                row.what.clone().unwrap_or_default()
            )),
            Some(row.events()),
            Some(row.rooms()),
            was,
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
    };
    report.moments.iter().map(line).collect()
}

fn time(statement: &Statement) -> Vec<String> {
    let Some(timing) = &statement.timing else {
        return vec![format!("{:.1} ms until the server answered", statement.ms)];
    };
    let mut lines = vec![summary(timing)];
    let width = |name: fn(&super::report::Trigger) -> &str| {
        let lengths = timing
            .triggers
            .iter()
            .map(|trigger| name(trigger).chars().count());
        lengths.max().unwrap_or(0)
    };
    let (names, tables) = (
        width(|trigger| &trigger.name),
        width(|trigger| &trigger.table),
    );
    lines.extend(timing.triggers.iter().map(|trigger| {
        let name = trigger.constraint.as_ref().unwrap_or(&trigger.name);
        format!(
            "  {name:names$}  {:tables$}  {:>9.3} ms  called {} times",
            trigger.table, trigger.ms, trigger.calls
        )
    }));
    lines
}

fn summary(timing: &Timing) -> String {
    let Timing {
        execution_ms,
        rows,
        pgbell_ms,
        ..
    } = timing;
    let each = timing.pgbell_ms_per_row;
    let each = each.map_or(String::new(), |each| {
        format!(", {:.1} µs for each of {rows} rows", each * 1000.0)
    });
    format!(
        "{execution_ms:.1} ms in the server, {pgbell_ms:.1} ms of it in triggers of pgbell{each}"
    )
}
