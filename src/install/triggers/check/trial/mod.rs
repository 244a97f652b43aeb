//! Has the server say what is wrong: statements are run and taken back, triggers tried on copies.

mod log;
mod plpgsql;
mod probe;

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, postgres::PgErrorPosition};

use super::{
    Report,
    problem::{Code, Problem},
    size,
};
use crate::{
    catalogue::Catalogue,
    install::{
        Error,
        error::{reason, server_error},
        query::run,
        triggers::{
            parts::Part,
            rounds::UNDEFINED_COLUMN,
            savepoint::Savepoint,
            script::{Kind, Trigger},
            shadow::Shadow,
            table::Table,
        },
    },
};

const SYNTAX_ERROR: &str = "42601";
const UNDEFINED_TABLE: &str = "42P01";

/// Tries the statements, and leaves the transaction as it was.
pub(super) async fn check(
    connection: &mut PgConnection,
    parts: &[Part<'_>],
    catalogue: &Catalogue,
    report: &mut Report,
) -> Result<(), Error> {
    let savepoint = Savepoint::set(connection).await?;
    let mut trial = Trial {
        connection,
        parts,
        catalogue,
        report,
        broken: BTreeSet::new(),
        tables: BTreeMap::new(),
    };
    trial.run_all().await?;
    let Trial { connection, .. } = trial;
    savepoint.roll_back(connection).await
}

struct Watched<'p> {
    shadow: Shadow,
    /// As the file names it.
    name: String,
    triggers: Vec<(&'p Part<'p>, &'p Trigger)>,
}

struct Trial<'c, 'p> {
    connection: &'c mut PgConnection,
    parts: &'p [Part<'p>],
    catalogue: &'p Catalogue,
    report: &'c mut Report,
    /// Functions that the server would not make.
    broken: BTreeSet<String>,
    tables: BTreeMap<u32, Watched<'p>>,
}

impl<'p> Trial<'_, 'p> {
    async fn run_all(&mut self) -> Result<(), Error> {
        for part in self.parts {
            match &part.statement.kind {
                Kind::Function(function) => {
                    let is_made = self.make(part).await?;
                    self.broken
                        .extend((!is_made).then(|| function.name.name.clone()));
                }
                Kind::Catalogue if !self.is_about_broken(part) => drop(self.make(part).await?),
                Kind::Other if part.is_ground() => drop(self.make(part).await?),
                _ => {}
            }
        }
        for part in self.parts {
            if let Kind::Trigger(trigger) = &part.statement.kind {
                self.attach(part, trigger).await?;
            }
        }
        for watched in std::mem::take(&mut self.tables).values() {
            self.probe(watched).await?;
            size::check(
                self.connection,
                self.parts,
                &watched.shadow,
                &watched.name,
                self.report,
            )
            .await?;
            self.plpgsql_check(watched).await?;
        }
        Ok(())
    }

    /// Whether the statement has an error already, which the server would only repeat.
    fn is_known(&self, part: &Part<'_>) -> bool {
        let (file, line) = (part.file.name(), part.statement.line);
        let at =
            |problem: &Problem| problem.file.as_deref() == Some(file) && problem.line == Some(line);
        self.report.problems.iter().any(at)
    }

    fn is_about_broken(&self, part: &Part<'_>) -> bool {
        let mut broken = self.broken.iter();
        broken.any(|function| part.statement.text.contains(function.as_str()))
    }

    /// Runs a statement, and takes it back if the server does not like it.
    async fn make(&mut self, part: &Part<'_>) -> Result<bool, Error> {
        let savepoint = Savepoint::set(self.connection).await?;
        match run(self.connection, part.statement.text).await {
            Ok(()) => savepoint.keep(self.connection).await.map(|()| true),
            Err(source) => {
                savepoint.roll_back(self.connection).await?;
                self.refused(part, &source)?;
                Ok(false)
            }
        }
    }

    fn refused(&mut self, part: &Part<'_>, source: &sqlx::Error) -> Result<(), Error> {
        let Some(error) = server_error(source) else {
            return Err(Error::statement("check", source));
        };
        let (code, mend) = match error.code() {
            SYNTAX_ERROR => (Code::Syntax, "mend the statement at this place".to_owned()),
            UNDEFINED_COLUMN => (
                Code::MissingColumn,
                "name a column that is there".to_owned(),
            ),
            UNDEFINED_TABLE => (
                Code::MissingTable,
                "name a table that is there, with its schema".to_owned(),
            ),
            _ => (
                Code::Refused,
                "mend the statement, or ask who may run it".to_owned(),
            ),
        };
        let statement = &part.statement;
        let line = match error.position() {
            Some(PgErrorPosition::Original(position)) => {
                let before = statement.text.chars().take(position.saturating_sub(1));
                statement.line_of(before.map(char::len_utf8).sum())
            }
            _ => statement.line,
        };
        self.report
            .problems
            .push(Problem::new(code, reason(error), mend).at(part.file.name(), line));
        Ok(())
    }

    async fn attach(&mut self, part: &'p Part<'p>, trigger: &'p Trigger) -> Result<(), Error> {
        let name = trigger.table.plain();
        let savepoint = Savepoint::set(self.connection).await?;
        let found = Table::find(self.connection, &trigger.table).await;
        let failed = |source| Error::statement(&format!("look at {name}"), &source);
        let Some(table) = found.map_err(failed)? else {
            savepoint.keep(self.connection).await?;
            let problem = Problem::new(
                Code::MissingTable,
                format!("there is no table {name}"),
                "name a table that is there, with its schema",
            );
            self.report.problems.push(problem.on(part).about(name));
            return Ok(());
        };
        savepoint.keep(self.connection).await?;
        let oid = table.oid.0;
        if !self.tables.contains_key(&oid) {
            let shadow = Shadow::of(self.connection, &table).await.map_err(failed)?;
            let triggers = Vec::new();
            let name = name.clone();
            self.tables.insert(
                oid,
                Watched {
                    shadow,
                    name,
                    triggers,
                },
            );
        }
        if self.broken.contains(&trigger.function.name) || self.is_known(part) {
            return Ok(());
        }
        let Some(watched) = self.tables.get_mut(&oid) else {
            return Ok(());
        };
        let savepoint = Savepoint::set(self.connection).await?;
        match watched
            .shadow
            .attach(self.connection, &part.statement, trigger)
            .await
        {
            Ok(_) => {
                watched.triggers.push((part, trigger));
                savepoint.keep(self.connection).await
            }
            Err(source) => {
                savepoint.roll_back(self.connection).await?;
                self.refused(part, &source)
            }
        }
    }
}
