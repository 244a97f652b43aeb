//! Which tables are locked, and in which order.
//!
//! A lock that is taken while another has been held for a while may meet a writer who waits for that
//! one already, and then it is the writer whom the server ends. So all are taken at once, at first.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::finding::Finding;
use crate::install::Error;

/// What locks the tables of these findings as their triggers will. `None` if that is no more than one,
/// or the role may make triggers there but not lock more than they do.
pub(super) async fn statement(
    connection: &mut PgConnection,
    findings: &[Finding],
) -> Result<Option<String>, Error> {
    let tables: BTreeSet<_> = findings.iter().flat_map(|finding| &finding.locks).collect();
    let tables: Vec<_> = tables.into_iter().cloned().collect();
    let may = "select coalesce(bool_and(has_table_privilege(name, 'update')
                                        or has_table_privilege(name, 'delete')
                                        or has_table_privilege(name, 'truncate')), false)
                 from unnest($1::text[]) as name";
    let may: bool = sqlx::query_scalar(may)
        .bind(&tables)
        .fetch_one(connection)
        .await
        .map_err(|source| Error::statement("ask for the right to lock", &source))?;
    if !may || tables.len() < 2 {
        return Ok(None);
    }
    let tables = tables.join(", only ");
    let lock = format!("lock table only {tables} in share row exclusive mode;");
    Ok(Some(lock))
}
