//! What clients missed, read from the log for all who ask at a time.
//!
//! On a connection of its own, made when the first client asks, so that reading what is new never
//! waits for what is old.

use std::{collections::HashSet, pin::pin};

use futures_util::TryStreamExt;
use tokio::{sync::mpsc, time::timeout};
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};
use tracing::{debug, warn};

use super::{
    DatabaseConfig, Error, connect, epoch,
    error::chain,
    log,
    row::{LogRow, Xid8},
};
use crate::{
    change::{Change, ResyncReason},
    cursor::{Cursor, Snapshot},
    history::{Answer, Question},
    interest::Interest,
    telemetry::Metrics,
};

/// The first row is the horizon. Then come changes of the rooms asked for, newest first, so that the
/// limit cuts off what only the oldest positions need: after those of transactions that were still
/// running at some position, which may be far back, those from the lowest `xmax` on.
///
/// Planned for each question, because only constants let Postgres look rooms up in a hash table.
const READ: &str = "
    select horizon, false, null::xid8, null::timestamptz, null, null, null, null::text[], null::text[],
           null::jsonb, null::jsonb, null
      from pgbell.install
    union all
   (select null::xid8, true, xid, at, entity, id, op, events, rooms, old, new, origin
      from pgbell.change
     where xid = any ($1::text[]::xid8[]) and xid < $2::text::xid8 and
           exists (select from unnest(rooms) as room where room = any ($3) or room like '%*')
     order by xid desc
     limit $4)
    union all
   (select null::xid8, false, xid, at, entity, id, op, events, rooms, old, new, origin
      from pgbell.change
     where xid >= $2::text::xid8 and
           exists (select from unnest(rooms) as room where room = any ($3) or room like '%*')
     order by xid desc
     limit $4)";

const TYPES: [Type; 4] = [Type::TEXT_ARRAY, Type::TEXT, Type::TEXT_ARRAY, Type::INT8];

const SETTINGS: &str = "
    set enable_seqscan = off;
    set max_parallel_workers_per_gather = 0;
    set jit = off;
    set default_transaction_read_only = on";

/// Columns before those of a change: the horizon, and whether the change was running somewhere.
const COLUMNS: usize = 2;

/// Answers questions until nobody asks any more.
pub(super) async fn serve(
    config: DatabaseConfig,
    interest: Interest,
    metrics: Metrics,
    mut questions: mpsc::Receiver<Question>,
) {
    let mut session = None;
    while let Some(question) = questions.recv().await {
        let mut reader = Reader {
            config: &config,
            interest: &interest,
            metrics: &metrics,
            session: session.take(),
        };
        // Connecting, the two statements, and some.
        let bound = config.connect_timeout + config.statement_timeout * 2;
        match timeout(bound, reader.answer(&question)).await {
            Ok(Ok(answer)) => {
                session = reader.session;
                // The hub may have stopped.
                let _ = question.answer.send(answer);
            }
            Ok(Err(error)) => {
                warn!(problem = %chain(&error), "cannot tell clients what they missed")
            }
            Err(_) => warn!(?bound, "what clients missed took too long to read"),
        }
    }
}

struct Reader<'a> {
    config: &'a DatabaseConfig,
    interest: &'a Interest,
    metrics: &'a Metrics,
    /// Put back only after an answer: one that failed is followed by a new one.
    session: Option<connect::Session>,
}

impl Reader<'_> {
    async fn answer(&mut self, question: &Question) -> Result<Answer, Error> {
        let session = match self.session.take() {
            Some(session) => session,
            None => connect::session(self.config, SETTINGS).await?,
        };
        let stand = log::stand(&session.client).await?;
        let judge = |since: &Cursor| {
            epoch::judge(
                since,
                &stand.here.epoch,
                &stand.here.snapshot,
                stand.horizon,
            )
        };
        let mut proven: Vec<_> = question.since.iter().map(judge).collect();
        let known = question.since.iter().zip(&proven);
        let known = known.filter(|(_, proven)| proven.is_ok());
        let since: Vec<&Snapshot> = known.map(|(since, _)| &since.snapshot).collect();
        let mut found = Found::default();
        if let Some(range) = Range::of(&since) {
            found = self.read(&session, question, &range).await?;
        }
        for (since, proven) in question.since.iter().zip(&mut proven) {
            let reaches = || found.reaches(&since.snapshot, self.config.read_limit as usize);
            *proven = proven.and_then(|()| reaches());
        }
        self.session = Some(session);
        found.changes.reverse();
        debug!(
            positions = since.len(),
            changes = found.changes.len(),
            "told what was missed"
        );
        Ok(Answer {
            proven,
            changes: found.changes,
        })
    }

    async fn read(
        &self,
        session: &connect::Session,
        question: &Question,
        range: &Range,
    ) -> Result<Found, Error> {
        let rooms: Vec<&str> = question.rooms.iter().map(|room| room.as_str()).collect();
        let limit = i64::from(self.config.read_limit) + 1;
        let values: [&(dyn ToSql + Sync); 4] = [&range.running, &range.from, &rooms, &limit];
        let params = values.into_iter().zip(TYPES);
        let failed = || Error::query("read what clients missed");
        let rows = session
            .client
            .query_typed_raw(READ, params)
            .await
            .map_err(failed())?;
        let mut rows = pin!(rows);
        let mut found = Found::default();
        while let Some(row) = rows.try_next().await.map_err(failed())? {
            found
                .take(&row, self.interest, self.metrics)
                .map_err(failed())?;
        }
        Ok(found)
    }
}

/// What has to be read for some positions: as they are given to the statement.
struct Range {
    /// The lowest `xmax`.
    from: String,
    /// Transactions that were running at any of them.
    running: Vec<String>,
}

impl Range {
    fn of(positions: &[&Snapshot]) -> Option<Self> {
        let from = positions.iter().map(|position| position.xmax).min()?;
        let running = positions.iter().flat_map(|position| &position.running);
        let running: HashSet<u64> = running.copied().collect();
        Some(Self {
            from: from.to_string(),
            running: running.iter().map(u64::to_string).collect(),
        })
    }
}

#[derive(Debug, Default)]
struct Found {
    horizon: u64,
    /// Newest first.
    changes: Vec<Change>,
    /// Rows of transactions that were running at some position.
    late: usize,
    /// The others.
    rows: usize,
    /// The lowest transaction of those.
    lowest: u64,
}

impl Found {
    fn take(
        &mut self,
        row: &Row,
        interest: &Interest,
        metrics: &Metrics,
    ) -> Result<(), tokio_postgres::Error> {
        if let Some(Xid8(horizon)) = row.try_get(0)? {
            self.horizon = horizon;
            return Ok(());
        }
        if row.try_get(1)? {
            self.late += 1;
        } else {
            self.rows += 1;
            self.lowest = LogRow::xid(row, COLUMNS)?;
        }
        let change = LogRow::from_columns(row, COLUMNS).unwrap_or_else(|_| LogRow::unreadable());
        self.changes
            .extend(change.into_change(&interest.now(), metrics));
        Ok(())
    }

    /// Whether everything since `position` is here.
    fn reaches(&self, position: &Snapshot, limit: usize) -> Result<(), ResyncReason> {
        // The leaf may have been emptied since the position was judged.
        if position.xmax <= self.horizon {
            return Err(ResyncReason::Truncated);
        }
        let needs = |xid: u64| xid <= self.lowest;
        let running_too = || position.running.iter().any(|xid| needs(*xid));
        let cut_off = self.rows > limit && (needs(position.xmax) || running_too());
        let cut_off_late = self.late > limit && !position.running.is_empty();
        if cut_off || cut_off_late {
            return Err(ResyncReason::Bulk);
        }
        Ok(())
    }
}
