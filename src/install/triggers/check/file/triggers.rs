//! What a file says wrong about its triggers: when and how often they run, and what they see.

use std::collections::BTreeMap;

use super::{Files, outside};
use crate::install::triggers::{
    check::problem::{Code, Problem},
    parts::Part,
    script::{Event, Kind, Level, Timing, Trigger},
};

impl Files<'_> {
    pub(super) fn trigger(&self, part: &Part<'_>, trigger: &Trigger) -> Vec<Problem> {
        let name = &trigger.name;
        let mut found = Vec::new();
        if trigger.timing != Timing::After {
            found.push(Problem::new(
                Code::Timing,
                format!("{name} runs before the write, which may still become another or none"),
                "say after",
            ));
        } else if trigger.level == Level::Row && !self.for_replication.contains(name.as_str()) {
            found.push(Problem::new(
                Code::RowLevel,
                format!("{name} runs once for each row"),
                "say for each statement, with transition tables; or, for a table that logical replication writes \
                 to, alter table … enable replica trigger …",
            ));
        } else if trigger
            .events
            .iter()
            .any(|event| matches!(event, Event::Update(of) if !of.is_empty()))
        {
            found.push(Problem::new(
                Code::UpdateOfColumns,
                format!(
                    "{name} looks at the columns that a statement names, not at those that change"
                ),
                "say update, without columns, and compare the values in the function",
            ));
        } else if trigger.level == Level::Statement {
            found.extend(without_rows(trigger));
        }
        if trigger.function.schema.as_deref() != Some("pgbell") {
            found.push(outside(&trigger.function));
        }
        let place = |problem: Problem| problem.on(part).about(trigger.table.plain());
        found.into_iter().map(place).collect()
    }

    /// Tables whose TRUNCATE is told to nobody. One that is only added to may have been meant so.
    pub(super) fn without_truncate(&self, parts: &[Part<'_>]) -> Vec<Problem> {
        let mut tables: BTreeMap<String, (&Part<'_>, bool, bool)> = BTreeMap::new();
        for part in parts {
            if let Kind::Trigger(trigger) = &part.statement.kind {
                let has = |wanted: fn(&Event) -> bool| trigger.events.iter().any(wanted);
                let entry = tables
                    .entry(trigger.table.plain())
                    .or_insert((part, false, false));
                entry.1 |= has(|event| matches!(event, Event::Update(_) | Event::Delete));
                entry.2 |= has(|event| *event == Event::Truncate);
            }
        }
        let problem = |(table, (part, ..)): (String, (&Part<'_>, bool, bool))| {
            Problem::new(
                Code::NoTruncate,
                "TRUNCATE is told to nobody",
                format!(
                    "add a trigger after truncate on {table}, which writes one row with id '*'"
                ),
            )
            .on(part)
            .about(table)
        };
        let lacking = tables
            .into_iter()
            .filter(|(_, (_, goes, has))| *goes && !has);
        lacking.map(problem).collect()
    }
}

fn without_rows(trigger: &Trigger) -> Option<Problem> {
    let needs_old = |event: &Event| matches!(event, Event::Update(_) | Event::Delete);
    let needs_new = |event: &Event| matches!(event, Event::Update(_) | Event::Insert);
    let lacks_old = trigger.old_table.is_none() && trigger.events.iter().any(needs_old);
    let lacks_new = trigger.new_table.is_none() && trigger.events.iter().any(needs_new);
    let lacking = match (lacks_old, lacks_new) {
        (false, false) => return None,
        (true, true) => "old table as old_rows new table as new_rows",
        (true, false) => "old table as old_rows",
        (false, true) => "new table as new_rows",
    };
    Some(Problem::new(
        Code::TransitionTables,
        format!("{} cannot tell which rows were written", trigger.name),
        format!("say referencing {lacking}"),
    ))
}
