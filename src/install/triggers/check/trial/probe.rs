//! Writes to a copy, to see which of its triggers fail.

use sqlx::postgres::PgDatabaseError;

use super::{Trial, Watched};
use crate::install::{
    Error,
    error::{missing_grant, reason_in_function, server_error},
    query::run,
    triggers::{
        check::{
            many,
            problem::{Code, Problem},
        },
        locate::{self, Located},
        parts::Part,
        rounds::{Round, UNDEFINED_COLUMN, rounds},
        savepoint::Savepoint,
        script::{Fires, Trigger},
        shadow::has_rows,
    },
};

impl Trial<'_, '_> {
    /// With no row, with a few, and with a few that are taken for very many. A trigger that fails is
    /// taken off, so that the others are tried, too.
    pub(super) async fn probe(&mut self, watched: &Watched<'_>) -> Result<(), Error> {
        let shadow = &watched.shadow;
        let failed = |source| Error::statement(&format!("look at {}", watched.name), &source);
        let savepoint = Savepoint::set(self.connection).await?;
        let rows = has_rows(self.connection, &shadow.of).await;
        savepoint.roll_back(self.connection).await?;
        let rows = match rows {
            Ok(rows) => rows,
            Err(source) if server_error(&source).is_some() => {
                let note = format!(
                    "{}: its rows cannot be read, so triggers were tried without any",
                    watched.name
                );
                self.report.unchecked.push(note);
                false
            }
            Err(source) => return Err(failed(source)),
        };
        for round in rounds(shadow, rows) {
            for _ in 0..=watched.triggers.len() {
                let savepoint = Savepoint::set(self.connection).await?;
                let outcome = round.run(self.connection).await;
                if outcome.is_ok() && round.is_real {
                    self.read_log(watched).await?;
                }
                savepoint.roll_back(self.connection).await?;
                let Err((statement, source)) = outcome else {
                    break;
                };
                if !self.failed(watched, &round, statement, &source).await? {
                    break;
                }
            }
        }
        if rows {
            self.many(watched).await?;
        }
        Ok(())
    }

    /// Whether many rows tell whom single ones tell.
    async fn many(&mut self, watched: &Watched<'_>) -> Result<(), Error> {
        for (verb, problem) in many::check(self.connection, &watched.shadow).await? {
            let fires = |(_, trigger): &&(&Part<'_>, &Trigger)| {
                trigger.events.iter().any(|event| event.verb() == verb)
            };
            let Some((part, _)) = watched.triggers.iter().find(fires) else {
                continue;
            };
            let problem = problem.on(part).about(&watched.name);
            self.report.problems.push(problem);
        }
        Ok(())
    }

    /// Whether it is worth another try.
    async fn failed(
        &mut self,
        watched: &Watched<'_>,
        round: &Round,
        statement: &str,
        source: &sqlx::Error,
    ) -> Result<bool, Error> {
        let Some(error) = server_error(source) else {
            return Err(Error::statement("check", source));
        };
        let counts = round.counts(error.code());
        let Some(Located {
            file,
            line,
            function,
        }) = locate::in_function(self.parts, error)
        else {
            if counts {
                self.report
                    .problems
                    .push(would_fail(watched, statement, error));
            }
            return Ok(false);
        };
        if counts {
            let is_here = |problem: &Problem| {
                problem.file.as_deref() == Some(file) && problem.line == Some(line)
            };
            if !self.report.problems.iter().any(is_here) {
                self.report
                    .problems
                    .push(would_fail(watched, statement, error).at(file, line));
            }
        }
        let guilty = watched
            .triggers
            .iter()
            .filter(|(_, trigger)| trigger.function.name == function);
        let mut is_off = false;
        for (_, trigger) in guilty {
            let off = Fires::Never.statement(&watched.shadow.name, &trigger.name);
            run(self.connection, &off)
                .await
                .map_err(|source| Error::statement("check", &source))?;
            is_off = true;
        }
        Ok(is_off)
    }
}

fn would_fail(watched: &Watched<'_>, statement: &str, error: &PgDatabaseError) -> Problem {
    let verb = statement.split(' ').next().unwrap_or_default();
    let (code, mend) = match error.code() {
        UNDEFINED_COLUMN => {
            let columns = watched.shadow.columns().join(", ");
            (
                Code::MissingColumn,
                format!("{} has {columns}", watched.name),
            )
        }
        _ => (
            Code::WouldFail,
            missing_grant(error).unwrap_or_else(|| {
                "mend it before applying: each such write would fail".to_owned()
            }),
        ),
    };
    let reason = reason_in_function(error);
    Problem::new(code, format!("{verb} fails: {reason}"), mend).about(&watched.name)
}
