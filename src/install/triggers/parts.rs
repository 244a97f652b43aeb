//! The statements of several files.

use super::script::{Kind, Script, Statement};
use crate::install::{Error, SqlFile};

/// A statement and the file it is in.
pub(super) struct Part<'a> {
    pub(super) file: &'a SqlFile,
    pub(super) statement: Statement<'a>,
}

impl Part<'_> {
    /// The server's complaint about it.
    pub(super) fn refused(&self, source: &sqlx::Error) -> Error {
        let Statement { line, text, .. } = self.statement;
        Error::in_statement(self.file.name(), line, text, source)
    }

    /// `file:line`
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.file.name(), self.statement.line)
    }

    /// Whether what comes after it may need it: a type, a schema, a setting.
    pub(super) fn is_ground(&self) -> bool {
        let mut words = self.statement.text.split_whitespace();
        let mut next = || words.next().unwrap_or_default().to_ascii_lowercase();
        match next().as_str() {
            "set" | "reset" => true,
            "create" => GROUNDS.contains(&next().as_str()),
            _ => false,
        }
    }
}

/// What `create` makes without a lock on a business table.
const GROUNDS: [&str; 4] = ["type", "domain", "schema", "sequence"];

/// All statements of the files, in order. One that would end the transaction of all is refused.
pub(super) fn parts(files: &[SqlFile]) -> Result<Vec<Part<'_>>, Error> {
    let parts = all_parts(files);
    let is_end = |part: &&Part<'_>| part.statement.kind == Kind::Transaction;
    match parts.iter().find(is_end) {
        Some(end) => Err(Error::EndsTransaction { at: end.place() }),
        None => Ok(parts),
    }
}

/// The same, for those who only read them.
pub(super) fn all_parts(files: &[SqlFile]) -> Vec<Part<'_>> {
    let statements = files.iter().flat_map(|file| {
        let statements = Script::parse(file).statements.into_iter();
        statements.map(move |statement| Part { file, statement })
    });
    statements
        .filter(|part| !part.statement.is_empty())
        .collect()
}
