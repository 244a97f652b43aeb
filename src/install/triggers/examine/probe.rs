//! Runs triggers on a copy of their table before any write of the table does.

use sqlx::PgConnection;

use crate::install::{
    Error,
    error::{missing_grant, reason_in_function, server_error},
    triggers::{
        locate::{self, Located},
        parts::Part,
        rounds::{UNDEFINED_COLUMN, rounds},
        savepoint::Savepoint,
        shadow::{Shadow, has_rows},
    },
};

const TIMED_OUT: &str = "57014";

/// Runs inserts, updates, deletes and a truncate, and refuses what would fail for writers.
pub(super) async fn probe(
    connection: &mut PgConnection,
    shadow: &Shadow,
    parts: &[Part<'_>],
) -> Result<(), Error> {
    let failed = |source| Error::statement(&format!("look at {}", shadow.of.name), &source);
    if shadow.columns().is_empty() {
        return Ok(());
    }
    let has_rows = has_rows(connection, &shadow.of).await.map_err(failed)?;
    for round in rounds(shadow, has_rows) {
        let savepoint = Savepoint::set(connection).await?;
        let outcome = round.run(connection).await;
        savepoint.roll_back(connection).await?;
        let Err((statement, source)) = outcome else {
            continue;
        };
        let Some(error) = server_error(&source) else {
            return Err(failed(source));
        };
        if round.counts(error.code()) {
            return Err(complaint(statement, &source, shadow, parts));
        }
    }
    Ok(())
}

fn complaint(statement: &str, source: &sqlx::Error, shadow: &Shadow, parts: &[Part<'_>]) -> Error {
    let table = &shadow.of.name;
    let verb = statement.split(' ').next().unwrap_or_default();
    let seen = format!("seen in {verb} on a copy of {table}");
    let fallback = Error::statement(&seen, source);
    let (Some(error), Error::Refused { .. }) = (server_error(source), &fallback) else {
        return fallback;
    };
    let (at, seen) = match locate::in_function(parts, error) {
        Some(Located {
            file,
            line,
            function,
        }) => (format!("{file}:{line}"), format!("{seen}, in {function}")),
        None => (format!("triggers of {table}"), seen),
    };
    let mend = match error.code() {
        UNDEFINED_COLUMN => format!("columns of {table}: {}", shadow.columns().join(", ")),
        TIMED_OUT => "it ran into the time limit of a trial: make the trigger faster".to_owned(),
        _ => missing_grant(error)
            .unwrap_or_else(|| "mend the file, because each such write would fail".to_owned()),
    };
    Error::WouldFail {
        at,
        reason: format!("{} ({seen})", reason_in_function(error)),
        mend,
    }
}
