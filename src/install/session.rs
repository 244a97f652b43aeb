//! A connection for one verb, and the manners of its transaction.

use std::time::Duration;

use sqlx::{Connection, FromRow, PgConnection, Postgres, Transaction};
use tokio::time::{sleep, timeout};

use super::{
    Error, LOCK_TIMEOUT,
    bridge::{self, CONNECT_TIMEOUT},
    query::run,
};
use crate::{
    backoff::Backoff,
    database::{Address, Place},
};

/// First release with everything pgbell builds on, such as `create or replace trigger`.
const OLDEST_SERVER: i32 = 140_000;

/// Times a lock is asked for before a verb gives up.
const ATTEMPTS: u32 = 10;

/// How SQL is read and written here, whatever the database sets for others: definitions are compared
/// as text.
const SPELLING: &str =
    "set local quote_all_identifiers = off; set local standard_conforming_strings = on";

/// What keeps two installers of one database apart.
pub(super) const INSTALLERS_LOCK: &str =
    "do $$ begin perform pg_advisory_xact_lock(hashtextextended('pgbell.install', 0)); end $$";

pub(super) struct Session {
    connection: PgConnection,
}

impl Session {
    /// Connects to the first host of the URL that is a primary, and new enough.
    pub(super) async fn open(url: &str) -> Result<Self, Error> {
        let address = Address::parse(url).map_err(|error| Error::unreachable(&error))?;
        first(&address, async |place| {
            let mut connection = reach(&address, place).await?;
            let server = server(&mut connection).await;
            let (number, version, standby) = server.map_err(|source| Error::connect(&source))?;
            if number < OLDEST_SERVER {
                return Err(Error::TooOld { found: version });
            }
            if standby {
                return Err(Error::Standby);
            }
            Ok(Self { connection })
        })
        .await
    }

    /// The connection, for a verb with manners of its own.
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Begins a transaction that only looks: behind a pooler, all of it on one connection.
    pub(super) async fn look(&mut self) -> Result<Transaction<'_, Postgres>, Error> {
        let begun = self.connection.begin().await;
        begun.map_err(|source| Error::statement("begin", &source))
    }

    /// Begins a transaction that waits for no lock longer than [`LOCK_TIMEOUT`] and excludes other
    /// installers.
    pub(super) async fn begin(&mut self) -> Result<Transaction<'_, Postgres>, Error> {
        let refused = |source| Error::statement("begin", &source);
        let mut transaction = self.connection.begin().await.map_err(refused)?;
        let manners =
            format!("set local lock_timeout = '{LOCK_TIMEOUT}'; {SPELLING}; {INSTALLERS_LOCK}");
        run(&mut transaction, &manners).await.map_err(refused)?;
        Ok(transaction)
    }
}

/// Does `work` in a transaction, and commits it: all of it happens, or nothing.
pub(super) async fn committed<T>(
    url: &str,
    work: impl AsyncFn(&mut PgConnection) -> Result<T, Error>,
) -> Result<T, Error> {
    retrying(async || {
        let mut session = Session::open(url).await?;
        let mut transaction = session.begin().await?;
        let done = work(&mut transaction).await?;
        let outcome = transaction.commit().await;
        outcome.map_err(|source| Error::statement("commit", &source))?;
        Ok(done)
    })
    .await
}

/// Does `work` in a transaction, and takes it back.
pub(super) async fn undone<T>(
    url: &str,
    work: impl AsyncFn(&mut PgConnection) -> Result<T, Error>,
) -> Result<T, Error> {
    retrying(async || {
        let mut session = Session::open(url).await?;
        let mut transaction = session.begin().await?;
        work(&mut transaction).await
    })
    .await
}

/// Tries again with a growing pause while a lock is not free.
async fn retrying<T>(attempt: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(2));
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(Error::Busy { at }) => {
                tracing::warn!(at, "a lock is not free, trying again");
                sleep(backoff.next(fastrand::f64())).await;
            }
            outcome => return outcome,
        }
    }
    attempt().await
}

/// Its version, by number and by name, and whether it is a standby. Asked in one message, because no
/// transaction holds a pooler to one connection yet.
async fn server(connection: &mut PgConnection) -> Result<(i32, String, bool), sqlx::Error> {
    let sql = "select current_setting('server_version_num')::int, \
                      current_setting('server_version'), pg_is_in_recovery()";
    let row = sqlx::raw_sql(sql).fetch_one(connection).await?;
    FromRow::from_row(&row)
}

/// Connects to the first host of the URL that lets us in.
pub async fn connect(url: &str) -> Result<PgConnection, Error> {
    let address = Address::parse(url).map_err(|error| Error::unreachable(&error))?;
    first(&address, async |place| reach(&address, place).await).await
}

async fn reach(address: &Address, place: &Place) -> Result<PgConnection, Error> {
    let connecting = timeout(CONNECT_TIMEOUT, bridge::connect(address, place)).await;
    connecting.unwrap_or_else(|_| {
        Err(Error::Unreachable {
            reason: format!("no answer within {CONNECT_TIMEOUT:?}"),
        })
    })
}

/// What the first address of the URL gives that can be used, or what became of each.
async fn first<T>(
    address: &Address,
    attempt: impl AsyncFn(&Place) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut refused = Vec::new();
    for host in address.hosts() {
        let places = match host.places(CONNECT_TIMEOUT).await {
            Ok(places) => places,
            Err(error) => {
                refused.push((host.name.as_str(), Error::unreachable(&error)));
                continue;
            }
        };
        for place in &places {
            match attempt(place).await {
                Err(error @ (Error::Unreachable { .. } | Error::Standby)) => {
                    refused.push((host.name.as_str(), error));
                }
                outcome => return outcome,
            }
        }
    }
    Err(Error::none_of(refused))
}
