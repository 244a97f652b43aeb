//! Capture: from the change log in Postgres to batches of changes.
//!
//! `server` finds the host that can be written to and `probe` what would make a connection useless.
//! `session` drives one set of connections: `listener` hears the doorbell and never waits for
//! anything, `signature` tells changes from what strangers notify, `log` reads what became visible, `upkeep` does what somebody has to do for the log.
//! `doorbell` decides whether writers should ring, `epoch` whether a position can still be trusted,
//! `position` how much of what was read may be handed out. `history` reads what clients missed,
//! `revocations` who was revoked where the log alone cannot tell,
//! `queue` watches the server's notification queue, and `drift` the triggers.
//! A session that fails is followed by another after a backoff; the position outlives it, so that
//! what was written meanwhile is read, or the gap is told.

mod config;
mod connect;
mod doorbell;
mod drift;
mod epoch;
mod error;
mod history;
mod listener;
mod log;
mod position;
mod probe;
mod queue;
mod revocations;
mod row;
mod server;
mod session;
mod signature;
mod upkeep;

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

pub use config::{DatabaseConfig, LogConfig, Transport};
pub use error::Error;
pub use row::{Reading, read_row};
pub use server::check_url;
#[cfg(feature = "sabotage")]
pub use signature::signed_change;

use position::Position;

use crate::{
    access::Guard,
    backoff::Backoff,
    change::Captured,
    history::Question,
    interest::Interest,
    status::{DatabaseState, DatabaseStatus},
    telemetry::{Metrics, Reason},
};

/// Pauses between attempts to reach the database. The longest is short, because that is how long
/// clients stay stale after the database is back, and one attempt a second costs it nothing.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What capture needs, and where it puts what it finds.
#[derive(Debug)]
pub struct Capture {
    /// Where the database is.
    pub database: DatabaseConfig,
    /// How much of the log is kept.
    pub log: LogConfig,
    /// Takes what was captured. When it is full, capture waits and the log is the buffer.
    pub captured: mpsc::Sender<Captured>,
    /// Told how the path from the database stands.
    pub status: watch::Sender<DatabaseStatus>,
    /// Asked what clients missed.
    pub questions: mpsc::Receiver<Question>,
    /// Which rooms somebody is in.
    pub interest: Interest,
    /// Told who was revoked before the log began to be read, or in a part of it that is gone.
    pub guard: Guard,
    /// What is counted.
    pub metrics: Metrics,
}

impl Capture {
    /// Captures until nobody takes what it finds. Cancel it to stop: it holds no state that matters.
    pub async fn run(mut self) {
        let (_, nobody) = mpsc::channel(1);
        let questions = std::mem::replace(&mut self.questions, nobody);
        let (interest, metrics) = (self.interest.clone(), self.metrics.clone());
        let history = history::serve(self.database.clone(), interest, metrics, questions);
        let _history = AbortOnDropHandle::new(tokio::spawn(history));

        let mut position: Option<Position> = None;
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        while !self.captured.is_closed() {
            let ended = Box::pin(session::run(&self, &mut position)).await;
            match ended {
                Ok(()) => return,
                Err(error) => {
                    // One that fails each time as soon as it is live is not repeated at full speed.
                    backoff.lasted(self.lived());
                    let wait = backoff.next(fastrand::f64());
                    self.lost(&error, wait);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// For how long changes have arrived, if they do.
    fn lived(&self) -> Duration {
        let status = self.status.borrow();
        let lived = Timestamp::now().duration_since(status.since);
        match status.state {
            DatabaseState::Live => lived.try_into().unwrap_or_default(),
            DatabaseState::Connecting | DatabaseState::Lost => Duration::ZERO,
        }
    }

    /// Publishes something that an operator should look at while changes go on arriving. Logged once
    /// until it changes or is over.
    fn warn(&self, subject: &'static str, warning: String) {
        self.status.send_if_modified(|status| {
            let before = status.warnings.get(subject);
            let is_new = before != Some(&warning);
            if is_new {
                warn!(subject, %warning, "the database wants attention");
                status.warnings.insert(subject, warning);
            }
            is_new
        });
    }

    /// A statement refused, for want of space or of a right perhaps, does not stop changes from being
    /// read: it is warned of, and its caller tries again.
    fn unless_refused<T>(
        &self,
        subject: &'static str,
        answer: Result<T, Error>,
        warning: impl FnOnce(&Error) -> String,
    ) -> Result<Option<T>, Error> {
        match answer {
            Ok(answer) => {
                self.all_well(subject);
                Ok(Some(answer))
            }
            Err(error) if error.is_refusal() => {
                self.warn(subject, warning(&error));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn warns_of(&self, subject: &str) -> bool {
        self.status.borrow().warnings.contains_key(subject)
    }

    /// Takes a warning back.
    fn all_well(&self, subject: &'static str) {
        self.status.send_if_modified(|status| {
            let was = status.warnings.remove(subject).is_some();
            if was {
                info!(subject, "the database is well again");
            }
            was
        });
    }

    /// Publishes that changes arrive.
    fn live(&self) {
        info!("database is live");
        self.metrics.database_up.set(1);
        self.status.send_modify(|status| {
            status.state = DatabaseState::Live;
            status.since = Timestamp::now();
            status.problem = None;
        });
    }

    /// Publishes that changes no longer arrive. An outage is logged once, with its first cause, and
    /// again only when the cause changes.
    fn lost(&self, error: &Error, wait: Duration) {
        let reason = Reason::new(error.reason());
        self.metrics.database_losses.get_or_create(&reason).inc();
        self.metrics.database_up.set(0);
        let problem = error::chain(error);
        self.status.send_modify(|status| {
            if status.problem.as_deref() != Some(&problem) {
                warn!(%problem, retry_in = ?wait, "database is not available");
            }
            if status.state == DatabaseState::Live {
                status.state = DatabaseState::Lost;
                status.since = Timestamp::now();
            }
            status.problem = Some(problem);
            // They were of a session that is over; the next finds out for itself.
            status.warnings.clear();
        });
    }
}
