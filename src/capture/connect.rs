//! Connections that end early rather than hang: every wait for the database has a bound of our own,
//! because a server that is gone keeps no promise about its statements.

use std::{
    future::{Future, poll_fn},
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{task::JoinHandle, time::timeout};
use tokio_postgres::{
    AsyncMessage, Client, Connection, Row, SimpleQueryMessage,
    types::{ToSql, Type},
};

use super::{DatabaseConfig, Error};
use crate::database::{self, Address, Place, Stream};

/// How much longer than the server we wait for a statement: the server's own answer says more.
const MARGIN: Duration = Duration::from_secs(1);

/// A connection whose driver runs beside it and stops with it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: Client,
    bound: Duration,
    driver: JoinHandle<()>,
    ended: Arc<OnceLock<Arc<tokio_postgres::Error>>>,
    /// Whether a pooler gives the server's process to others between two transactions. Then nothing
    /// is left behind: no setting, no prepared statement.
    pub(super) is_shared: bool,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    /// Connects and logs in. `hear` is told each notification's payload, and `None` at the end; it
    /// must not wait for anything.
    pub(super) async fn open(
        config: &DatabaseConfig,
        address: &Address,
        place: &Place,
        hear: impl FnMut(Option<&str>) + Send + 'static,
    ) -> Result<Self, Error> {
        // Also over encryption and login: a server that accepts and never answers would hold us for
        // ever.
        // In a box, because a handshake is large and those who wait for it live long.
        let connecting = Box::pin(database::connect(address, place, "pgbell"));
        let (client, connection) = timeout(config.connect_timeout, connecting)
            .await
            .map_err(|_| Error::ConnectTimeout(config.connect_timeout))??;
        let ended = Arc::new(OnceLock::new());
        Ok(Self {
            client,
            bound: config.statement_timeout + MARGIN,
            driver: tokio::spawn(drive(connection, hear, ended.clone())),
            ended,
            is_shared: false,
        })
    }

    /// Prepares the session by SQL, and tells the server our bound on statements. Where the session
    /// is shared, our own bound on waiting must do.
    pub(super) async fn set(
        &self,
        config: &DatabaseConfig,
        settings: &'static str,
    ) -> Result<(), Error> {
        if self.is_shared {
            return Ok(());
        }
        let limit = config.statement_timeout.as_millis();
        let settings =
            format!("set statement_timeout = {limit}; set lock_timeout = {limit}; {settings}");
        self.ask("prepare a session", self.client.batch_execute(&settings))
            .await
    }

    /// Waits for the answer to a statement of this session, but not for ever.
    pub(super) async fn ask<T>(
        &self,
        doing: &'static str,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Error> {
        match timeout(self.bound, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(match self.ended.get() {
                Some(cause) if source.is_closed() => Error::Ended {
                    doing,
                    source: cause.clone(),
                },
                _ => Error::Query { doing, source },
            }),
            Err(_) => Err(Error::NoAnswer {
                doing,
                bound: self.bound,
            }),
        }
    }

    /// The one row that a statement brings. Prepares nothing.
    pub(super) async fn row(
        &self,
        doing: &'static str,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Row, Error> {
        self.ask(doing, self.client.query_typed_one(sql, params))
            .await
    }

    /// The columns of the one row that `sql` brings, as texts. Prepares nothing and leaves nothing
    /// behind, so it is harmless whoever's session this really is.
    pub(super) async fn texts(
        &self,
        doing: &'static str,
        sql: &str,
    ) -> Result<Vec<Option<String>>, Error> {
        let rows = self.all_texts(doing, sql).await?;
        rows.into_iter().next().ok_or(Error::NoPosition)
    }

    /// The same for every row that `sql` brings.
    pub(super) async fn all_texts(
        &self,
        doing: &'static str,
        sql: &str,
    ) -> Result<Vec<Vec<Option<String>>>, Error> {
        let answer = self.ask(doing, self.client.simple_query(sql)).await?;
        let rows = answer.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let texts = rows.map(|row| {
            (0..row.len())
                .map(|column| row.get(column).map(str::to_owned))
                .collect()
        });
        Ok(texts.collect())
    }

    /// Why the connection ended, if it has and the reason is known.
    pub(super) fn end(&self) -> Option<Arc<tokio_postgres::Error>> {
        self.ended.get().cloned()
    }
}

async fn drive(
    mut connection: Connection<Stream, Stream>,
    mut hear: impl FnMut(Option<&str>),
    ended: Arc<OnceLock<Arc<tokio_postgres::Error>>>,
) {
    while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
        match message {
            Ok(AsyncMessage::Notification(notification)) => hear(Some(notification.payload())),
            Ok(_) => {}
            Err(error) => {
                // Before whoever waits for an answer is told, which happens when this returns.
                let _ = ended.set(Arc::new(error));
                break;
            }
        }
    }
    hear(None);
}
