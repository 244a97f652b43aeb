//! The driver of the window: takes batches, waits for deadlines, hands on flushes.

use std::time::Instant;

use tokio::{
    sync::mpsc::{Receiver, Sender},
    time::sleep_until,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Config, window::Window};
use crate::{
    change::{Captured, Reached, ResyncReason},
    invalidation::{CursorText, Flush},
    room::Target,
    telemetry::{Metrics, Reason},
};

/// How this stage takes part in stopping.
#[derive(Debug)]
pub struct Drain {
    /// Cancelled when the daemon begins to stop.
    pub begun: CancellationToken,
    /// Cancelled when what waited then has been handed on, or never will be.
    pub flushed: DropGuard,
}

/// Runs until `captured` closes, then flushes what is left. Ends early if nobody takes flushes. What
/// waits when the daemon begins to stop is flushed at once.
///
/// A slow hub makes `flushes` full, which makes this stage wait, which makes capture wait: nothing
/// is dropped, and the log in the database is the buffer.
pub async fn run(
    config: Config,
    mut captured: Receiver<Captured>,
    flushes: Sender<Flush>,
    metrics: Metrics,
    drain: Drain,
) {
    let Drain { begun, flushed } = drain;
    let mut flushed = Some(flushed);
    let mut worker = Worker::new(config, "".into(), metrics);
    loop {
        let deadline = worker.window.next_deadline();
        let next = tokio::select! {
            biased;
            () = begun.cancelled(), if flushed.is_some() => {
                let waiting = worker.window.flush_all(Instant::now());
                if worker.is_news(&waiting) && flushes.send(waiting).await.is_err() {
                    return;
                }
                flushed = None;
                continue;
            }
            next = captured.recv() => match next {
                Some(captured) => worker.take(captured),
                None => break,
            },
            () = until(deadline) => None,
        };
        let due = worker.window.flush(Instant::now());
        for flush in next.into_iter().chain([due]) {
            if worker.is_news(&flush) && flushes.send(flush).await.is_err() {
                return;
            }
        }
    }
    let rest = worker.window.flush_all(Instant::now());
    if worker.is_news(&rest) {
        // The hub may be gone already when the whole daemon stops; then nobody is left to tell.
        let _ = flushes.send(rest).await;
    }
}

/// What is told at once of what was captured, where every room has been quiet.
pub fn at_once(config: Config, captured: Captured) -> Flush {
    let (Captured::Batch { cursor, .. } | Captured::Gap { cursor, .. }) = &captured;
    let mut worker = Worker::new(config, cursor.to_string().into(), Metrics::new());
    let gap = worker.take(captured);
    gap.unwrap_or_else(|| worker.window.flush(Instant::now()))
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

struct Worker {
    window: Window,
    /// The cursor the hub knows.
    told: CursorText,
    /// The interest the hub knows to be heeded.
    reached: u64,
    metrics: Metrics,
}

impl Worker {
    fn new(config: Config, cursor: CursorText, metrics: Metrics) -> Self {
        Self {
            window: Window::new(config, cursor.clone(), Reached::default()),
            told: cursor,
            reached: 0,
            metrics,
        }
    }

    /// Takes in what capture hands on. A gap is told at once.
    fn take(&mut self, captured: Captured) -> Option<Flush> {
        match captured {
            Captured::Batch {
                changes,
                cursor,
                reached,
            } => {
                let cursor = cursor.to_string().into();
                self.window
                    .absorb(&changes, cursor, reached, Instant::now());
                None
            }
            Captured::Gap {
                reason,
                cursor,
                reached,
            } => {
                let cursor: CursorText = cursor.to_string().into();
                self.window.start_over(cursor.clone(), reached.clone());
                Some(resync_all(cursor, reached, reason))
            }
        }
    }

    fn is_news(&mut self, flush: &Flush) -> bool {
        self.count(flush);
        let empty = flush.invalidations.is_empty() && flush.resyncs.is_empty();
        let moved = self.told != flush.then || self.reached != flush.reached.interest;
        self.told = flush.then.clone();
        self.reached = flush.reached.interest;
        moved || !empty
    }

    fn count(&self, flush: &Flush) {
        let (rooms, entities) = self.window.pending();
        self.metrics.pending_batches.set(rooms as i64);
        self.metrics.pending_entities.set(entities as i64);
        self.metrics
            .invalidations
            .inc_by(flush.invalidations.len() as u64);
        let now = jiff::Timestamp::now();
        for invalidation in &flush.invalidations {
            self.metrics
                .invalidated_entities
                .inc_by(invalidation.changes.len() as u64);
            if let Some(oldest) = invalidation.changes.iter().map(|change| change.at).min() {
                let age = now.duration_since(oldest).as_secs_f64();
                self.metrics.change_to_flush_seconds.observe(age.max(0.0));
            }
        }
        for (_, reason) in &flush.resyncs {
            self.metrics
                .resyncs
                .get_or_create(&Reason::new(reason.as_str()))
                .inc();
        }
    }
}

fn resync_all(cursor: CursorText, reached: Reached, reason: ResyncReason) -> Flush {
    Flush {
        cursor: cursor.clone(),
        then: cursor,
        reached,
        invalidations: Vec::new(),
        resyncs: vec![(Target::every(), reason)],
    }
}
