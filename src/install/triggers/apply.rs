//! Puts trigger files into a database: only what is different, all of it or nothing.

use sqlx::PgConnection;

use super::{examine::examine, finding::Finding, locks, parts::parts, record::Concerned};
use crate::install::{
    Error, SqlFile,
    query::run,
    script,
    session::{committed, undone},
};

/// Applies what is different in these files. Nothing is locked for what is the same; triggers that
/// differ are tried on a copy of their table before their table is touched.
pub async fn apply(url: &str, files: &[SqlFile]) -> Result<Vec<Finding>, Error> {
    let parts = parts(files)?;
    committed(url, async |connection| {
        let findings = examine(connection, &parts, true).await?;
        make(connection, &findings).await?;
        Concerned::by(&parts).note(connection).await?;
        Ok(findings)
    })
    .await
}

/// The SQL that [`apply`] would run now.
pub async fn difference_script(url: &str, files: &[SqlFile]) -> Result<String, Error> {
    let parts = parts(files)?;
    undone(url, async |connection| {
        let findings = examine(connection, &parts, true).await?;
        let lock = locks::statement(connection, &findings).await?;
        Ok(script_of(&findings, lock, &Concerned::by(&parts)))
    })
    .await
}

/// The SQL of whole files, for a database that is out of reach.
pub fn apply_script(files: &[SqlFile]) -> Result<String, Error> {
    let record = Concerned::by(&parts(files)?).record();
    let record = SqlFile::owned("what is installed is recorded", record);
    let files: Vec<_> = files.iter().cloned().chain([record]).collect();
    Ok(script::transaction(&files))
}

/// What mends these findings, as one transaction.
fn script_of(findings: &[Finding], lock: Option<String>, concerned: &Concerned) -> String {
    let mut sql = script::begin();
    sql.extend(lock.map(|lock| format!("{lock}\n\n")));
    for finding in findings.iter().filter(|finding| !finding.sql.is_empty()) {
        sql.push_str(&format!(
            "-- {}\n{}\n\n",
            finding.place(),
            finding.sql.join("\n")
        ));
    }
    sql.push_str(&format!("{}\n\ncommit;\n", concerned.record()));
    sql
}

/// Mends all of it, in the order of the files.
pub(super) async fn make(connection: &mut PgConnection, findings: &[Finding]) -> Result<(), Error> {
    if let Some(lock) = locks::statement(connection, findings).await? {
        let outcome = run(connection, &lock).await;
        outcome.map_err(|source| Error::statement("lock the tables", &source))?;
    }
    for finding in findings {
        mend(connection, finding).await?;
    }
    Ok(())
}

async fn mend(connection: &mut PgConnection, finding: &Finding) -> Result<(), Error> {
    for sql in &finding.sql {
        let outcome = run(connection, sql).await;
        outcome.map_err(|source| match (&finding.file, finding.line) {
            (Some(file), Some(line)) => Error::in_statement(file, line, sql, &source),
            _ => Error::statement(&finding.name, &source),
        })?;
    }
    Ok(())
}
