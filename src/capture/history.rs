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
    DatabaseConfig, Error, Transport,
    connect::Session,
    epoch,
    error::chain,
    log,
    row::{LogRow, Xid8, columns_of_change},
    server::Server,
};
use crate::{
    change::{Change, ResyncReason},
    cursor::{Cursor, Snapshot},
    history::{Answer, Question},
    interest::Interest,
    telemetry::Metrics,
};

/// The first row says how far back the others reach: to the newest rows of the log, and to the whole of
/// no large transaction, so that nobody who was away for an hour makes the database read an hour. Then
/// come changes of the rooms asked for: of transactions that were still running at some position and
/// may be far back, and of those from the lowest `xmax` of all positions on.
///
/// Planned for each question, because only constants let Postgres look rooms up in a hash table.
const READ: &str = concat!("
      with bounds as materialized (
           select greatest($2::text::xid8, (select xid from pgbell.change where xid >= $2::text::xid8
                                             order by xid desc offset $4 limit 1)) as lowest)
    select horizon, lowest,
           exists (select from pgbell.change
                    where xid = any ($1::text[]::xid8[]) and xid < lowest offset $4),
           exists (select from pgbell.change where xid >= lowest offset 2 * $4),
           null::xid8, null::timestamptz, null, null, null,
           null::text[], null::text[], null::jsonb, null::jsonb, null
      from pgbell.install, bounds
    union all
    select null, null, null, null, ", columns_of_change!(), "
      from (select * from pgbell.change
             where xid = any ($1::text[]::xid8[]) and xid < (select lowest from bounds)
             limit $4) as late
     where exists (select from unnest(rooms) as room where room = any ($3) or room like '%*')
    union all
    select null, null, null, null, ", columns_of_change!(), "
      from (select * from pgbell.change
             where xid >= (select lowest from bounds)
             order by xid
             limit 2 * $4) as recent
     where exists (select from unnest(rooms) as room where room = any ($3) or room like '%*')");

const TYPES: [Type; 4] = [Type::TEXT_ARRAY, Type::TEXT, Type::TEXT_ARRAY, Type::INT8];

const SETTINGS: &str = "
    set enable_seqscan = off;
    set max_parallel_workers_per_gather = 0;
    set jit = off;
    set default_transaction_read_only = on";

/// Columns that tell how far the read reaches; those of a change follow.
const COLUMNS: usize = 4;

/// Answers questions until nobody asks any more.
pub(super) async fn serve(
    config: DatabaseConfig,
    interest: Interest,
    metrics: Metrics,
    mut questions: mpsc::Receiver<Question>,
) {
    // Connecting, the two statements, and some.
    let bound = config.connect_timeout + config.statement_timeout * 2;
    let mut reader = Reader {
        config,
        interest,
        metrics,
        session: None,
    };
    while let Some(question) = questions.recv().await {
        match timeout(bound, reader.answer(&question)).await {
            // The hub may have stopped.
            Ok(Ok(answer)) => drop(question.answer.send(answer)),
            Ok(Err(error)) => {
                warn!(problem = %chain(&error), "cannot tell clients what they missed")
            }
            Err(_) => warn!(?bound, "what clients missed took too long to read"),
        }
    }
}

struct Reader {
    config: DatabaseConfig,
    interest: Interest,
    metrics: Metrics,
    /// Put back only after an answer: one that failed is followed by a new one.
    session: Option<Session>,
}

impl Reader {
    async fn answer(&mut self, question: &Question) -> Result<Answer, Error> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.connect().await?,
        };
        let stand = log::stand(&session).await?;
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
            *proven = proven.and_then(|()| found.reaches(&since.snapshot));
        }
        self.session = Some(session);
        debug!(
            positions = since.len(),
            changes = found.changes.len(),
            "told what was missed"
        );
        Ok(Answer {
            epoch: stand.here.epoch,
            proven,
            changes: found.changes,
        })
    }

    async fn connect(&self) -> Result<Session, Error> {
        let (_, mut session) = Server::find(&self.config).await?;
        // Polling may go through a pooler, which would hand our settings to others.
        session.is_shared = self.config.transport == Transport::Poll;
        session.set(&self.config, SETTINGS).await?;
        Ok(session)
    }

    async fn read(
        &self,
        session: &Session,
        question: &Question,
        range: &Range,
    ) -> Result<Found, Error> {
        let rooms: Vec<&str> = question.rooms.iter().map(|room| room.as_str()).collect();
        let from = range.from.to_string();
        let limit = i64::from(self.config.read_limit);
        let values: [&(dyn ToSql + Sync); 4] = [&range.running, &from, &rooms, &limit];
        let params = values.into_iter().zip(TYPES);
        let found = self.collect(session, params);
        session.ask("read what clients missed", found).await
    }

    async fn collect<'p>(
        &self,
        session: &Session,
        params: impl Iterator<Item = (&'p (dyn ToSql + Sync), Type)>,
    ) -> Result<Found, tokio_postgres::Error> {
        let rows = session.client.query_typed_raw(READ, params).await?;
        let mut rows = pin!(rows);
        let mut found = Found::default();
        while let Some(row) = rows.try_next().await? {
            found.take(&row, &self.interest, &self.metrics)?;
        }
        Ok(found)
    }
}

/// What has to be read for some positions: as they are given to the statement.
struct Range {
    /// The lowest `xmax`.
    from: u64,
    /// Transactions that were running at any of them.
    running: Vec<String>,
}

impl Range {
    fn of(positions: &[&Snapshot]) -> Option<Self> {
        let from = positions.iter().map(|position| position.xmax).min()?;
        let running = positions.iter().flat_map(|position| &position.running);
        let running: HashSet<u64> = running.copied().collect();
        Some(Self {
            from,
            running: running.iter().map(u64::to_string).collect(),
        })
    }
}

#[derive(Debug, Default)]
struct Found {
    changes: Vec<Change>,
    /// Positions whose `xmax` is not above this may have missed dropped changes.
    horizon: u64,
    /// Of transactions below, only those were read that were running at some position.
    lowest: u64,
    /// Whether not all of those were.
    late_cut_off: bool,
    /// Whether one transaction alone was more than is read.
    cut_off: bool,
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
            self.lowest = row.try_get::<_, Xid8>(1)?.0;
            self.late_cut_off = row.try_get(2)?;
            self.cut_off = row.try_get(3)?;
            return Ok(());
        }
        // Whoever it was for, nobody who came back has seen it.
        let unreadable = |_| LogRow {
            xid: LogRow::xid(row, COLUMNS).unwrap_or(u64::MAX),
            ..LogRow::unreadable()
        };
        let change = LogRow::from_columns(row, COLUMNS).unwrap_or_else(unreadable);
        self.changes
            .extend(change.into_change(&interest.now(), metrics));
        Ok(())
    }

    /// Whether everything since `position` is here.
    fn reaches(&self, position: &Snapshot) -> Result<(), ResyncReason> {
        // The leaf may have been emptied since the position was judged.
        if position.xmax <= self.horizon {
            return Err(ResyncReason::Truncated);
        }
        let late = self.late_cut_off && !position.running.is_empty();
        if self.cut_off || late || position.xmax < self.lowest {
            return Err(ResyncReason::Bulk);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_answered_only_if_every_transaction_it_has_not_seen_was_read() {
        let found = Found {
            horizon: 40,
            lowest: 70,
            ..Found::default()
        };
        let reaches = |found: &Found, text: &str| found.reaches(&text.parse().unwrap());
        assert_eq!(reaches(&found, "70:70:"), Ok(()));
        assert_eq!(reaches(&found, "69:69:"), Err(ResyncReason::Bulk));
        assert_eq!(
            reaches(&found, "45:80:45,60"),
            Ok(()),
            "read because they ran"
        );
        let cut_off = Found {
            late_cut_off: true,
            ..found
        };
        assert_eq!(reaches(&cut_off, "45:80:45"), Err(ResyncReason::Bulk));
        assert_eq!(reaches(&cut_off, "40:40:"), Err(ResyncReason::Truncated));
    }
}
