//! A report for people.

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::report::{Due, Message, Report, Statement, Timing, Trigger};
use crate::{
    cli::{
        output::counted,
        sub::{
            message,
            print::{Shown, change_text, columns, notice, printable},
        },
    },
    install::triggers::trace::Tried,
};

/// The whole report.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    section(&mut text, "files", files(report));
    section(&mut text, &changes_title(report), changes(report));
    section(&mut text, &messages_title(report), messages(report));
    section(&mut text, "frames", frames(report));
    section(&mut text, &moments_title(report), moments(report));
    section(&mut text, "time", time(&report.statements));
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
    report.files.iter().flat_map(file).collect()
}

/// What was done for a file, line by line.
fn file(file: &Tried) -> Vec<String> {
    let done = [
        (&file.functions, "function", ""),
        (&file.triggers, "trigger", ", which locked the table"),
        (&file.statements, "ran", ""),
    ];
    let of = |(names, what, effect): (&Vec<String>, &'static str, &'static str)| {
        let line = move |name: &String| format!("  {what} {name}{effect}");
        names.iter().map(line).collect::<Vec<_>>()
    };
    let mut lines: Vec<_> = done.into_iter().flat_map(of).collect();
    let title = match lines.is_empty() {
        true => format!("{}  nothing differs from the database", file.file),
        false => file.file.clone(),
    };
    lines.insert(0, title);
    lines
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
    old: Option<Box<RawValue>>,
    new: Option<Box<RawValue>>,
    origin: Option<String>,
    what: Option<String>,
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
    let number = report.changes_in_all;
    let logged = counted(number, "change");
    format!("{logged} in the log{}", first(report.changes.len(), number))
}

/// Where not all are shown.
fn first(shown: usize, in_all: u64) -> String {
    match shown as u64 == in_all {
        true => String::new(),
        false => format!(", of which these are the first {shown}"),
    }
}

fn changes(report: &Report) -> Vec<String> {
    let line = |row: &RawValue| {
        let row = Logged::read(row.get());
        let mut parts = vec![row.subject(), row.events()];
        parts.extend(row.op.clone());
        parts.extend(columns(
            &shown(row.old.as_deref()),
            &shown(row.new.as_deref()),
        ));
        parts.extend(row.origin.as_ref().map(|origin| format!("origin {origin}")));
        parts.push(row.rooms());
        parts.join("  ")
    };
    report.changes.iter().map(|row| line(row)).collect()
}

/// Numbers as they were written: `10.50` is not `10.5`.
fn shown(columns: Option<&RawValue>) -> Shown {
    let columns = columns.map(|columns| serde_json::from_str(columns.get()));
    let columns: IndexMap<String, Box<RawValue>> = columns.and_then(Result::ok).unwrap_or_default();
    let bare = |value: &RawValue| {
        let text = serde_json::from_str::<String>(value.get());
        text.unwrap_or_else(|_| value.get().to_owned())
    };
    let columns = columns.into_iter();
    columns
        .map(|(column, value)| (column, bare(&value)))
        .collect()
}

fn messages_title(report: &Report) -> String {
    match report.messages_in_all {
        0 => "nothing would be sent, because".into(),
        number => {
            let (number, shown) = (number as u64, report.messages.len());
            let messages = counted(number, "message");
            format!("{messages} would be sent{}", first(shown, number))
        }
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
    let number = report.moments_in_all as u64;
    let first = first(report.moments.len(), number);
    format!("{more}{} in the schedule{first}", counted(number, "change"))
}

fn moments(report: &Report) -> Vec<String> {
    let line = |due: &Due| {
        let row = Logged::read(due.row.get());
        let was = due
            .was_due_at
            .as_ref()
            .map(|was| format!("was due at {was}"));
        let parts = [
            Some(due.due_at.clone()),
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

fn time(statements: &[Statement]) -> Vec<String> {
    let is_alone = statements.len() == 1;
    let of = |statement: &Statement| {
        let mut lines = statement_time(statement);
        if !is_alone {
            lines.iter_mut().for_each(|line| line.insert_str(0, "  "));
            lines.insert(0, beginning(&statement.sql));
        }
        lines
    };
    statements.iter().flat_map(of).collect()
}

/// Enough of a statement to know it again.
fn beginning(sql: &str) -> String {
    const MOST: usize = 80;
    let flat = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    match flat.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} …", &flat[..end]),
        None => flat,
    }
}

fn statement_time(statement: &Statement) -> Vec<String> {
    let Some(timing) = &statement.timing else {
        return vec![format!("{:.1} ms until the server answered", statement.ms)];
    };
    let width = |name: fn(&Trigger) -> &str| {
        let lengths = timing
            .triggers
            .iter()
            .map(|trigger| name(trigger).chars().count());
        lengths.max().unwrap_or(0)
    };
    let (names, tables) = (width(Trigger::title), width(|trigger| &trigger.table));
    let of = |trigger: &Trigger| {
        format!(
            "  {:names$}  {:tables$}  {:>9.3} ms in {}",
            trigger.title(),
            trigger.table,
            trigger.ms,
            counted(trigger.calls, "call")
        )
    };
    let triggers = timing.triggers.iter().map(of);
    std::iter::once(summary(timing)).chain(triggers).collect()
}

fn summary(timing: &Timing) -> String {
    let each = timing.pgbell_ms_per_row.map(|each| each * 1000.0);
    let each = each.map_or(String::new(), |each| {
        format!(", {each:.1} µs a row for {}", counted(timing.rows, "row"))
    });
    format!(
        "{:.1} ms in the server, {:.1} ms of it in triggers of pgbell{each}",
        timing.execution_ms, timing.pgbell_ms
    )
}
