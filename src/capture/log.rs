//! Reading the change log by snapshot difference.
//!
//! One statement returns its own snapshot and the rows that became visible since the previous one:
//! those at or past its `xmax`, and those of transactions that were running then. No commit is
//! skipped, whatever the order, and none waits for a long transaction.

use std::{pin::pin, time::Duration};

use futures_util::TryStreamExt;
use tokio::time::sleep;
use tokio_postgres::{
    Row, Statement,
    types::{PgLsn, ToSql, Type},
};
use tracing::warn;

use super::{
    Capture, Error,
    connect::Session,
    position::{Incarnation, Lsn, last_record},
    revocations,
    row::{LogRow, Xid8, columns_of_change},
    signature::Key,
};
use crate::{
    access::Guard,
    change::Change,
    cursor::{Cursor, Snapshot},
    interest::{Generation, Interest},
    telemetry::Metrics,
};

/// The first row describes the read; the others are changes. The snapshot the function returns is
/// the one the statement reads with. Parts of the union run in order, but nothing relies on it.
const READ: &str = concat!(
    "
    select pg_current_snapshot()::text,
           (select coalesce(horizon, '0') from pgbell.install),
           pg_sequence_last_value('pgbell.doorbell') is not null,
           (select (extract(epoch from min(due_at)) - extract(epoch from clock_timestamp()))::float8
              from pgbell.schedule),
           pg_current_wal_insert_lsn(), pg_current_wal_flush_lsn(),
           null::xid8, null::timestamptz, null, null, null, null::text[], null::text[],
           null::jsonb, null::jsonb, null
    union all
    select null, null, null, null, null, null, ",
    columns_of_change!(),
    "
      from pgbell.change
     where xid = any (array(select pg_snapshot_xip($1::text::pg_snapshot)))
    union all
    select null, null, null, null, null, null, ",
    columns_of_change!(),
    "
      from pgbell.change
     where xid >= pg_snapshot_xmax($1::text::pg_snapshot)
     limit $2"
);

/// The statement is planned once, perhaps while the log is empty, and then used on a log of any
/// size: only index scans are good plans for it. `read only` because reading is all it may do.
const SETTINGS: &str = "
    set enable_seqscan = off;
    set enable_bitmapscan = off;
    set max_parallel_workers_per_gather = 0;
    set jit = off;
    set plan_cache_mode = force_generic_plan;
    set default_transaction_read_only = on";

/// Columns that describe the read; those of a change follow.
const COLUMNS: usize = 6;

/// Time between looks at whether the WAL is on disk; its writer wakes up every 200 ms.
const FLUSH_LOOK: Duration = Duration::from_millis(20);
const MAX_FLUSH_LOOKS: u32 = 500;

/// Where the log stands at one moment.
#[derive(Debug)]
pub(super) struct Stand {
    /// The position.
    pub(super) here: Cursor,
    /// Positions whose `xmax` is not above this may have missed dropped changes.
    pub(super) horizon: u64,
    /// The end of the WAL, a moment after the position.
    pub(super) written: Lsn,
    /// Another one after each crash of the server.
    pub(super) incarnation: Incarnation,
}

/// Asks where the log stands.
pub(super) async fn stand(session: &Session) -> Result<Stand, Error> {
    // Recovery from a crash discards the server's statistics, an orderly restart keeps them.
    let query = "select pgbell.epoch(), pg_current_snapshot()::text, horizon,
                        pg_current_wal_insert_lsn(), (select stats_reset::text from pg_stat_bgwriter)
                   from pgbell.install";
    let row = session.row("read the position", query, &[]).await?;
    let snapshot = row.get::<_, &str>(1).parse();
    Ok(Stand {
        here: Cursor {
            epoch: row.get::<_, &str>(0).into(),
            snapshot: snapshot.map_err(|_| Error::NoPosition)?,
        },
        horizon: row.get::<_, Xid8>(2).0,
        written: row.get::<_, PgLsn>(3).into(),
        incarnation: row.get(4),
    })
}

/// Asks what changes inside notifications are signed with.
pub(super) async fn payload_key(session: &Session) -> Result<Key, Error> {
    let query = "select payload_key from pgbell.install";
    let row = session.row("read the key of payloads", query, &[]).await?;
    Ok(Key(row.get(0)))
}

/// What one read brought.
#[derive(Debug)]
pub(super) struct Read {
    /// The position after it.
    pub(super) snapshot: Snapshot,
    /// The end of the WAL, a moment after `snapshot`.
    pub(super) written: Lsn,
    /// How far the WAL is on disk.
    pub(super) flushed: Lsn,
    /// Positions whose `xmax` is not above this may have missed dropped changes.
    pub(super) horizon: u64,
    /// Whether writers are told not to ring.
    pub(super) muted: bool,
    /// Time until the next scheduled change; zero if it is late.
    pub(super) next_due: Option<Duration>,
    /// How far interest had got when the read began.
    pub(super) interest: Generation,
    /// The changes that somebody would be told of.
    pub(super) changes: Vec<Change>,
    /// How many transactions they come from, as a measure of how often writers would ring.
    pub(super) commits: u64,
    /// Whether more changes became visible than one read takes.
    pub(super) overflowed: bool,
}

/// A connection that reads the log.
#[derive(Debug)]
pub(super) struct LogReader {
    session: Session,
    /// `None` where statements cannot be prepared.
    read: Option<Statement>,
    limit: u32,
    interest: Interest,
    guard: Guard,
    metrics: Metrics,
}

impl LogReader {
    /// Makes a session one that reads the log.
    pub(super) async fn start(capture: &Capture, session: Session) -> Result<Self, Error> {
        session.set(&capture.database, SETTINGS).await?;
        let read = match session.is_shared {
            true => None,
            false => {
                let read = session.client.prepare(READ);
                Some(session.ask("prepare to read the log", read).await?)
            }
        };
        Ok(Self {
            session,
            read,
            limit: capture.database.read_limit,
            interest: capture.interest.clone(),
            guard: capture.guard.clone(),
            metrics: capture.metrics.clone(),
        })
    }

    /// Where the log stands.
    pub(super) async fn stand(&self) -> Result<Stand, Error> {
        stand(&self.session).await
    }

    /// Finds out who was revoked by now.
    pub(super) async fn load_revocations(&self) -> Result<(), Error> {
        revocations::load(&self.session, &self.guard).await
    }

    /// Waits until the WAL is on disk up to `written`, which its writer sees to by itself.
    pub(super) async fn flushed(&self, written: Lsn) -> Result<(), Error> {
        for _ in 0..MAX_FLUSH_LOOKS {
            if self.flush_position().await? >= last_record(written) {
                return Ok(());
            }
            sleep(FLUSH_LOOK).await;
        }
        Err(Error::NotFlushed)
    }

    /// How far the WAL is on disk.
    pub(super) async fn flush_position(&self) -> Result<Lsn, Error> {
        let query = "select pg_current_wal_flush_lsn()";
        let row = self.session.row("look at the disk", query, &[]).await?;
        Ok(row.get::<_, PgLsn>(0).into())
    }

    /// What became visible since `previous`.
    pub(super) async fn read(&self, previous: &Snapshot) -> Result<Read, Error> {
        let (previous, limit) = (previous.to_string(), i64::from(self.limit) + 2);
        let interest = self.interest.generation();
        let found = self.collect(&previous, limit);
        let found = self.session.ask("read the log", found).await?;
        self.metrics.log_reads.inc();
        self.metrics.changes.inc_by(found.rows);
        let mut read = found.read.ok_or(Error::NoPosition)?;
        read.overflowed = found.rows > u64::from(self.limit);
        read.commits = found.commits;
        read.interest = interest;
        read.changes = found.changes;
        Ok(read)
    }

    async fn collect(&self, previous: &str, limit: i64) -> Result<Found, tokio_postgres::Error> {
        let client = &self.session.client;
        let params: [&(dyn ToSql + Sync); 2] = [&previous, &limit];
        let stream = match &self.read {
            Some(read) => client.query_raw(read, params).await?,
            None => {
                let params = params.into_iter().zip([Type::TEXT, Type::INT8]);
                client.query_typed_raw(READ, params).await?
            }
        };
        let mut stream = pin!(stream);
        let mut found = Found::default();
        while let Some(row) = stream.try_next().await? {
            match description(&row)? {
                Some(description) => found.read = Some(description),
                None => found.take(&row, &self.interest, &self.metrics),
            }
        }
        Ok(found)
    }
}

/// What a read has brought so far.
#[derive(Debug, Default)]
struct Found {
    read: Option<Read>,
    changes: Vec<Change>,
    rows: u64,
    commits: u64,
    last: Option<u64>,
}

impl Found {
    /// Takes in a row. One that cannot be read must not hold up those behind it: whoever it was for,
    /// everybody is told to look.
    fn take(&mut self, row: &Row, interest: &Interest, metrics: &Metrics) {
        self.rows += 1;
        if let Err(error) = self.decode(row, interest, metrics) {
            warn!(%error, "a row of the log cannot be read: every room resyncs");
            self.changes
                .extend(LogRow::unreadable().into_change(&interest.now(), metrics));
        }
    }

    fn decode(
        &mut self,
        row: &Row,
        interest: &Interest,
        metrics: &Metrics,
    ) -> Result<(), tokio_postgres::Error> {
        // Rows of one transaction stand together more often than not, which is near enough for a rate.
        let xid = LogRow::xid(row, COLUMNS)?;
        if self.last.replace(xid) != Some(xid) {
            self.commits += 1;
        }
        let interested = interest.now();
        if LogRow::is_wanted(row, COLUMNS, &interested)? {
            let row = LogRow::from_columns(row, COLUMNS)?;
            self.changes.extend(row.into_change(&interested, metrics));
        }
        Ok(())
    }
}

fn description(row: &Row) -> Result<Option<Read>, tokio_postgres::Error> {
    let snapshot: Option<&str> = row.try_get(0)?;
    let Some(snapshot) = snapshot.and_then(|text| text.parse().ok()) else {
        return Ok(None);
    };
    let next_due: Option<f64> = row.try_get(3)?;
    let lsn = |column| {
        row.try_get::<_, Option<PgLsn>>(column)
            .map(|lsn| lsn.map_or(0, u64::from))
    };
    Ok(Some(Read {
        snapshot,
        interest: 0,
        written: lsn(4)?,
        flushed: lsn(5)?,
        horizon: row.try_get::<_, Option<Xid8>>(1)?.map_or(0, |xid| xid.0),
        muted: row.try_get::<_, Option<bool>>(2)?.unwrap_or(false),
        // A date too far away for a Duration is not due while this process lives.
        next_due: next_due.and_then(|secs| Duration::try_from_secs_f64(secs.max(0.0)).ok()),
        changes: Vec::new(),
        commits: 0,
        overflowed: false,
    }))
}
