//! What the files want to be installed, and how what is installed falls short of it.

use std::collections::BTreeMap;

use sqlx::{PgConnection, postgres::types::Oid};

use super::{
    installed::Installed,
    problem::{Code, Problem},
};
use crate::install::{
    Error,
    triggers::{
        parts::Part,
        script::{Fires, Kind, Trigger},
        table::Table,
    },
};

/// What the files want to be installed.
pub(super) struct Wanted<'p> {
    /// By table.
    pub(super) tables: BTreeMap<u32, Vec<(&'p Part<'p>, &'p Trigger)>>,
    /// Who fires a trigger, by table and name.
    fires: BTreeMap<(u32, &'p str), Fires>,
}

impl<'p> Wanted<'p> {
    pub(super) async fn of(
        connection: &mut PgConnection,
        parts: &'p [Part<'p>],
    ) -> Result<Self, Error> {
        let mut wanted = Self {
            tables: BTreeMap::new(),
            fires: BTreeMap::new(),
        };
        for part in parts {
            let name = match &part.statement.kind {
                Kind::Trigger(trigger) => &trigger.table,
                Kind::Firing(firing) => &firing.table,
                _ => continue,
            };
            let table = Table::find(connection, name).await;
            let failed = |source| Error::statement(&format!("look for {name}"), &source);
            let Some(table) = table.map_err(failed)? else {
                continue;
            };
            match &part.statement.kind {
                Kind::Trigger(trigger) => wanted
                    .tables
                    .entry(table.oid.0)
                    .or_default()
                    .push((part, trigger)),
                Kind::Firing(firing) => {
                    wanted
                        .fires
                        .insert((table.oid.0, &firing.trigger), firing.fires);
                }
                _ => {}
            }
        }
        Ok(wanted)
    }

    pub(super) fn place(&self, table: Oid, trigger: &str) -> Option<&'p Part<'p>> {
        let triggers = self.tables.get(&table.0)?;
        triggers
            .iter()
            .find(|(_, one)| one.name == trigger)
            .map(|(part, _)| *part)
    }

    /// Whether a trigger fires when it should.
    pub(super) fn state(&self, one: &Installed) -> Option<Problem> {
        let Installed {
            table_name: table,
            name,
            ..
        } = one;
        let said = self.fires.get(&(one.table.0, name.as_str())).copied();
        let wanted = said.unwrap_or(Fires::Origin);
        let is_foreign = self.place(one.table, name).is_none();
        if one.fires == wanted || is_foreign && one.fires != Fires::Never {
            return None;
        }
        let problem = match one.fires {
            Fires::Never => Problem::new(
                Code::DisabledTrigger,
                format!("{name} is disabled: changes are told to nobody"),
                Fires::Origin.statement(table, name),
            ),
            now => Problem::new(
                Code::TriggerState,
                format!(
                    "{name} fires in {}, by the file in {}",
                    sessions(now),
                    sessions(wanted)
                ),
                wanted.statement(table, name),
            ),
        };
        Some(self.at(problem, one.table, name).about(table))
    }

    pub(super) fn at(&self, problem: Problem, table: Oid, trigger: &str) -> Problem {
        match self.place(table, trigger) {
            Some(part) => problem.on(part),
            None => problem,
        }
    }

    /// Triggers of the files that are not there; each file is applied on its own.
    pub(super) fn missing(&self, installed: &[&Installed]) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut files: BTreeMap<(u32, &str), Vec<(&Part<'_>, &Trigger)>> = BTreeMap::new();
        for (table, triggers) in &self.tables {
            for (part, trigger) in triggers {
                let file = files.entry((*table, part.file.name())).or_default();
                file.push((part, trigger));
            }
        }
        for ((table, _), triggers) in &files {
            let is_there = |name: &str| {
                installed
                    .iter()
                    .any(|one| one.table.0 == *table && one.name == name)
            };
            let missing: Vec<_> = triggers
                .iter()
                .filter(|(_, trigger)| !is_there(&trigger.name))
                .collect();
            let problem = |code, message: String, (part, trigger): &(&Part<'_>, &Trigger)| {
                let mend = format!("pgbell triggers apply {}", part.file.name());
                let problem = Problem::new(code, message, mend);
                problem.on(part).about(trigger.table.plain())
            };
            match missing.first() {
                Some(first) if missing.len() == triggers.len() => {
                    let message = "none of its triggers is installed".to_owned();
                    found.push(problem(Code::NotApplied, message, first));
                }
                _ => found.extend(missing.iter().map(|one| {
                    let message = format!("{} is not installed", one.1.name);
                    problem(Code::MissingTrigger, message, one)
                })),
            }
        }
        found
    }
}

fn sessions(fires: Fires) -> &'static str {
    match fires {
        Fires::Origin => "ordinary sessions only",
        Fires::Replica => "sessions that apply replicated changes only",
        Fires::Always => "every session",
        Fires::Never => "no session",
    }
}
