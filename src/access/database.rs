//! Asks the database what rules with `sql` want to know, as the role that is meant for that.
//!
//! One question is one read-only transaction, always rolled back: the role, the claims and a bound on time are
//! set for that transaction alone, and nothing is prepared, so it may pass through any pooler. All statements
//! are sent at once. Should one fail, the rest fails with the transaction, and whatever fails is no answer.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, task::JoinHandle, time::timeout};
use tokio_postgres::{
    Client, NoTls, Row,
    config::TargetSessionAttrs,
    types::{ToSql, Type},
};

use super::{Question, SqlConfig};

/// How much longer than the server we wait: its own answer says more.
const MARGIN: Duration = Duration::from_millis(500);
/// After a failure to connect, questions are not answered for this long.
const REST: Duration = Duration::from_millis(500);

/// Where the database is.
#[derive(Clone)]
pub struct Link {
    /// As in `database.url`.
    pub url: String,
    /// Bound on connecting and logging in.
    pub connect_timeout: Duration,
}

/// The URL may hold a password.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// What the URL says cannot be used.
    #[error("cannot use database.url: {0}")]
    Url(tokio_postgres::Error),
    /// No connection.
    #[error("cannot connect: {}", told(.0))]
    Connect(tokio_postgres::Error),
    /// No connection in time, or none to be had a moment ago.
    #[error("cannot connect in time")]
    NoConnection,
    /// The server refused.
    #[error("{}", told(.0))]
    Query(tokio_postgres::Error),
    /// The server said nothing.
    #[error("no answer in time")]
    Silence,
}

/// An error of the library names its kind; what the server said is behind that.
fn told(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => format!("{} ({})", said.message(), said.code().code()),
        None => error.to_string(),
    }
}

/// A few connections that are used for nothing else.
#[derive(Debug)]
pub(super) struct Database {
    link: Link,
    bound: Duration,
    /// What every transaction begins with.
    begin: String,
    places: Semaphore,
    idle: Mutex<Vec<Connection>>,
    rests_until: Mutex<Option<Instant>>,
}

/// A connection whose driver stops with it.
#[derive(Debug)]
struct Connection {
    client: Client,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Database {
    pub(super) fn new(link: Link, config: &SqlConfig) -> Self {
        let role = config.role.replace('"', "\"\"");
        let limit = config.timeout.as_millis();
        Self {
            link,
            bound: config.timeout + MARGIN,
            begin: format!(
                "begin read only; set local statement_timeout = {limit}; set local role \"{role}\""
            ),
            places: Semaphore::new(config.connections),
            idle: Mutex::default(),
            rests_until: Mutex::default(),
        }
    }

    /// Whether the database says yes: by a row, unless that is one boolean which is not true.
    pub(super) async fn ask(&self, question: &Question, claims: &str) -> Result<bool, Failure> {
        let _place = self.places.acquire().await;
        let connection = self.connection().await?;
        let asked = timeout(self.bound, connection.ask(&self.begin, question, claims)).await;
        let (answer, is_over) = asked.map_err(|_| Failure::Silence)?;
        if is_over {
            lock(&self.idle).push(connection);
        }
        let row = answer.map_err(Failure::Query)?;
        Ok(row.as_ref().is_some_and(is_yes))
    }

    async fn connection(&self) -> Result<Connection, Failure> {
        loop {
            match lock(&self.idle).pop() {
                Some(idle) if idle.client.is_closed() => {}
                Some(idle) => return Ok(idle),
                None => break,
            }
        }
        if lock(&self.rests_until).is_some_and(|until| Instant::now() < until) {
            return Err(Failure::NoConnection);
        }
        let connected = self.connect().await;
        let rests_until = connected.is_err().then(|| Instant::now() + REST);
        *lock(&self.rests_until) = rests_until;
        connected
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let mut target: tokio_postgres::Config = self.link.url.parse().map_err(Failure::Url)?;
        target
            .application_name("pgbell access")
            .connect_timeout(self.link.connect_timeout)
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .keepalives_idle(Duration::from_secs(10))
            .keepalives_interval(Duration::from_secs(3))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(19));
        let connected = timeout(self.link.connect_timeout, target.connect(NoTls)).await;
        let connected = connected.map_err(|_| Failure::NoConnection)?;
        let (client, connection) = connected.map_err(Failure::Connect)?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection of room rules ended");
            }
        });
        Ok(Connection { client, driver })
    }
}

impl Connection {
    /// The first row, if there is one; and whether the connection can be used again.
    async fn ask(
        &self,
        begin: &str,
        question: &Question,
        claims: &str,
    ) -> (Result<Option<Row>, tokio_postgres::Error>, bool) {
        // The line end ends a comment that the query may end with.
        let query = question
            .sql
            .trim_end_matches(|last: char| last == ';' || last.is_whitespace());
        let query = format!("select * from ({query}\n) as question limit 1");
        let words: Vec<(&(dyn ToSql + Sync), Type)> = question
            .words
            .iter()
            .map(|word| (word as _, Type::TEXT))
            .collect();
        const CLAIMS: &str = "select set_config('request.jwt.claims', $1, true)";
        let claims: [(&(dyn ToSql + Sync), Type); 1] = [(&claims, Type::TEXT)];
        // In this order on the wire: each is sent when it is first polled.
        let (begun, told, rows, over) = tokio::join!(
            biased;
            self.client.batch_execute(begin),
            self.client.query_typed(CLAIMS, &claims),
            self.client.query_typed(&query, &words),
            self.client.batch_execute("rollback"),
        );
        let rows = begun.and(told).and(rows);
        (rows.map(|rows| rows.into_iter().next()), over.is_ok())
    }
}

/// `select may_see($1)` brings a row whatever it says.
fn is_yes(row: &Row) -> bool {
    match row.columns() {
        [only] if *only.type_() == Type::BOOL => {
            matches!(row.try_get::<_, Option<bool>>(0), Ok(Some(true)))
        }
        _ => true,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
