//! One set of connections, from LISTEN to the first failure.

use std::time::{Duration, Instant};

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tracing::{debug, info};

use super::{
    Capture, Error, Transport,
    doorbell::{Doorbell, Seen, Wish},
    epoch,
    listener::{Heard, Listener},
    log::{LogReader, Read, Stand},
    position::Position,
    row::LogRow,
    upkeep::Upkeep,
};
use crate::{
    backoff::Backoff,
    change::{Captured, Change, Reached, ResyncReason},
    cursor::Cursor,
    interest::Generation,
    sabotage::Step,
};

/// Time between reads while cursors wait for the disk.
const FLUSH_PATIENCE: Duration = Duration::from_millis(50);

/// Captures until something fails, or returns `Ok` when nobody takes what is captured.
///
/// `position` is moved only after what was read has been handed on, so a session that is cut off
/// anywhere is continued by the next without loss.
pub(super) async fn run(
    capture: &Capture,
    position: &mut Option<Position>,
    backoff: &mut Backoff,
) -> Result<(), Error> {
    // LISTEN before the first read: what commits between the two is heard, and read again.
    let listener = match capture.database.transport {
        Transport::Poll => None,
        Transport::Doorbell | Transport::Payload => Some(Listener::start(&capture.database).await?),
    };
    let log = LogReader::connect(capture).await?;
    let upkeep = Upkeep::connect(capture).await?;
    let (next_due, due) = watch::channel(None);
    let mut session = Session {
        capture,
        listener: listener.as_ref(),
        log,
        upkeep: &upkeep,
        doorbell: Doorbell::new(&capture.database, Instant::now()),
        interest: 0,
        next_due,
    };
    if !session.resume(position).await? {
        return Ok(());
    }
    tokio::select! {
        ended = session.follow(position, backoff) => ended,
        ended = upkeep.run(listener.as_ref(), due) => ended,
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
            let first = Captured::Batch {
                changes: Vec::new(),
                cursor: here.clone(),
                reached: reached(&here, interest),
            };
            *position = Some(Position::start(here, incarnation));
            return Ok(self.hand_on(first).await);
        };
        previous.reconnect(incarnation);
        let continued = Cursor {
            epoch: previous.durable().epoch,
            snapshot: previous.read().clone(),
        };
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
    async fn follow(
        &mut self,
        position: &mut Option<Position>,
        backoff: &mut Backoff,
    ) -> Result<(), Error> {
        let mut caught_up = false;
        loop {
            let heard = self
                .listener
                .map(|listener| listener.bell.take())
                .unwrap_or_default();
            if heard.ended {
                return Err(Error::ListenerEnded);
            }
            self.capture.metrics.rings.inc_by(heard.rings);
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
                backoff.reset();
                self.capture.live();
            }
            if let Some(wish) = self.doorbell.after_read(seen, Instant::now()) {
                self.grant(wish).await?;
            } else {
                let unflushed = position.as_ref().is_some_and(Position::waits_for_disk);
                self.wait(unflushed).await;
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
        let here = Cursor {
            epoch: previous.durable().epoch,
            snapshot: read.snapshot,
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
            return self.tell_gap(reason, here, read.interest, position).await;
        }
        let payloads = heard.payloads.iter();
        let mut changes = read.changes;
        changes.extend(payloads.filter_map(|payload| self.parse(payload)));

        let mut next = previous.clone();
        next.advance(here.snapshot.clone(), read.written, read.flushed);
        let news = !changes.is_empty()
            || next.read() != previous.read()
            || next.durable() != previous.durable()
            || std::mem::replace(&mut self.interest, read.interest) != read.interest;
        if !news {
            return Ok(true);
        }
        let batch = Captured::Batch {
            changes,
            cursor: next.durable(),
            reached: reached(&here, read.interest),
        };
        let taken = self.hand_on(batch).await;
        *position = Some(next);
        Ok(taken)
    }

    fn parse(&self, payload: &str) -> Option<Change> {
        self.capture.metrics.changes.inc();
        match serde_json::from_str::<LogRow>(payload) {
            Ok(row) => row.into_change(&self.capture.interest.now(), &self.capture.metrics),
            Err(error) => {
                debug!(%error, "a notification holds no change");
                self.capture.metrics.malformed_changes.inc();
                None
            }
        }
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
        let gap = Captured::Gap {
            reason,
            reached: reached(&here, interest),
            cursor: here.clone(),
        };
        let taken = self.hand_on(gap).await;
        if let Some(position) = position {
            position.skip_to(here);
        }
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

    async fn wait(&self, unflushed: bool) {
        self.publish();
        let patience = self.doorbell.patience();
        let patience = if unflushed {
            patience.min(FLUSH_PATIENCE)
        } else {
            patience
        };
        match self.listener {
            // Running out of patience is the ordinary way to notice that nothing happened.
            Some(listener) => drop(timeout(patience, listener.bell.wake()).await),
            None => sleep(patience).await,
        }
    }
}

fn reached(here: &Cursor, interest: Generation) -> Reached {
    Reached {
        epoch: here.epoch.clone(),
        snapshot: here.snapshot.clone().into(),
        interest,
    }
}
