//! What a fresh connection is checked for, before anything is done with it.

use super::{Error, connect::Session};

/// Refuses a server that cannot be written to, and a database without our schema as it is now. Returns when the
/// server started, which tells servers apart.
pub(super) async fn primary(session: &Session) -> Result<String, Error> {
    let query = "select pg_is_in_recovery(), current_setting('transaction_read_only'),
                        to_regclass('pgbell.change') is not null,
                        to_regclass('pgbell.revocation') is not null, pg_postmaster_start_time()";
    let row = session.texts("look at the database", query).await?;
    let says = |column: usize| row.get(column).and_then(Option::as_deref);
    match (says(0), says(1), says(2), says(3)) {
        (Some("t"), ..) => Err(Error::Standby),
        (_, Some("on"), ..) => Err(Error::ReadOnly),
        (_, _, Some("f"), _) => Err(Error::NotInstalled),
        (.., Some("f")) => Err(Error::Outdated),
        _ => Ok(says(4).unwrap_or_default().to_owned()),
    }
}

/// How often two sessions are compared: an idle pooler gives itself away at once, a busy one may
/// pass by luck, hardly ever so often.
const COMPARISONS: usize = 4;

/// Whether a pooler gives the server's processes away between two transactions, so that LISTEN,
/// settings and prepared statements would be some other client's.
///
/// Two sessions of one's own have two processes and keep them, also while one is in a transaction.
pub(super) async fn shared(one: &Session, other: &Session) -> Result<bool, Error> {
    for comparison in 0..COMPARISONS {
        // Not at first: a pool of a single process would make us wait for ourselves.
        let in_transaction = comparison > 0;
        let first = backend(one).await?;
        if in_transaction {
            run(other, "begin").await?;
        }
        let second = backend(other).await?;
        let same = backend(one).await?;
        if in_transaction {
            run(other, "commit").await?;
        }
        if first == second || first != same || second != backend(other).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn backend(session: &Session) -> Result<Option<String>, Error> {
    let doing = "look for a pooler";
    let row = session.texts(doing, "select pg_backend_pid()").await?;
    Ok(row.into_iter().next().flatten())
}

async fn run(session: &Session, sql: &str) -> Result<(), Error> {
    session
        .ask("look for a pooler", session.client.batch_execute(sql))
        .await
}
