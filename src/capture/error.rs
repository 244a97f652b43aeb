use std::{error::Error as _, fmt::Write, sync::Arc, time::Duration};

use tokio_postgres::error::{Severity, SqlState};

use crate::database;

/// Why a capture session ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL cannot be used, or no connection could be made as it says.
    #[error(transparent)]
    Connect(database::Error),
    /// The server is starting, stopping or recovering.
    #[error("the database is up, but takes no connections yet")]
    StartingUp(#[source] tokio_postgres::Error),
    /// The server has no connection left.
    #[error("the database has no connection left for pgbell, which uses up to four")]
    TooManyConnections(#[source] tokio_postgres::Error),
    /// The server accepted but did not finish the login.
    #[error("the database did not answer within {0:?}")]
    ConnectTimeout(Duration),
    /// Schema `pgbell` is missing.
    #[error("schema pgbell is not installed in this database: run `pgbell install`")]
    NotInstalled,
    /// Schema `pgbell` lacks what this version reads.
    #[error("schema pgbell in this database is of an older version: run `pgbell install`")]
    Outdated,
    /// The server is a standby: it can neither LISTEN nor be written to.
    #[error(
        "the database is a standby, which can neither LISTEN nor be written to: connect to the \
         primary, or name all hosts in the URL (postgres://a,b/db)"
    )]
    Standby,
    /// The server is a primary that starts transactions read only.
    #[error(
        "the database is read only for this login: default_transaction_read_only is on for the \
         server, the database or the role"
    )]
    ReadOnly,
    /// The connection is shared with others between transactions.
    #[error(
        "this is a pooler in transaction mode, through which LISTEN hears nothing: connect to \
         Postgres directly or to a pool in session mode, or set database.transport = \"poll\""
    )]
    Pooler,
    /// The address leads to another server than a moment ago.
    #[error("the connections of one session reached different servers: the address has moved")]
    Elsewhere,
    /// Changes inside notifications are signed anew.
    #[error("pgbell was installed anew, and signs changes inside notifications with another key")]
    Reinstalled,
    /// None of several hosts can be used.
    #[error("no host of the database URL can be used: {}", listed(.0))]
    NoneOf(Vec<(String, Error)>),
    /// A notification sent by this session did not come back.
    #[error(
        "no notification came back within {0:?}: the connection is dead, or goes through a pooler \
         in transaction mode"
    )]
    HeartbeatLost(Duration),
    /// The connection that listens has ended.
    #[error("the listening connection ended")]
    ListenerEnded(#[source] Option<Arc<tokio_postgres::Error>>),
    /// The read of the log returned no position.
    #[error("the read of the log returned no position")]
    NoPosition,
    /// The server is silent.
    #[error("cannot {doing}: no answer within {bound:?}")]
    NoAnswer {
        /// What the statement was for.
        doing: &'static str,
        /// How long was waited.
        bound: Duration,
    },
    /// The connection ended while or before a statement was sent.
    #[error("cannot {doing}: the connection ended")]
    Ended {
        /// What the statement was for.
        doing: &'static str,
        /// How it ended.
        source: Arc<tokio_postgres::Error>,
    },
    /// The server does not write its WAL to disk.
    #[error("the database did not write its WAL to disk within 10 s")]
    NotFlushed,
    /// A statement failed.
    #[error("cannot {doing}")]
    Query {
        /// What the statement was for.
        doing: &'static str,
        /// The database's answer.
        source: tokio_postgres::Error,
    },
}

/// Tells a refusal that is over by itself from one that somebody has to look after.
impl From<database::Error> for Error {
    fn from(error: database::Error) -> Self {
        let database::Error::Login(source) = error else {
            return Self::Connect(error);
        };
        match source.code() {
            Some(&SqlState::CANNOT_CONNECT_NOW) => Self::StartingUp(source),
            Some(&SqlState::TOO_MANY_CONNECTIONS) => Self::TooManyConnections(source),
            _ => Self::Connect(database::Error::Login(source)),
        }
    }
}

impl Error {
    /// What became of each host that was tried.
    pub(super) fn none_of(mut tried: Vec<(String, Self)>) -> Self {
        match tried.len() {
            1 => tried.remove(0).1,
            _ => Self::NoneOf(tried),
        }
    }

    /// Whether the server refused one statement and the connection is as good as before.
    pub(super) fn is_refusal(&self) -> bool {
        let Self::Query { source, .. } = self else {
            return false;
        };
        let severity = source
            .as_db_error()
            .and_then(|error| error.parsed_severity());
        severity == Some(Severity::Error)
    }

    /// A short name for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Connect(error) => error.reason(),
            Self::StartingUp(_) => "starting_up",
            Self::TooManyConnections(_) => "too_many_connections",
            Self::ConnectTimeout(_) => "connect_timeout",
            Self::NotInstalled => "not_installed",
            Self::Outdated => "outdated",
            Self::Standby => "standby",
            Self::ReadOnly => "read_only",
            Self::Pooler => "pooler",
            Self::Elsewhere => "elsewhere",
            Self::Reinstalled => "reinstalled",
            // Whoever answered says more than whoever did not.
            Self::NoneOf(tried) => {
                let mut reasons = tried.iter().map(|(_, error)| error.reason());
                let last = tried.last().map_or("connect", |(_, error)| error.reason());
                let answered = |reason: &&str| !["connect", "connect_timeout"].contains(reason);
                reasons.find(answered).unwrap_or(last)
            }
            Self::HeartbeatLost(_) => "heartbeat_lost",
            Self::ListenerEnded(_) => "listener_ended",
            Self::NotFlushed => "not_flushed",
            Self::NoAnswer { .. } => "no_answer",
            Self::Ended { .. } => "connection_ended",
            Self::Query { source, .. } => match source.code() {
                // Said to whoever was waiting for an answer when the connection was ended.
                Some(&SqlState::ADMIN_SHUTDOWN | &SqlState::CRASH_SHUTDOWN) => "connection_ended",
                _ => "query",
            },
            Self::NoPosition => "query",
        }
    }
}

fn listed(tried: &[(String, Error)]) -> String {
    let each = tried
        .iter()
        .map(|(host, error)| format!("{host}: {}", chain(error)));
    each.collect::<Vec<_>>().join("; ")
}

/// The error and its causes on one line.
pub(super) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    // Details and hints of the server stand on lines of their own.
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
