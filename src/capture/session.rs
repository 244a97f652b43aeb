//! One set of connections, from LISTEN to the first failure.

use std::{
    future::pending,
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::sleep};
use tracing::{debug, info, warn};

use super::{
    Capture, Error, Transport,
    doorbell::{Doorbell, Seen, Wish},
    epoch,
    listener::{Heard, Listener},
    log::{self, LogReader, Read, Stand},
    position::Position,
    probe, revocations,
    row::LogRow,
    server::Server,
    upkeep::Upkeep,
};
use crate::{
    change::{Captured, Change, ResyncReason},
    cursor::Cursor,
    interest::Generation,
    sabotage::Step,
};

/// Time between looks at whether the WAL that cursors wait for is on disk.
const FLUSH_PATIENCE: Duration = Duration::from_millis(50);

/// Captures until something fails, or returns `Ok` when nobody takes what is captured.
///
/// `position` is moved only after what was read has been handed on, so a session that is cut off
/// anywhere is continued by the next without loss.
pub(super) async fn run(capture: &Capture, position: &mut Option<Position>) -> Result<(), Error> {
    let (server, mut first) = Server::find(&capture.database).await?;
    let mut second = server.session().await?;
    // LISTEN before the first read: what commits between the two is heard, and read again.
    let listener = match (
        capture.database.transport,
        probe::shared(&first, &second).await?,
    ) {
        (Transport::Poll, is_shared) => {
            (first.is_shared, second.is_shared) = (is_shared, is_shared);
            None
        }
        (Transport::Doorbell | Transport::Payload, true) => return Err(Error::Pooler),
        (Transport::Doorbell, false) => Some(Listener::start(&server, None).await?),
        (Transport::Payload, false) => {
            let key = log::payload_key(&first).await?;
            Some(Listener::start(&server, Some(key)).await?)
        }
    };
    let upkeep = Upkeep::new(capture, second);
    // Nothing is set, and clients are not told that all is well, before a notification has come
    // through: through a pooler it would be set for others.
    upkeep.beat(listener.as_ref()).await?;
    upkeep.prepare().await?;
    let log = LogReader::start(capture, first).await?;
    let (next_due, due) = watch::channel(None);
    let mut session = Session {
        capture,
        listener: listener.as_ref(),
        log,
        upkeep: &upkeep,
        doorbell: Doorbell::new(&capture.database, Instant::now()),
        interest: 0,
        next_due,
        heeded: Instant::now(),
    };
    if !session.resume(position).await? {
        return Ok(());
    }
    tokio::select! {
        ended = session.follow(position) => ended,
        ended = upkeep.run(&server, listener.as_ref(), due) => ended,
    }
}

struct Session<'a> {
    capture: &'a Capture,
    listener: Option<&'a Listener>,
    log: LogReader,
    upkeep: &'a Upkeep<'a>,
    doorbell: Doorbell,
    /// The interest that those behind us know to be heeded.
    interest: Generation,
    next_due: watch::Sender<Option<tokio::time::Instant>>,
    /// When a ring was last heeded.
    heeded: Instant,
}

impl Session<'_> {
    /// Finds out whether the position of an earlier session can be continued, and tells the gap if
    /// not. Returns false if nobody takes what is captured.
    async fn resume(&mut self, position: &mut Option<Position>) -> Result<bool, Error> {
        let interest = self.capture.interest.generation();
        let Stand {
            here,
            horizon,
            written,
            incarnation,
        } = self.log.stand().await?;
        let Some(previous) = position.as_mut().filter(|_| !Step::CatchUp.is_left_out()) else {
            self.log.flushed(written).await?;
            self.log.load_revocations().await?;
            let start = position.insert(Position::start(here, incarnation));
            self.interest = interest;
            return Ok(self.hand_on_batch(Vec::new(), start).await);
        };
        previous.reconnect(incarnation);
        let continued = previous.at(previous.read().clone());
        let judged = epoch::judge(&continued, &here.epoch, &here.snapshot, horizon);
        let lost = match (judged, self.capture.database.transport) {
            (Err(reason), _) => reason,
            // What travelled inside notifications is stored nowhere.
            (Ok(()), Transport::Payload) => ResyncReason::Gap,
            (Ok(()), _) => return Ok(true),
        };
        self.log.flushed(written).await?;
        self.tell_gap(lost, here, interest, position).await
    }

    /// Reads whenever the bell rings, and often enough without.
    async fn follow(&mut self, position: &mut Option<Position>) -> Result<(), Error> {
        let mut caught_up = false;
        loop {
            let heard = match self.listener {
                Some(listener) => listener.take()?,
                None => Heard::default(),
            };
            self.capture.metrics.rings.inc_by(heard.rings);
            self.capture
                .metrics
                .foreign_notifications
                .inc_by(heard.foreign);
            self.doorbell.rang(heard.rings);
            if heard.muted {
                self.doorbell.heard_muted();
            }
            let Some(previous) = position.as_ref() else {
                return Err(Error::NoPosition);
            };
            let read = self.log.read(previous.read()).await?;
            let seen = Seen {
                muted: read.muted,
                xmin: read.snapshot.xmin,
                commits: read.commits,
            };
            let due = read
                .next_due
                .and_then(|left| tokio::time::Instant::now().checked_add(left));
            self.next_due.send_replace(due);
            if !self.take(heard, read, position).await? {
                return Ok(());
            }
            if !std::mem::replace(&mut caught_up, true) {
                self.capture.live();
            }
            self.doorbell.crowded(self.upkeep.is_crowded());
            if let Some(wish) = self.doorbell.after_read(seen, Instant::now()) {
                self.grant(wish).await?;
            } else {
                self.publish();
                if !self.wait(position).await? {
                    return Ok(());
                }
            }
        }
    }

    /// Hands on what a read and the notifications brought. Returns false if nobody takes it.
    async fn take(
        &mut self,
        heard: Heard,
        read: Read,
        position: &mut Option<Position>,
    ) -> Result<bool, Error> {
        let Some(previous) = position.as_ref() else {
            return Err(Error::NoPosition);
        };
        let lost = if previous.read().xmax <= read.horizon {
            Some(ResyncReason::Truncated)
        } else if heard.overflowed {
            Some(ResyncReason::Gap)
        } else {
            read.overflowed.then_some(ResyncReason::Bulk)
        };
        if let Some(reason) = lost {
            self.log.flushed(read.written).await?;
            let here = previous.at(read.snapshot);
            return self.tell_gap(reason, here, read.interest, position).await;
        }
        let payloads = heard.payloads.iter();
        let mut changes = read.changes;
        changes.extend(payloads.filter_map(|payload| self.parse(payload)));

        if changes.iter().any(revocations::may_hide_one) {
            self.log.load_revocations().await?;
        }
        let mut next = previous.clone();
        let moved = next.advance(read.snapshot, read.written, read.flushed);
        let heeds_more = std::mem::replace(&mut self.interest, read.interest) != read.interest;
        if changes.is_empty() && !moved && !heeds_more {
            return Ok(true);
        }
        let taken = self.hand_on_batch(changes, &next).await;
        *position = Some(next);
        Ok(taken)
    }

    async fn hand_on_batch(&self, changes: Vec<Change>, position: &Position) -> bool {
        let batch = Captured::Batch {
            changes,
            cursor: position.durable(),
            reached: position.reached(self.interest),
        };
        self.hand_on(batch).await
    }

    fn parse(&self, payload: &str) -> Option<Change> {
        self.capture.metrics.changes.inc();
        let row = serde_json::from_str(payload).unwrap_or_else(|error| {
            warn!(%error, "a notification holds no change that can be read: every room resyncs");
            LogRow::unreadable()
        });
        row.into_change(&self.capture.interest.now(), &self.capture.metrics)
    }

    async fn tell_gap(
        &self,
        reason: ResyncReason,
        here: Cursor,
        interest: Generation,
        position: &mut Option<Position>,
    ) -> Result<bool, Error> {
        info!(
            reason = reason.as_str(),
            "changes cannot be accounted for: every room resyncs"
        );
        let Some(mut next) = position.clone() else {
            return Err(Error::NoPosition);
        };
        // What was revoked in the gap is known before anybody is told of it.
        self.log.load_revocations().await?;
        next.skip_to(here);
        let gap = Captured::Gap {
            reason,
            cursor: next.durable(),
            reached: next.reached(interest),
        };
        let taken = self.hand_on(gap).await;
        *position = Some(next);
        Ok(taken)
    }

    async fn hand_on(&self, captured: Captured) -> bool {
        self.capture.captured.send(captured).await.is_ok()
    }

    async fn grant(&mut self, wish: Wish) -> Result<(), Error> {
        let xid = self.upkeep.grant(wish).await?;
        match wish {
            Wish::Mute => self.doorbell.muted(Instant::now()),
            Wish::Arm => self.doorbell.armed(xid, Instant::now()),
        }
        debug!(?wish, "doorbell");
        self.publish();
        Ok(())
    }

    fn publish(&self) {
        let state = self.doorbell.state();
        let muted = state == crate::status::DoorbellState::Muted;
        self.capture.metrics.doorbell_muted.set(i64::from(muted));
        self.capture
            .status
            .send_if_modified(|status| std::mem::replace(&mut status.doorbell, state) != state);
    }

    /// Waits until something rings or patience ends, and looks meanwhile whether more may be handed
    /// out. Returns false if nobody takes it.
    async fn wait(&mut self, position: &mut Option<Position>) -> Result<bool, Error> {
        let patience = self.doorbell.patience();
        let until = Instant::now() + patience;
        let rested = self.heeded + self.doorbell.rest();
        sleep(rested.saturating_duration_since(Instant::now())).await;
        if patience > FLUSH_PATIENCE {
            while let Some(position) = position.as_mut().filter(|known| known.waits_for_disk()) {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() || self.heeds_ring_within(left.min(FLUSH_PATIENCE)).await {
                    return Ok(true);
                }
                if position.reached_disk(self.log.flush_position().await?)
                    && !self.hand_on_batch(Vec::new(), position).await
                {
                    return Ok(false);
                }
            }
        }
        let left = until.saturating_duration_since(Instant::now());
        self.heeds_ring_within(left).await;
        Ok(true)
    }

    async fn heeds_ring_within(&mut self, patience: Duration) -> bool {
        let rings = self.rings_within(patience).await;
        if rings {
            self.heeded = Instant::now();
        }
        rings
    }

    async fn rings_within(&self, patience: Duration) -> bool {
        let rings = async {
            match self.listener {
                Some(listener) => listener.bell.wake().await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = rings => true,
            () = self.upkeep.fired() => true,
            () = sleep(patience) => false,
        }
    }
}
