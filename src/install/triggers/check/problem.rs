//! What is wrong with a trigger, where, and how to mend it.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::install::triggers::parts::Part;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Writes fail, somebody is not told, or a right is wider than it should be.
    Error,
    /// Worth a look.
    Warning,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $severity:ident;)*) => {
        /// What kind of thing is wrong. The names are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// As scripts know it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// How bad it is, unless somebody wants to be stricter.
            pub fn severity(self) -> Severity {
                match self {
                    $(Self::$name => Severity::$severity,)*
                }
            }
        }
    };
}

codes! {
    /// The server cannot read a statement.
    Syntax = "syntax", Error;
    /// A statement would end the transaction that all files share.
    Transaction = "transaction", Error;
    /// The server refuses a statement.
    Refused = "refused", Error;
    /// Schema pgbell is not there.
    NotInstalled = "not-installed", Error;
    /// The table of a trigger is not there.
    MissingTable = "missing-table", Error;
    /// A column is not there.
    MissingColumn = "missing-column", Error;
    /// A trigger failed on a copy of its table.
    WouldFail = "would-fail", Error;
    /// plpgsql_check found it.
    PlpgsqlCheck = "plpgsql-check", Error;
    /// An event that is close to a known one of a known module.
    MisspeltEvent = "misspelt-event", Error;
    /// An event nobody has declared.
    UnknownEvent = "unknown-event", Warning;
    /// A room of a kind nobody has declared.
    UnknownRoom = "unknown-room", Warning;
    /// A name that is no room's.
    InvalidRoom = "invalid-room", Warning;
    /// A row that stands for many leaves out rooms that single rows tell.
    BulkRooms = "bulk-rooms", Error;
    /// None of a table's triggers is installed.
    NotApplied = "not-applied", Warning;
    /// Some of a table's triggers are installed, and this one is not.
    MissingTrigger = "missing-trigger", Error;
    /// A trigger is switched off.
    DisabledTrigger = "disabled-trigger", Error;
    /// A trigger fires in other sessions than the file says.
    TriggerState = "trigger-state", Error;
    /// A partition or inheriting table lacks a trigger of its parent.
    UnwatchedPartition = "unwatched-partition", Error;
    /// Not AFTER.
    Timing = "timing", Error;
    /// FOR EACH ROW without being for replication.
    RowLevel = "row-level", Error;
    /// No transition tables.
    TransitionTables = "transition-tables", Error;
    /// UPDATE OF some columns.
    UpdateOfColumns = "update-of-columns", Error;
    /// TRUNCATE is told to nobody.
    NoTruncate = "no-truncate", Error;
    /// A change may be larger than a notification can carry.
    RowSize = "row-size", Warning;
    /// Not SECURITY DEFINER.
    SecurityInvoker = "security-invoker", Error;
    /// The search_path is not pinned to what nobody else can write to.
    SearchPath = "search-path", Error;
    /// Not owned by pgbell_owner.
    Owner = "owner", Error;
    /// Everybody may execute it.
    PublicExecute = "public-execute", Error;
    /// A table without its schema.
    UnqualifiedTable = "unqualified-table", Error;
    /// A trigger function outside schema pgbell.
    FunctionSchema = "function-schema", Error;
    /// EXECUTE.
    DynamicSql = "dynamic-sql", Error;
    /// A subtransaction per call.
    ExceptionBlock = "exception-block", Error;
    /// All columns of a row, also those that come later.
    WholeRow = "whole-row", Error;
    /// Row by row.
    Loop = "loop", Error;
    /// A trigger that fails writes on purpose.
    Raise = "raise", Error;
    /// A join of transition tables that can become a nested loop.
    InnerJoin = "inner-join", Error;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The file; none if it is about what is installed.
    pub file: Option<String>,
    /// The line of the file, from 1.
    pub line: Option<usize>,
    /// What kind of thing.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// The table whose triggers it is about.
    pub table: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub mend: String,
}

impl Problem {
    pub(super) fn new(code: Code, message: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            file: None,
            line: None,
            code,
            severity: code.severity(),
            table: None,
            message: message.into(),
            mend: mend.into(),
        }
    }

    pub(super) fn at(mut self, file: &str, line: usize) -> Self {
        self.file = Some(file.to_owned());
        self.line = Some(line);
        self
    }

    /// Where a statement begins.
    pub(super) fn on(self, part: &Part<'_>) -> Self {
        self.at(part.file.name(), part.statement.line)
    }

    pub(super) fn about(mut self, table: impl Into<String>) -> Self {
        self.table = Some(table.into());
        self
    }
}

/// `sql/triggers/products.sql:12: error: …`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: ")?,
            (Some(file), None) => write!(f, "{file}: ")?,
            (None, _) => f.write_str("database: ")?,
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity} {}: ", self.code)?;
        if let Some(table) = &self.table {
            write!(f, "{table}: ")?;
        }
        write!(f, "{}\n    {}", self.message, self.mend)
    }
}
