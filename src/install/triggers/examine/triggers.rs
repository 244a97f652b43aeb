//! The triggers of the files, those that are installed, and what only the database has.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::{
    Examiner,
    compare::{compare_trigger, gist},
};
use crate::install::{
    Error,
    triggers::{
        finding::{Finding, State, Subject},
        installed::{self, InstalledTrigger},
        parts::Part,
        script::{Fires, Firing, Kind, Level, Trigger},
        shadow::Shadow,
        table::Table,
    },
};

/// A table that the files watch.
pub(super) struct Watched {
    pub(super) shadow: Shadow,
    /// The table, then its children, each with the triggers it has.
    tree: Vec<(Table, Vec<InstalledTrigger>)>,
    /// The triggers that the files mention, by table.
    mentioned: BTreeSet<(u32, String)>,
}

impl Watched {
    async fn read(connection: &mut PgConnection, table: &Table) -> Result<Self, sqlx::Error> {
        let mut tree = Vec::new();
        for member in installed::tree(connection, table).await? {
            let triggers = installed::triggers(connection, member.oid).await?;
            tree.push((member, triggers));
        }
        Ok(Self {
            shadow: Shadow::of(connection, table).await?,
            tree,
            mentioned: BTreeSet::new(),
        })
    }
}

impl Examiner<'_, '_> {
    pub(super) async fn read_firings(&mut self) -> Result<(), Error> {
        for part in self.parts {
            if let Kind::Firing(firing) = &part.statement.kind {
                let table = self.find(part, &firing.table).await?;
                let key = (table.oid.0, firing.trigger.clone());
                self.firings.insert(key, firing.fires);
            }
        }
        Ok(())
    }

    pub(super) async fn trigger(
        &mut self,
        part: &Part<'_>,
        trigger: &Trigger,
    ) -> Result<(), Error> {
        let table = self.find(part, &trigger.table).await?;
        if !self.tables.contains_key(&table.oid.0) {
            let watched = Watched::read(self.connection, &table).await;
            let failed = |source| Error::statement(&format!("look at {}", table.name), &source);
            self.tables.insert(table.oid.0, watched.map_err(failed)?);
        }
        let connection = &mut *self.connection;
        let Some(watched) = self.tables.get_mut(&table.oid.0) else {
            return Ok(());
        };
        let wanted = watched
            .shadow
            .attach(connection, &part.statement, trigger)
            .await;
        let wanted = wanted.map_err(|source| part.refused(&source))?;
        let mut found = Vec::new();
        for (member, installed) in &watched.tree {
            // Postgres itself gives the row triggers of a table to its partitions.
            if member.oid != table.oid && member.is_partition && trigger.level == Level::Row {
                continue;
            }
            watched
                .mentioned
                .insert((member.oid.0, trigger.name.clone()));
            let installed = installed.iter().find(|one| one.name == trigger.name);
            let says = self
                .firings
                .get(&(table.oid.0, trigger.name.clone()))
                .copied();
            found.push(compare_trigger(
                part, trigger, member, installed, &wanted, says,
            ));
        }
        self.findings.extend(found);
        Ok(())
    }

    /// Who fires a trigger: for the table and its children, as far as it is not so already.
    pub(super) async fn firing(&mut self, part: &Part<'_>, firing: &Firing) -> Result<(), Error> {
        let table = self.find(part, &firing.table).await?;
        let text = part.statement.text;
        let (mut changes, mut locks) = (Vec::new(), Vec::new());
        let mut is_mentioned = false;
        if let Some(watched) = self.tables.get(&table.oid.0) {
            for (member, installed) in &watched.tree {
                let key = (member.oid.0, firing.trigger.clone());
                if !watched.mentioned.contains(&key) {
                    continue;
                }
                is_mentioned = true;
                let installed = installed.iter().find(|one| one.name == firing.trigger);
                let now = installed.map_or(Fires::Origin, |one| one.fires);
                if now != Fires::Never && now != firing.fires {
                    changes.push(part.statement.with(&firing.table_span, &member.name));
                    locks.push(member.name.clone());
                }
            }
        }
        if !is_mentioned {
            self.push(
                part,
                Subject::Statement,
                gist(text),
                State::Unknown,
                vec![text.to_owned()],
            );
        } else if !changes.is_empty() {
            self.push(
                part,
                Subject::Statement,
                gist(text),
                State::Missing,
                changes,
            )
            .locks = locks;
        }
        Ok(())
    }

    /// What is on the watched tables and no file mentions.
    pub(super) fn extras(&mut self) {
        let made: BTreeSet<_> = self.functions.made.values().collect();
        let mut functions = BTreeSet::new();
        for watched in self.tables.values() {
            for (table, installed) in &watched.tree {
                for trigger in installed {
                    let key = (table.oid.0, trigger.name.clone());
                    if !trigger.is_ours || watched.mentioned.contains(&key) {
                        continue;
                    }
                    let name = format!("{} on {}", trigger.name, table.name);
                    let note = format!(
                        "calls {}; none of these files mentions it",
                        trigger.function
                    );
                    self.findings
                        .push(Finding::extra(Subject::Trigger, name, note));
                    if !made.contains(&trigger.function) {
                        functions.insert(trigger.function.clone());
                    }
                }
            }
        }
        for name in functions {
            let note = "none of these files mentions it".to_owned();
            self.findings
                .push(Finding::extra(Subject::Function, name, note));
        }
    }
}
