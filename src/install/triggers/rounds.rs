//! What is done to a copy of a table to see its triggers work, and which errors then count.

use sqlx::PgConnection;

use super::shadow::Shadow;
use crate::install::query::run;

/// The error of a name that the table does not have.
pub(super) const UNDEFINED_COLUMN: &str = "42703";
/// Of errors that are about names and types: wrong whatever the rows are.
const ABOUT_NAMES: &str = "42";
/// A row that is written a second time may break a promise that only holds for the first.
const UNIQUE_VIOLATION: &str = "23505";

/// Statements of every kind, run one after the other.
pub(super) struct Round {
    statements: Vec<String>,
    /// Whether the rows are such as the table has; otherwise they are made up.
    pub(super) is_real: bool,
}

/// With no row, with a few, and with a few that are taken for very many.
pub(super) fn rounds(shadow: &Shadow, has_rows: bool) -> [Round; 3] {
    let few = match has_rows {
        true => shadow.touching_rows(),
        false => shadow.touching_nulls(),
    };
    let many = ["set local pgbell.bulk_limit = 0".to_owned()];
    let many = many.into_iter().chain(few.iter().cloned()).collect();
    let round = |statements, is_real| Round {
        statements,
        is_real,
    };
    [
        round(shadow.touching_nothing(), true),
        round(few, has_rows),
        round(many, has_rows),
    ]
}

impl Round {
    /// Stops at a statement that fails, and returns it.
    pub(super) async fn run(
        &self,
        connection: &mut PgConnection,
    ) -> Result<(), (&str, sqlx::Error)> {
        for statement in &self.statements {
            let outcome = run(connection, statement).await;
            outcome.map_err(|source| (statement.as_str(), source))?;
        }
        Ok(())
    }

    /// Whether an error of this code would meet writers, too.
    pub(super) fn counts(&self, code: &str) -> bool {
        match self.is_real {
            true => code != UNIQUE_VIOLATION,
            false => code.starts_with(ABOUT_NAMES),
        }
    }
}
