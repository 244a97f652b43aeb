//! Runs triggers on a copy of their table before any write of the table does.

use sqlx::PgConnection;

use super::{
    locate,
    parts::Part,
    savepoint::Savepoint,
    shadow::{Shadow, has_rows, run},
};
use crate::install::{
    Error,
    error::{missing_grant, reason_in_function, server_error},
};

/// Of errors that are about names: wrong whatever the rows are.
const ABOUT_NAMES: &str = "42";
/// A row that is written a second time may break a promise that only holds for the first.
const UNIQUE_VIOLATION: &str = "23505";
const UNDEFINED_COLUMN: &str = "42703";
const TIMED_OUT: &str = "57014";

/// Runs an insert, updates, a delete and a truncate: with no row, with a few, and with a few that
/// are taken for very many.
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
    let rows = match has_rows {
        true => shadow.touching_rows(),
        false => shadow.touching_nulls(),
    };
    let bulk = ["set local pgbell.bulk_limit = 0".to_owned()];
    let bulk = bulk.into_iter().chain(rows.iter().cloned()).collect();
    for (statements, is_real) in [
        (shadow.touching_nothing(), true),
        (rows.clone(), has_rows),
        (bulk, has_rows),
    ] {
        let savepoint = Savepoint::set(connection).await?;
        let outcome = run_all(connection, &statements).await;
        savepoint.roll_back(connection).await?;
        let Err((statement, source)) = outcome else {
            continue;
        };
        let Some(error) = server_error(&source) else {
            return Err(failed(source));
        };
        let code = error.code();
        let counts = match is_real {
            true => code != UNIQUE_VIOLATION,
            false => code.starts_with(ABOUT_NAMES),
        };
        if counts {
            return Err(complaint(&statement, &source, shadow, parts));
        }
    }
    Ok(())
}

async fn run_all(
    connection: &mut PgConnection,
    statements: &[String],
) -> Result<(), (String, sqlx::Error)> {
    for statement in statements {
        let outcome = run(connection, statement).await;
        outcome.map_err(|source| (statement.clone(), source))?;
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
    let statements = parts.iter().map(|part| (part.file.name(), &part.statement));
    let located = locate::in_function(statements, error);
    let (at, function) = located.unwrap_or_else(|| (format!("triggers of {table}"), String::new()));
    let seen = match function.as_str() {
        "" => seen,
        function => format!("{seen}, in {function}"),
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
