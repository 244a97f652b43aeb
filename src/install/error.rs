use std::error::Error as _;

use sqlx::postgres::{PgDatabaseError, PgErrorPosition};

use super::SqlFile;
use crate::database;

const LOCK_NOT_AVAILABLE: &str = "55P03";
const DEADLOCK_DETECTED: &str = "40P01";
const QUERY_CANCELED: &str = "57014";
const NO_SUCH_SCHEMA: &str = "3F000";
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// Why nothing was changed in the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL cannot be used.
    #[error("database.url: {reason}")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// No connection, or no login.
    #[error("cannot reach the database: {reason}")]
    Unreachable {
        /// What the server or the system says.
        reason: String,
    },
    /// The server lacks what pgbell builds on.
    #[error("the server is Postgres {found}; pgbell needs 14 or newer")]
    TooOld {
        /// As the server calls itself.
        found: String,
    },
    /// Nothing can be installed on a standby.
    #[error("the server is a standby; connect to the primary")]
    Standby,
    /// Somebody else holds a lock that is needed.
    #[error(
        "{at}: a lock was not free within {}; nothing was changed, try again",
        super::LOCK_TIMEOUT
    )]
    Busy {
        /// The step that needed it.
        at: String,
    },
    /// A newer pgbell has been here.
    #[error(
        "the database holds migration {version} of a newer pgbell; use that version or a later one"
    )]
    Newer {
        /// The migration this version does not know.
        version: i64,
    },
    /// The record of what is installed does not fit this version.
    #[error("the installed version does not fit")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// The server refused a statement.
    #[error("{at}: {reason}")]
    Refused {
        /// The step, or file and line.
        at: String,
        /// What the server says, with its hint.
        reason: String,
    },
    /// Nothing has this name.
    #[error("there is no table {name}{hint}")]
    NoTable {
        /// As it was given.
        name: String,
        /// What was probably meant.
        hint: String,
    },
    /// No trigger of ours can say what changes here.
    #[error("{table} {reason}")]
    UnfitTable {
        /// Quoted, with its schema.
        table: String,
        /// What it is, and what to do.
        reason: String,
    },
    /// Clients could not be told of such things.
    #[error("{name} is no name of an entity; use lower-case letters, digits and _")]
    UnfitEntity {
        /// As it was given.
        name: String,
    },
    /// No role of ours can have this name.
    #[error(
        "{name} cannot be the name of such a role; use lower-case letters, digits and _, and a name \
         for each that neither Postgres nor pgbell uses"
    )]
    UnfitRole {
        /// As it was given.
        name: String,
    },
    /// The system gives nothing random.
    #[error("the system has no randomness to make a password of; give one with --password-file")]
    NoRandomness,
    /// A file would end the transaction that all files share.
    #[error(
        "{at}: this would end the transaction that all files share; remove begin, commit and \
         rollback; nothing was changed"
    )]
    EndsTransaction {
        /// File and line.
        at: String,
    },
    /// A trigger failed on a copy of its table, and would have failed every write.
    #[error("{at}: {reason}; {mend}; nothing was changed")]
    WouldFail {
        /// File and line.
        at: String,
        /// What the server says, and when.
        reason: String,
        /// What to do about it.
        mend: String,
    },
    /// Something that is named is not there.
    #[error("{at}: {what}; {mend}; nothing was changed")]
    Unknown {
        /// File and line, or the argument.
        at: String,
        /// What is missing.
        what: String,
        /// What to do about it.
        mend: String,
    },
    /// There is no pgbell in this database.
    #[error("schema pgbell is not in this database; run pgbell install first")]
    NotInstalled,
    /// The role cannot see what a statement would tell.
    #[error(
        "role {role} may not read the log; grant pgbell_daemon to it, or use a member of pgbell_owner"
    )]
    NoLook {
        /// Who asked.
        role: String,
    },
    /// Something took longer than it may.
    #[error("{at}: not done in time, so it was rolled back; give it more with --timeout")]
    Slow {
        /// The step.
        at: String,
    },
}

impl Error {
    pub(super) fn connect(source: &sqlx::Error) -> Self {
        let reason = match source {
            sqlx::Error::Io(error) => error.to_string(),
            other => server_error(other).map_or_else(|| other.to_string(), reason),
        };
        Self::Unreachable { reason }
    }

    /// No connection, with its causes. A URL that cannot be used is told from a server that cannot.
    pub(super) fn unreachable(error: &database::Error) -> Self {
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            reason = format!("{reason}: {error}");
            cause = error.source();
        }
        if error.reason() == "url" {
            return Self::Url { reason };
        }
        let said = reason.strip_prefix("cannot connect to the database: ");
        let reason = said.unwrap_or(&reason).to_owned();
        Self::Unreachable { reason }
    }

    /// What became of each address that was tried.
    pub(super) fn none_of(mut refused: Vec<(&str, Self)>) -> Self {
        if refused.len() == 1 {
            return refused.remove(0).1;
        }
        let each = refused.iter().map(|(host, error)| match error {
            Self::Unreachable { reason } => format!("{host}: {reason}"),
            other => format!("{host}: {other}"),
        });
        let reason = each.collect::<Vec<_>>().join("; ");
        Self::Unreachable { reason }
    }

    pub(super) fn in_file(file: &SqlFile, source: &sqlx::Error) -> Self {
        let position = server_error(source).and_then(PgDatabaseError::position);
        let at = match position {
            Some(PgErrorPosition::Original(position)) => {
                format!("{}:{}", file.name(), file.line_of(position))
            }
            _ => file.name().to_owned(),
        };
        Self::statement(&at, source)
    }

    /// Of SQL that begins on `line` of a file.
    pub(super) fn in_statement(file: &str, line: usize, sql: &str, source: &sqlx::Error) -> Self {
        let position = match server_error(source).and_then(PgDatabaseError::position) {
            Some(PgErrorPosition::Original(position)) => position,
            _ => 1,
        };
        let before = sql.chars().take(position.saturating_sub(1));
        let line = line + before.filter(|character| *character == '\n').count();
        Self::statement(&format!("{file}:{line}"), source)
    }

    pub(super) fn statement(at: &str, source: &sqlx::Error) -> Self {
        let at = at.to_owned();
        let Some(error) = server_error(source) else {
            let reason = source.to_string();
            return Self::Refused { at, reason };
        };
        if is_busy(error) {
            return Self::Busy { at };
        }
        if error.code() == NO_SUCH_SCHEMA && error.message().contains("\"pgbell\"") {
            return Self::NotInstalled;
        }
        let reason = reason(error);
        Self::Refused { at, reason }
    }

    /// As [`Error::statement`], of a statement that somebody wants to try.
    pub(super) fn traced(at: &str, source: &sqlx::Error) -> Self {
        let Some(error) = server_error(source) else {
            return Self::statement(at, source);
        };
        let at = at.to_owned();
        let advice = match error.code() {
            LOCK_NOT_AVAILABLE | DEADLOCK_DETECTED => return Self::Busy { at },
            QUERY_CANCELED => return Self::Slow { at },
            INSUFFICIENT_PRIVILEGE => Some("trace as a role that may do this"),
            _ => None,
        };
        let place = error.r#where().and_then(|place| place.lines().next());
        let place = place.map(|place| format!("in {place}"));
        let parts = [
            Some(error.message()),
            error.detail(),
            error.hint().or(advice),
            place.as_deref(),
        ];
        let reason = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
        Self::Refused { at, reason }
    }
}

/// Whether another try may go well: a lock, or somebody who changes the same object right now.
fn is_busy(error: &PgDatabaseError) -> bool {
    matches!(error.code(), LOCK_NOT_AVAILABLE | DEADLOCK_DETECTED)
        || error.message().starts_with("tuple concurrently")
}

pub(super) fn server_error(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error()?.try_downcast_ref()
}

pub(super) fn reason(error: &PgDatabaseError) -> String {
    let who = "use a member of pgbell_owner that owns the tables (to install, the database, with CREATEROLE), \
               or a superuser";
    with_advice(error, is_forbidden(error).then_some(who))
}

/// The same of an error in a trigger function, where it does not matter who asks.
pub(super) fn reason_in_function(error: &PgDatabaseError) -> String {
    with_advice(error, None)
}

/// What lets a trigger function read what it may not read yet.
pub(super) fn missing_grant(error: &PgDatabaseError) -> Option<String> {
    let table = error.message().strip_prefix("permission denied for table ");
    is_forbidden(error).then(|| {
        let table = table.unwrap_or("the table");
        format!(
            "the function runs as pgbell_owner: add to the file grant select (the columns it reads) on {table} \
             to pgbell_owner;"
        )
    })
}

fn is_forbidden(error: &PgDatabaseError) -> bool {
    error.code() == INSUFFICIENT_PRIVILEGE
}

fn with_advice(error: &PgDatabaseError, advice: Option<&str>) -> String {
    let parts = [
        Some(error.message()),
        error.detail(),
        error.hint().or(advice),
    ];
    // The server quotes the rest of a file where a quote is not closed.
    let parts = parts
        .into_iter()
        .flatten()
        .map(|part| match part.split_once('\n') {
            Some((first, _)) => format!("{first} …"),
            None => part.to_owned(),
        });
    parts.collect::<Vec<_>>().join("; ")
}
