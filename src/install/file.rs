use std::{borrow::Cow, io, path::Path};

use sqlx::{AssertSqlSafe, PgConnection, raw_sql};

use super::Error;

/// SQL and the name by which complaints call it.
#[derive(Clone, Debug)]
pub struct SqlFile {
    name: Cow<'static, str>,
    text: Cow<'static, str>,
}

impl SqlFile {
    /// SQL that is part of the program.
    pub const fn embedded(name: &'static str, text: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            text: Cow::Borrowed(text),
        }
    }

    /// SQL that was put together.
    pub fn owned(name: &'static str, text: String) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }

    /// Reads SQL from a file.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        // Some editors put a mark in front, which is no SQL.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned();
        Ok(Self {
            name: path.display().to_string().into(),
            text: text.into(),
        })
    }

    /// As it was embedded or read.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SQL.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn embedded_text(&self) -> &'static str {
        match self.text {
            Cow::Borrowed(text) => text,
            Cow::Owned(_) => "",
        }
    }

    /// Runs all statements; an error names the line.
    pub(super) async fn execute(&self, connection: &mut PgConnection) -> Result<(), Error> {
        raw_sql(AssertSqlSafe(self.text.clone()))
            .execute(connection)
            .await
            .map(drop)
            .map_err(|source| Error::in_file(self, &source))
    }

    /// The line, from 1, on which the character at `position`, from 1, stands.
    pub(super) fn line_of(&self, position: usize) -> usize {
        let before = self.text.chars().take(position.saturating_sub(1));
        before.filter(|character| *character == '\n').count() + 1
    }
}
