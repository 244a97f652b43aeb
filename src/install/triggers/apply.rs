//! Puts trigger files into a database: only what is different, all of it or nothing.

use sqlx::PgConnection;

use super::{examine::examine, finding::Finding, parts::parts, shadow::run};
use crate::install::{
    Error, SqlFile, script,
    session::{Session, commit, retrying},
};

/// Has what is installed recorded, where there is a record.
pub(super) const NOTE_APPLIED: &str = "do $$
begin
    if to_regprocedure('pgbell.note_applied()') is not null then
        perform pgbell.note_applied();
    end if;
end
$$;";

/// Applies what is different in these files. Nothing is locked for what is the same; triggers that
/// differ are tried on a copy of their table before their table is touched.
pub async fn apply(url: &str, files: &[SqlFile]) -> Result<Vec<Finding>, Error> {
    retrying(async || {
        let mut session = Session::open(url).await?;
        let mut transaction = session.begin().await?;
        let findings = examine(&mut transaction, files, true).await?;
        for finding in &findings {
            mend(&mut transaction, finding).await?;
        }
        note_applied(&mut transaction).await?;
        commit(transaction).await?;
        Ok(findings)
    })
    .await
}

/// The SQL that [`apply`] would run now.
pub async fn difference_script(url: &str, files: &[SqlFile]) -> Result<String, Error> {
    retrying(async || {
        let mut session = Session::open(url).await?;
        let mut transaction = session.begin().await?;
        let findings = examine(&mut transaction, files, true).await?;
        Ok(script_of(&findings))
    })
    .await
}

/// The SQL of whole files, for a database that is out of reach.
pub fn apply_script(files: &[SqlFile]) -> Result<String, Error> {
    parts(files)?;
    let note = SqlFile::embedded("what is installed is recorded", NOTE_APPLIED);
    let files: Vec<_> = files.iter().cloned().chain([note]).collect();
    Ok(script::transaction(&files))
}

/// What mends these findings, as one transaction.
pub(super) fn script_of(findings: &[Finding]) -> String {
    let mut sql = script::begin();
    for finding in findings.iter().filter(|finding| !finding.sql.is_empty()) {
        sql.push_str(&format!(
            "-- {}\n{}\n\n",
            finding.place(),
            finding.sql.join("\n")
        ));
    }
    sql.push_str(&format!("{NOTE_APPLIED}\n\ncommit;\n"));
    sql
}

pub(super) async fn mend(connection: &mut PgConnection, finding: &Finding) -> Result<(), Error> {
    for sql in &finding.sql {
        let outcome = run(connection, sql).await;
        outcome.map_err(|source| match (&finding.file, finding.line) {
            (Some(file), Some(line)) => Error::in_statement(file, line, sql, &source),
            _ => Error::statement(&finding.name, &source),
        })?;
    }
    Ok(())
}

pub(super) async fn note_applied(connection: &mut PgConnection) -> Result<(), Error> {
    let outcome = run(connection, NOTE_APPLIED).await;
    outcome.map_err(|source| Error::statement("record what is installed", &source))
}
