//! Edited trigger files, tried before the statement in the same transaction.

use serde::Serialize;
use sqlx::PgConnection;

use crate::install::{
    Error, SqlFile,
    triggers::{Finding, Subject, apply::make, examine::examine, parts::parts},
};

/// What was done for a file. What is as the file has it already, was left alone.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tried {
    /// The file.
    pub file: String,
    /// Functions that were made or replaced, which locks no table.
    pub functions: Vec<String>,
    /// Triggers that were made or replaced, which locked their tables until the end of the trace.
    pub triggers: Vec<String>,
    /// Other statements that were run, by their first words.
    pub statements: Vec<String>,
}

/// Does what `apply` would do, and says what that was.
pub(super) async fn try_files(
    connection: &mut PgConnection,
    files: &[SqlFile],
) -> Result<Vec<Tried>, Error> {
    let findings = examine(connection, &parts(files)?, false).await?;
    make(connection, &findings).await?;
    Ok(files.iter().map(|file| tried(file, &findings)).collect())
}

fn tried(file: &SqlFile, findings: &[Finding]) -> Tried {
    let mut tried = Tried {
        file: file.name().to_owned(),
        ..Tried::default()
    };
    let of_file = findings
        .iter()
        .filter(|finding| finding.file.as_deref() == Some(file.name()) && !finding.sql.is_empty());
    for finding in of_file {
        let list = match finding.subject {
            Subject::Function => &mut tried.functions,
            Subject::Trigger => &mut tried.triggers,
            Subject::Statement => &mut tried.statements,
        };
        list.push(finding.name.clone());
    }
    tried
}
