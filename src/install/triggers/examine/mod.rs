//! Compares trigger files with what is installed, by content.
//!
//! The server itself says what a file means: its functions are made and taken back, its triggers
//! attached to copies of their tables. No business table is locked beyond ACCESS SHARE, and nothing
//! is changed. What comes out is in the order of the files, with the SQL that would mend each
//! difference: `diff` shows it, `apply` runs it.

mod compare;
mod functions;
mod probe;
mod triggers;

use std::collections::BTreeMap;

use sqlx::PgConnection;

use super::{
    finding::{Finding, State, Subject, text_diff},
    installed,
    manners::prepare,
    parts::Part,
    savepoint::Savepoint,
    script::{Fires, Kind, Name},
    table::Table,
};
use crate::install::{Error, query::run};
use compare::{differences, finding, gist};
use functions::Functions;
use probe::probe;
use triggers::Watched;

/// Compares, and leaves the transaction as it was. If `probes`, the triggers are tried as well, also
/// those that are the same: their table may have changed under them.
pub(super) async fn examine(
    connection: &mut PgConnection,
    parts: &[Part<'_>],
    probes: bool,
) -> Result<Vec<Finding>, Error> {
    let functions = Functions::compare(connection, parts).await?;
    let savepoint = Savepoint::set(connection).await?;
    prepare(connection).await?;
    let mut examiner = Examiner {
        connection,
        parts,
        functions,
        firings: BTreeMap::new(),
        tables: BTreeMap::new(),
        findings: Vec::new(),
    };
    examiner.read_firings().await?;
    for part in parts {
        examiner.part(part).await?;
    }
    if probes {
        for watched in examiner.tables.values() {
            probe(examiner.connection, &watched.shadow, parts).await?;
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

struct Examiner<'c, 'p> {
    connection: &'c mut PgConnection,
    parts: &'p [Part<'p>],
    functions: Functions,
    /// What the files say about who fires a trigger, by table and trigger.
    firings: BTreeMap<(u32, String), Fires>,
    tables: BTreeMap<u32, Watched>,
    findings: Vec<Finding>,
}

impl Examiner<'_, '_> {
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
