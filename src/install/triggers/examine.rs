//! Compares trigger files with what is installed, by content.
//!
//! The server itself says what a file means: its functions are made and taken back, its triggers
//! attached to copies of their tables. No business table is locked beyond ACCESS SHARE, and nothing
//! is changed. What comes out is in the order of the files, with the SQL that would mend each
//! difference: `diff` shows it, `apply` runs it.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use super::{
    compare::{compare_trigger, differences, finding, gist},
    finding::{Finding, State, Subject, text_diff},
    functions::Functions,
    installed::{self, InstalledTrigger},
    parts::{Part, parts},
    probe::probe,
    savepoint::Savepoint,
    script::{Firing, Kind, Level, Name, Trigger},
    shadow::{Shadow, run},
    table::Table,
};
use crate::install::{Error, SqlFile};

/// What a look at the files may do to the database's patience.
pub(super) const MANNERS: &str = "set local statement_timeout = '10s'; set local pgbell.enabled = 'on'; \
                       set local client_min_messages = 'error'";

/// Compares, and leaves the transaction as it was. If `probes`, the triggers are tried as well, also
/// those that are the same: their table may have changed under them.
pub(super) async fn examine(
    connection: &mut PgConnection,
    files: &[SqlFile],
    probes: bool,
) -> Result<Vec<Finding>, Error> {
    let parts = parts(files)?;
    let functions = Functions::compare(connection, &parts).await?;
    let savepoint = Savepoint::set(connection).await?;
    prepare(connection).await?;
    let mut examiner = Examiner {
        connection,
        parts: &parts,
        functions,
        firings: BTreeMap::new(),
        tables: BTreeMap::new(),
        findings: Vec::new(),
    };
    examiner.read_firings().await?;
    for part in &parts {
        examiner.part(part).await?;
    }
    if probes {
        for watched in examiner.tables.values() {
            probe(examiner.connection, &watched.shadow, &parts).await?;
        }
    }
    examiner.extras();
    let Examiner {
        connection,
        findings,
        ..
    } = examiner;
    savepoint.roll_back(connection).await?;
    Ok(findings)
}

pub(super) async fn prepare(connection: &mut PgConnection) -> Result<(), Error> {
    let outcome = run(connection, MANNERS).await;
    outcome.map_err(|source| Error::statement("prepare to look", &source))
}

/// A table that the files watch.
struct Watched {
    shadow: Shadow,
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

struct Examiner<'c, 'p> {
    connection: &'c mut PgConnection,
    parts: &'p [Part<'p>],
    functions: Functions,
    /// What the files say about who fires a trigger, by table and trigger.
    firings: BTreeMap<(u32, String), char>,
    tables: BTreeMap<u32, Watched>,
    findings: Vec<Finding>,
}

impl Examiner<'_, '_> {
    async fn read_firings(&mut self) -> Result<(), Error> {
        for part in self.parts {
            if let Kind::Firing(firing) = &part.statement.kind {
                let table = self.find(part, &firing.table).await?;
                let key = (table.oid.0, firing.trigger.clone());
                self.firings.insert(key, firing.fires.code());
            }
        }
        Ok(())
    }

    async fn part(&mut self, part: &Part<'_>) -> Result<(), Error> {
        match &part.statement.kind {
            Kind::Function(_) => self.function(part).await,
            Kind::Trigger(trigger) => self.trigger(part, trigger).await,
            Kind::Firing(firing) => self.firing(part, firing).await,
            Kind::Catalogue => self.catalogue(part).await,
            Kind::Transaction | Kind::Other => {
                if part.is_ground() {
                    self.run(part).await?;
                }
                let sql = part.statement.text.to_owned();
                self.push(
                    part,
                    Subject::Statement,
                    gist(&sql),
                    State::Unknown,
                    vec![sql],
                );
                Ok(())
            }
        }
    }

    async fn function(&mut self, part: &Part<'_>) -> Result<(), Error> {
        let Functions {
            before,
            after,
            made,
        } = &self.functions;
        let Some(name) = made.get(&part.place()).cloned() else {
            return Ok(());
        };
        let (old, new) = (before.get(&name).cloned(), after.get(&name).cloned());
        let text = part.statement.text.to_owned();
        let (state, notes, diff, sql) = match (old, new) {
            (Some(old), Some(new)) if old == new => (State::Same, vec![], None, vec![]),
            (Some(old), Some(new)) => {
                let diff = (old.definition != new.definition)
                    .then(|| text_diff(&old.definition, &new.definition, part.file.name()));
                let sql = diff.iter().map(|_| text.clone()).collect();
                (State::Changed, differences(&old, &new), diff, sql)
            }
            _ => (State::Missing, vec![], None, vec![text]),
        };
        if !sql.is_empty() {
            self.run(part).await?;
        }
        let finding = self.push(part, Subject::Function, name, state, sql);
        finding.notes = notes;
        finding.diff = diff;
        Ok(())
    }

    async fn trigger(&mut self, part: &Part<'_>, trigger: &Trigger) -> Result<(), Error> {
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
    async fn firing(&mut self, part: &Part<'_>, firing: &Firing) -> Result<(), Error> {
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
                let now = installed.map_or("O", |one| one.enabled.as_str());
                if now != "D" && now != firing.fires.code().to_string() {
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

    /// Rights, owners and comments: kept in the list only where they change anything.
    async fn catalogue(&mut self, part: &Part<'_>) -> Result<(), Error> {
        let failed = |source| Error::statement("read the rights", &source);
        let savepoint = Savepoint::set(self.connection).await?;
        let before = installed::fingerprint(self.connection)
            .await
            .map_err(failed)?;
        self.run(part).await?;
        let after = installed::fingerprint(self.connection)
            .await
            .map_err(failed)?;
        if before == after {
            return savepoint.roll_back(self.connection).await;
        }
        savepoint.keep(self.connection).await?;
        let sql = part.statement.text.to_owned();
        self.push(
            part,
            Subject::Statement,
            gist(&sql),
            State::Missing,
            vec![sql],
        );
        Ok(())
    }

    /// What is on the watched tables and no file mentions.
    fn extras(&mut self) {
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

    async fn find(&mut self, part: &Part<'_>, name: &Name) -> Result<Table, Error> {
        let found = Table::find(self.connection, name).await;
        let found = found.map_err(|source| part.refused(&source))?;
        found.ok_or_else(|| Error::Unknown {
            at: part.place(),
            what: format!("there is no table {name}"),
            mend: "create it first, or name a table of this database with its schema".to_owned(),
        })
    }

    async fn run(&mut self, part: &Part<'_>) -> Result<(), Error> {
        let outcome = run(self.connection, part.statement.text).await;
        outcome.map_err(|source| part.refused(&source))
    }

    fn push(
        &mut self,
        part: &Part<'_>,
        subject: Subject,
        name: String,
        state: State,
        sql: Vec<String>,
    ) -> &mut Finding {
        self.findings.push(finding(part, subject, name, state, sql));
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }
}
