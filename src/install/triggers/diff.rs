//! Shows how a database and trigger files differ.

use super::{
    examine::examine,
    finding::{Finding, State, Subject},
    parts::parts,
};
use crate::install::{Error, SqlFile, session::undone};

/// Compares what is installed with the files, by content. Changes nothing, and waits for no writer.
pub async fn diff(url: &str, files: &[SqlFile]) -> Result<Vec<Finding>, Error> {
    let parts = parts(files)?;
    undone(url, async |connection| {
        let mut findings = examine(connection, &parts, false).await?;
        findings.retain(is_an_object);
        Ok(findings)
    })
    .await
}

/// Statements that nobody can compare are not shown, nor those about a function, which itself shows
/// whether its rights and its comment differ.
fn is_an_object(finding: &Finding) -> bool {
    let is_about_function = || {
        let mut words = finding.name.split_whitespace().take(5);
        words.any(|word| word.eq_ignore_ascii_case("function"))
    };
    match finding.subject {
        Subject::Function | Subject::Trigger => true,
        Subject::Statement => finding.state != State::Unknown && !is_about_function(),
    }
}
