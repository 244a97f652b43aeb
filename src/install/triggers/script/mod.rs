//! A trigger file, statement by statement: where each one begins, and what it makes.
//!
//! Pure, and forgiving: whatever the text is, it is split somehow, and nothing of it is lost. What
//! is wrong with a statement is for the server to say.

pub(super) mod lexer;
mod parser;
mod reader;
mod split;
#[cfg(test)]
mod tests;

use std::{fmt, ops::Range};

use super::super::SqlFile;

/// The statements of a file.
#[derive(Clone, Debug)]
pub struct Script<'a> {
    /// In the order of the file.
    pub statements: Vec<Statement<'a>>,
    /// White space and comments after the last statement.
    pub rest: &'a str,
}

/// One statement.
#[derive(Clone, Debug)]
pub struct Statement<'a> {
    /// White space and comments before it.
    pub lead: &'a str,
    /// From its first word to its semicolon. Spans count bytes of it.
    pub text: &'a str,
    /// The line of the file on which `text` begins, from 1.
    pub line: usize,
    /// What it makes.
    pub kind: Kind,
}

/// What a statement makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `create [or replace] function`
    Function(Function),
    /// `create [or replace] trigger`
    Trigger(Trigger),
    /// `alter table … enable trigger …` and its like, about one trigger
    Firing(Firing),
    /// Rights, owners, settings and comments: running it twice is running it once, and where it
    /// changes nothing it need not be run.
    Catalogue,
    /// `begin`, `commit` and what else would end the transaction that all statements share.
    Transaction,
    /// Anything else.
    Other,
}

/// A function that a statement makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// As written, folded as Postgres folds names.
    pub name: Name,
    /// The body between its quotes, if it is a string.
    pub body: Option<Range<usize>>,
}

/// A trigger that a statement makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// The table it watches.
    pub table: Name,
    /// Where the table's name stands.
    pub table_span: Range<usize>,
    /// When it runs.
    pub timing: Timing,
    /// What it runs for.
    pub events: Vec<Event>,
    /// How often it runs.
    pub level: Level,
    /// `referencing old table as …`
    pub old_table: Option<String>,
    /// `referencing new table as …`
    pub new_table: Option<String>,
    /// Whether it has a `when (…)`.
    pub has_condition: bool,
    /// The function it calls.
    pub function: Name,
    /// Whether the statement says `or replace`.
    pub replaces: bool,
    /// Whether it is a constraint trigger.
    pub is_constraint: bool,
    /// Where the word `trigger` begins, or `constraint`: what follows `create` and `or replace`.
    pub after_create: usize,
}

/// A name, perhaps with a schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// Before the dot.
    pub schema: Option<String>,
    /// After it.
    pub name: String,
}

/// When a trigger runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// `before`
    Before,
    /// `after`
    After,
    /// `instead of`
    InsteadOf,
}

/// What a trigger runs for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// `insert`
    Insert,
    /// `update`, of some columns only if there are any.
    Update(Vec<String>),
    /// `delete`
    Delete,
    /// `truncate`
    Truncate,
}

impl Event {
    /// The statement that it is about.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update(_) => "update",
            Self::Delete => "delete",
            Self::Truncate => "truncate",
        }
    }
}

/// How often a trigger runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Once per row.
    Row,
    /// Once per statement, as when nothing is said.
    Statement,
}

/// Which sessions a trigger runs in, as `alter table` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// The trigger's table.
    pub table: Name,
    /// Where the table's name stands.
    pub table_span: Range<usize>,
    /// The trigger.
    pub trigger: String,
    /// What the statement says about it.
    pub fires: Fires,
}

/// Which sessions a trigger runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fires {
    /// In ordinary ones.
    Origin,
    /// In those that apply what another server has written.
    Replica,
    /// In both.
    Always,
    /// In none.
    Never,
}

impl<'a> Script<'a> {
    /// Splits the text of a file.
    pub fn parse(file: &'a SqlFile) -> Self {
        Self::split(file.text())
    }

    pub(super) fn split(text: &'a str) -> Self {
        let tokens = lexer::tokens(text);
        let mut statements = Vec::new();
        let (mut from, mut line, mut first) = (0, 1, 0);
        for end in split::ends(text, &tokens) {
            let words = &tokens[first..end];
            let (start, stop) = (words[0].span.start, words[words.len() - 1].span.end);
            let lead = &text[from..start];
            line += lines(lead);
            let text = &text[start..stop];
            let kind = parser::classify(text, words, start);
            statements.push(Statement {
                lead,
                text,
                line,
                kind,
            });
            line += lines(text);
            (from, first) = (stop, end);
        }
        let rest = &text[from..];
        Self { statements, rest }
    }
}

impl Statement<'_> {
    /// Whether there is nothing but a semicolon.
    pub fn is_empty(&self) -> bool {
        self.text == ";"
    }

    /// The line of the file on which the byte `at` of the text stands.
    pub fn line_of(&self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        self.line + before.filter(|byte| **byte == b'\n').count()
    }

    /// The text with something else at `span`.
    pub fn with(&self, span: &Range<usize>, instead: &str) -> String {
        let mut text = self.text.to_owned();
        if text.get(span.clone()).is_some() {
            text.replace_range(span.clone(), instead);
        }
        text
    }
}

impl Fires {
    /// What `pg_trigger.tgenabled` says.
    pub(super) fn of(tgenabled: &str) -> Self {
        match tgenabled {
            "D" => Self::Never,
            "R" => Self::Replica,
            "A" => Self::Always,
            _ => Self::Origin,
        }
    }

    /// The statement that makes it so; the table as SQL.
    pub(super) fn statement(self, table: &str, trigger: &str) -> String {
        let verb = match self {
            Self::Origin => "enable",
            Self::Replica => "enable replica",
            Self::Always => "enable always",
            Self::Never => "disable",
        };
        format!("alter table {table} {verb} trigger {};", quoted(trigger))
    }
}

impl Name {
    /// As people read it, without quotes.
    pub(super) fn plain(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// As SQL, in quotes.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", quoted(schema))?;
        }
        f.write_str(&quoted(&self.name))
    }
}

/// A name as SQL. In quotes whether it needs them or not: only the server knows its key words.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string as SQL.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn lines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}
