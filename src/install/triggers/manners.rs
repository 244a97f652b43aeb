//! How a transaction behaves that only looks.

use sqlx::PgConnection;

use crate::install::{Error, query::run};

/// A trial must neither last nor be silenced, and what it says on the way is nobody's business.
const MANNERS: &str = "set local statement_timeout = '10s'; set local pgbell.enabled = 'on'; \
                       set local client_min_messages = 'error'";

/// Until the transaction ends, or goes back to a savepoint.
pub(super) async fn prepare(connection: &mut PgConnection) -> Result<(), Error> {
    let outcome = run(connection, MANNERS).await;
    outcome.map_err(|source| Error::statement("prepare to look", &source))
}
