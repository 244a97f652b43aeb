use std::{error::Error as _, fmt::Write, time::Duration};

/// Why a capture session ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is not one.
    #[error("the database URL is not valid")]
    Url(#[source] tokio_postgres::Error),
    /// The URL asks for an encrypted connection.
    #[error("this version does not encrypt connections to the database: leave sslmode=require out")]
    Encryption,
    /// No connection could be made.
    #[error("cannot connect to the database")]
    Connect(#[source] tokio_postgres::Error),
    /// The server accepted but did not finish the login.
    #[error("the database did not answer within {0:?}")]
    ConnectTimeout(Duration),
    /// Schema `pgbell` is missing.
    #[error("schema pgbell is not installed in this database: run `pgbell install`")]
    NotInstalled,
    /// The server is a standby: it can neither LISTEN nor be written to.
    #[error("the database is a standby: connect to the primary")]
    Standby,
    /// A notification sent by this session did not come back.
    #[error(
        "no notification came back within {0:?}: the connection is dead, or goes through a pooler"
    )]
    HeartbeatLost(Duration),
    /// The connection that listens has ended.
    #[error("the listening connection ended")]
    ListenerEnded,
    /// The read of the log returned no position.
    #[error("the read of the log returned no position")]
    NoPosition,
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

impl Error {
    /// Wraps the error of a statement that was for `doing`.
    pub(super) fn query(doing: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |source| Self::Query { doing, source }
    }

    /// A short name for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Url(_) | Self::Encryption => "url",
            Self::Connect(_) => "connect",
            Self::ConnectTimeout(_) => "connect_timeout",
            Self::NotInstalled => "not_installed",
            Self::Standby => "standby",
            Self::HeartbeatLost(_) => "heartbeat_lost",
            Self::ListenerEnded => "listener_ended",
            Self::NotFlushed => "not_flushed",
            Self::NoPosition | Self::Query { .. } => "query",
        }
    }
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
    text
}
