//! What the tools found out about one object, and what would mend it.

use serde::Serialize;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A function of a file, or one that a trigger calls.
    Function,
    /// A trigger on one table; each partition has its own.
    Trigger,
    /// Any other statement of a file: a right, a comment, data.
    Statement,
}

/// How the database and the files differ in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// They do not.
    Same,
    /// Both have it, and not alike.
    Changed,
    /// Only the files have it.
    Missing,
    /// Only the database has it.
    Extra,
    /// A statement that is run each time, because nobody knows what it changes.
    Unknown,
}

/// What `apply` does about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It was not there.
    Created,
    /// It was different.
    Replaced,
    /// Its statements of rights, owner or comment do it.
    Adjusted,
    /// Nothing.
    Unchanged,
    /// The statement was run.
    Ran,
    /// It is not for the files to change.
    Left,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub subject: Subject,
    /// Its name; of a trigger with its table; of a statement its first words.
    pub name: String,
    /// How database and files differ.
    pub state: State,
    /// The file that makes it, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line on which that begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What else is worth a word.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// From what is in the database to what the file says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// What `apply` runs for it, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sql: Vec<String>,
    /// The tables whose writers wait for that.
    #[serde(skip)]
    pub(super) locks: Vec<String>,
}

impl Finding {
    /// Something that only the database has.
    pub(super) fn extra(subject: Subject, name: String, note: String) -> Self {
        Self {
            subject,
            name,
            state: State::Extra,
            file: None,
            line: None,
            notes: vec![note],
            diff: None,
            sql: Vec::new(),
            locks: Vec::new(),
        }
    }

    /// Whether database and files differ in it.
    pub fn differs(&self) -> bool {
        !matches!(self.state, State::Same | State::Unknown)
    }

    /// What `apply` does about it.
    pub fn action(&self) -> Action {
        match (self.subject, self.state) {
            (_, State::Extra) => Action::Left,
            (_, State::Same) => Action::Unchanged,
            (Subject::Statement, _) => Action::Ran,
            (_, State::Missing) => Action::Created,
            _ if !self.sql.is_empty() => Action::Replaced,
            (Subject::Function, _) => Action::Adjusted,
            _ => Action::Unchanged,
        }
    }

    /// Where it is made: `file:line`.
    pub fn place(&self) -> String {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            _ => self.name.clone(),
        }
    }
}

/// How two texts differ, with three lines around each difference.
pub(super) fn text_diff(database: &str, file: &str, name: &str) -> String {
    similar::TextDiff::from_lines(database, file)
        .unified_diff()
        .context_radius(3)
        .header("database", name)
        .to_string()
}
