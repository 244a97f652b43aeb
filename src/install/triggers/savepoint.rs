//! A part of a transaction that is taken back.

use sqlx::PgConnection;

use crate::install::{Error, query::run};

/// What has been done since it was set can be undone, locks and settings included.
#[must_use = "a savepoint is rolled back or released"]
pub(super) struct Savepoint(());

impl Savepoint {
    pub(super) async fn set(connection: &mut PgConnection) -> Result<Self, Error> {
        step(connection, "savepoint pgbell").await?;
        Ok(Self(()))
    }

    pub(super) async fn roll_back(self, connection: &mut PgConnection) -> Result<(), Error> {
        step(
            connection,
            "rollback to savepoint pgbell; release savepoint pgbell",
        )
        .await
    }

    pub(super) async fn keep(self, connection: &mut PgConnection) -> Result<(), Error> {
        step(connection, "release savepoint pgbell").await
    }
}

async fn step(connection: &mut PgConnection, sql: &str) -> Result<(), Error> {
    let outcome = run(connection, sql).await;
    outcome.map_err(|source| Error::statement(sql, &source))
}
