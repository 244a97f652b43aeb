//! What statements would tell. They run for real, in a transaction that is always rolled back.
//!
//! Nothing here knows what becomes of a log row: rows are handed on as JSON, in the form in which the
//! daemon reads payloads, and its own code makes of them what clients are sent.

mod files;
mod moments;
mod plan;
mod silence;
mod statement;
mod watch;

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection, Row, postgres::PgRow};

use crate::install::{
    Error, LOCK_TIMEOUT, SqlFile,
    query::{self, query, query_as, query_scalar},
    session::Session,
};

pub use files::Tried;
pub use moments::{Fate, Moment, Moments};
pub use plan::{Timing, TriggerTime};
use statement::Way;

/// How much longer than the server we wait for a statement: its own answer says more.
const MARGIN: Duration = Duration::from_secs(5);

/// Rows in the order in which the daemon reads them, each as the JSON of a payload.
const ROWS: &str = r#"
    select json_build_object(
               'xid', xid,
               'at', to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               'entity', entity, 'id', id, 'op', op, 'events', events, 'rooms', rooms,
               'old', old, 'new', new, 'origin', origin)::text
      from pgbell.change
     where xid = pg_current_xact_id()
     order by tableoid, ctid
     limit $1"#;

/// What is to be traced.
#[derive(Clone, Debug)]
pub struct Request {
    /// Run one after the other in one transaction.
    pub statements: Vec<String>,
    /// Edited trigger files, tried before.
    pub files: Vec<SqlFile>,
    /// Longest time for each statement.
    pub timeout: Duration,
    /// Most rows of the log that are fetched.
    pub most_rows: u32,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Traced {
    /// Where the log stood.
    pub cursor: String,
    /// What the edited files did.
    pub files: Vec<Tried>,
    /// What was run.
    pub statements: Vec<Ran>,
    /// The log rows, as JSON in the form of a payload, as many as were asked for.
    pub rows: Vec<String>,
    /// How many there were.
    pub rows_in_all: u64,
    /// What was done to the schedule.
    pub moments: Moments,
    /// What keeps changes from being logged that somebody may have wanted to be told.
    pub faults: Vec<String>,
    /// Why nothing was logged, where all is as it should be.
    pub silent_because: Vec<String>,
}

/// A statement that was run.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The statement.
    pub sql: String,
    /// Until its answer was here, in milliseconds.
    pub ms: f64,
    /// Where the time went, of statements that EXPLAIN takes.
    pub timing: Option<Timing>,
}

/// Whether a statement can be traced; what to do if not.
pub fn judge(sql: &str) -> Result<(), &'static str> {
    statement::way(sql).map(drop)
}

/// Runs what is asked for and rolls it back.
///
/// # Errors
/// When the server refuses something or takes too long, or the role may not look.
pub async fn trace(url: &str, request: &Request) -> Result<Traced, Error> {
    let steps = request.statements.len() + request.files.len() + 1;
    let bound = (request.timeout + MARGIN) * u32::try_from(steps).unwrap_or(u32::MAX);
    let tracing = async {
        let mut session = Session::open(url).await?;
        look_before(&mut *session.look().await?).await?;
        run(session.connection(), request).await
    };
    let outcome = tokio::time::timeout(bound, tracing).await;
    outcome.unwrap_or_else(|_| Err(Error::Slow { at: "trace".into() }))
}

/// Whether there is something to look at, and the role may.
async fn look_before(connection: &mut PgConnection) -> Result<(), Error> {
    let look = |source| refused("look at schema pgbell", &source);
    let there = "select to_regclass('pgbell.change') is not null and to_regclass('pgbell.schedule') is not null";
    let (is_there,): (bool,) = query_as(there)
        .fetch_one(&mut *connection)
        .await
        .map_err(look)?;
    if !is_there {
        return Err(Error::NotInstalled);
    }
    let rights = "select has_table_privilege('pgbell.change', 'select')
                     and has_table_privilege('pgbell.schedule', 'select'),
                         current_user::text,
                         exists (select from pg_trigger
                                   join pg_proc on pg_proc.oid = tgfoid
                                  where tgrelid = 'pgbell.change'::regclass and tgname = 'carry'
                                    and tgenabled <> 'D' and prosrc not like '%pgbell.tracing%')";
    let (may_read, role, swallows): (bool, String, bool) =
        query_as(rights).fetch_one(connection).await.map_err(look)?;
    if !may_read {
        return Err(Error::NoLook { role });
    }
    if swallows {
        return Err(Error::Refused {
            at: "look at schema pgbell".into(),
            reason: "the transport is payload, and the installed pgbell.carry() stores nothing to look at; \
                     run pgbell install, which brings it up to date"
                .into(),
        });
    }
    Ok(())
}

async fn run(connection: &mut PgConnection, request: &Request) -> Result<Traced, Error> {
    let at = "begin";
    let ms = request.timeout.as_millis();
    let begin = "begin isolation level read committed read write";
    let mut transaction = connection
        .begin_with(begin)
        .await
        .map_err(|source| refused(at, &source))?;
    let connection = &mut *transaction;
    let manners = format!(
        "set local application_name = 'pgbell trace';
         set local lock_timeout = '{LOCK_TIMEOUT}';
         set local statement_timeout = {ms};
         set local idle_in_transaction_session_timeout = {ms};
         set local pgbell.tracing = 'on'"
    );
    simple(connection, at, &manners).await?;
    let position: (String,) = ask(connection, "select pgbell.cursor()").await?;
    let begun: (Option<String>,) = ask(connection, "select pg_current_xact_id()::text").await?;

    let tried = match request.files.as_slice() {
        [] => Vec::new(),
        files => files::try_files(connection, files).await?,
    };
    simple(connection, at, "savepoint statements").await?;
    let mut statements = Vec::new();
    for (number, sql) in request.statements.iter().enumerate() {
        let at = match request.statements.len() {
            1 => "the statement".to_owned(),
            _ => format!("statement {}", number + 1),
        };
        statements.push(run_statement(connection, &at, sql).await?);
    }
    // What was put off until the commit belongs to it.
    simple(connection, "at its end", "set constraints all immediate").await?;
    simple(connection, "at its end", "reset role").await?;
    let ended = "select pg_current_xact_id_if_assigned()::text";
    if ask::<(Option<String>,)>(connection, ended).await? != begun {
        return Err(Error::Refused {
            at: "the statement".into(),
            reason: "it ended the transaction of the trace; look whether it was committed".into(),
        });
    }
    let looked = look_after(connection, request.most_rows).await;
    let (watch, rows, rows_in_all, now) = looked.map_err(|source| refused("look", &source))?;
    simple(connection, "look", "rollback to savepoint statements").await?;
    let before = moments::look(connection).await;
    let before = before.map_err(|source| refused("look", &source))?;
    let undone = transaction.rollback().await;
    undone.map_err(|source| refused("rollback", &source))?;

    for ran in statements.iter_mut().filter_map(|ran| ran.timing.as_mut()) {
        for trigger in &mut ran.triggers {
            trigger.is_ours = watch.is_ours(&trigger.name);
        }
    }
    let (faults, others): (Vec<_>, Vec<_>) = watch
        .reasons()
        .into_iter()
        .partition(|reason| reason.is_fault);
    let silence = others.into_iter().filter(|_| rows_in_all == 0);
    let text = |reason: silence::Reason| reason.text;
    Ok(Traced {
        cursor: position.0,
        files: tried,
        statements,
        faults: faults.into_iter().map(text).collect(),
        silent_because: silence.map(text).collect(),
        rows,
        rows_in_all,
        moments: moments::difference(before, now),
    })
}

async fn run_statement(connection: &mut PgConnection, at: &str, sql: &str) -> Result<Ran, Error> {
    let way = statement::way(sql).map_err(|reason| Error::Refused {
        at: at.to_owned(),
        reason: reason.to_owned(),
    })?;
    let begun = Instant::now();
    let answer = match way {
        Way::Plain => query(sql).execute(connection).await.map(|_| None),
        Way::Explained => {
            // A comment at its end must not swallow anything, and none is behind it.
            let explain = format!("explain (analyze, format json) {sql}");
            let row = query(&explain).fetch_one(connection).await;
            row.map(|row| text(&row))
        }
    };
    let answer = answer.map_err(|source| refused(at, &source))?;
    Ok(Ran {
        sql: sql.to_owned(),
        ms: begun.elapsed().as_secs_f64() * 1000.0,
        timing: answer.as_deref().and_then(Timing::parse),
    })
}

/// What the driver takes for JSON is text.
fn text(row: &PgRow) -> Option<String> {
    row.try_get_unchecked(0).ok()
}

type Looked = (silence::Watch, Vec<String>, u64, moments::Look);

async fn look_after(connection: &mut PgConnection, most_rows: u32) -> Result<Looked, sqlx::Error> {
    let watch = watch::watch(connection).await?;
    let rows: Vec<String> = query_scalar(ROWS)
        .bind(i64::from(most_rows))
        .fetch_all(&mut *connection)
        .await?;
    let count = "select count(*) from pgbell.change where xid = pg_current_xact_id()";
    let (count,): (i64,) = query_as(count).fetch_one(&mut *connection).await?;
    let now = moments::look(connection).await?;
    Ok((watch, rows, count.unsigned_abs(), now))
}

async fn ask<O>(connection: &mut PgConnection, sql: &str) -> Result<O, Error>
where
    O: for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin,
{
    let row = query_as(sql).fetch_one(connection).await;
    row.map_err(|source| refused("look", &source))
}

async fn simple(connection: &mut PgConnection, at: &str, sql: &str) -> Result<(), Error> {
    let ran = query::run(connection, sql).await;
    ran.map_err(|source| refused(at, &source))
}

fn refused(at: &str, source: &sqlx::Error) -> Error {
    Error::traced(at, source)
}
