//! One set of connections, from LISTEN to the first failure.

use std::time::Instant;

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
    log::{LogReader, Read},
    probe,
    row::LogRow,
    server::Server,
    upkeep::Upkeep,
};
use crate::{
    change::{Captured, Change, ResyncReason},
    cursor::Cursor,
    sabotage::Step,
};

/// Captures until something fails, or returns `Ok` when nobody takes what is captured.
///
/// `position` is moved only after what was read has been handed on, so a session that is cut off
/// anywhere is continued by the next without loss.
pub(super) async fn run(capture: &Capture, position: &mut Option<Cursor>) -> Result<(), Error> {
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
        (Transport::Doorbell | Transport::Payload, false) => Some(Listener::start(&server).await?),
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
        next_due,
    };
    if !session.resume(position).await? {
        return Ok(());
    }
    tokio::select! {
        ended = session.follow(position) => ended,
        ended = upkeep.run(listener.as_ref(), due) => ended,
    }
}

struct Session<'a> {
    capture: &'a Capture,
    listener: Option<&'a Listener>,
    log: LogReader,
    upkeep: &'a Upkeep<'a>,
    doorbell: Doorbell,
    next_due: watch::Sender<Option<tokio::time::Instant>>,
}

impl Session<'_> {
    /// Finds out whether the position of an earlier session can be continued, and tells the gap if
    /// not. Returns false if nobody takes what is captured.
    async fn resume(&mut self, position: &mut Option<Cursor>) -> Result<bool, Error> {
        let (here, horizon) = self.log.position().await?;
        if Step::CatchUp.is_left_out() {
            *position = Some(here);
            return Ok(true);
        }
        let Some(previous) = position.as_ref() else {
            *position = Some(here.clone());
            let first = Captured::Batch {
                changes: Vec::new(),
                cursor: here,
            };
            return Ok(self.hand_on(first).await);
        };
        let judged = epoch::judge(previous, &here.epoch, &here.snapshot, horizon);
        let lost = match (judged, self.capture.database.transport) {
            (Err(reason), _) => reason,
            // What travelled inside notifications is stored nowhere.
            (Ok(()), Transport::Payload) => ResyncReason::Gap,
            (Ok(()), _) => return Ok(true),
        };
        self.tell_gap(lost, here, position).await
    }

    /// Reads whenever the bell rings, and often enough without.
    async fn follow(&mut self, position: &mut Option<Cursor>) -> Result<(), Error> {
        let mut caught_up = false;
        loop {
            let heard = match self.listener {
                Some(listener) => listener.take()?,
                None => Heard::default(),
            };
            self.capture.metrics.rings.inc_by(heard.rings);
            self.doorbell.rang(heard.rings);
            if heard.muted {
                self.doorbell.heard_muted();
            }
            let Some(previous) = position.clone() else {
                return Err(Error::NoPosition);
            };
            let read = self.log.read(&previous.snapshot).await?;
            let seen = Seen {
                muted: read.muted,
                xmin: read.snapshot.xmin,
                commits: read.commits,
            };
            let due = read
                .next_due
                .and_then(|left| tokio::time::Instant::now().checked_add(left));
            self.next_due.send_replace(due);
            if !self.take(heard, read, previous, position).await? {
                return Ok(());
            }
            if !std::mem::replace(&mut caught_up, true) {
                self.capture.live();
            }
            self.doorbell.crowded(self.upkeep.is_crowded());
            if let Some(wish) = self.doorbell.after_read(seen, Instant::now()) {
                self.grant(wish).await?;
            } else {
                self.wait().await;
            }
        }
    }

    /// Hands on what a read and the notifications brought. Returns false if nobody takes it.
    async fn take(
        &self,
        heard: Heard,
        read: Read,
        previous: Cursor,
        position: &mut Option<Cursor>,
    ) -> Result<bool, Error> {
        let cursor = Cursor {
            epoch: previous.epoch.clone(),
            snapshot: read.snapshot,
        };
        let lost = if previous.snapshot.xmax <= read.horizon {
            Some(ResyncReason::Truncated)
        } else if heard.overflowed {
            Some(ResyncReason::Gap)
        } else {
            read.overflowed.then_some(ResyncReason::Bulk)
        };
        if let Some(reason) = lost {
            return self.tell_gap(reason, cursor, position).await;
        }
        let mut changes = read.changes;
        changes.extend(
            heard
                .payloads
                .iter()
                .filter_map(|payload| self.parse(payload)),
        );
        if changes.is_empty() && cursor == previous {
            return Ok(true);
        }
        let batch = Captured::Batch {
            changes,
            cursor: cursor.clone(),
        };
        let taken = self.hand_on(batch).await;
        *position = Some(cursor);
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
        cursor: Cursor,
        position: &mut Option<Cursor>,
    ) -> Result<bool, Error> {
        info!(
            reason = reason.as_str(),
            "changes cannot be accounted for: every room resyncs"
        );
        let gap = Captured::Gap {
            reason,
            cursor: cursor.clone(),
        };
        let taken = self.hand_on(gap).await;
        *position = Some(cursor);
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

    async fn wait(&self) {
        self.publish();
        let patience = self.doorbell.patience();
        match self.listener {
            // Running out of patience is the ordinary way to notice that nothing happened.
            Some(listener) => drop(timeout(patience, listener.bell.wake()).await),
            None => sleep(patience).await,
        }
    }
}
