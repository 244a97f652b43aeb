//! Capture: from the change log in Postgres to batches of changes.
//!
//! `session` drives one set of connections: `listener` hears the doorbell and never waits for
//! anything, `log` reads what became visible, `upkeep` does what somebody has to do for the log.
//! `doorbell` decides whether writers should ring, `epoch` whether a position can still be trusted.
//! A session that fails is followed by another after a backoff; the position outlives it, so that
//! what was written meanwhile is read, or the gap is told.

mod config;
mod connect;
mod doorbell;
mod epoch;
mod error;
mod listener;
mod log;
mod row;
mod session;
mod upkeep;

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

pub use config::{DatabaseConfig, LogConfig, Secret, Transport};
pub use connect::check_url;
pub use error::Error;

use crate::{
    backoff::Backoff,
    change::Captured,
    cursor::Cursor,
    interest::Interest,
    status::{DatabaseState, DatabaseStatus},
    telemetry::{Metrics, Reason},
};

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
    /// Which rooms somebody is in.
    pub interest: Interest,
    /// What is counted.
    pub metrics: Metrics,
}

impl Capture {
    /// Captures until nobody takes what it finds. Cancel it to stop: it holds no state that matters.
    pub async fn run(self) {
        let mut position: Option<Cursor> = None;
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        while !self.captured.is_closed() {
            let ended = session::run(&self, &mut position, &mut backoff).await;
            match ended {
                Ok(()) => return,
                Err(error) => {
                    let wait = backoff.next(fastrand::f64());
                    self.lost(&error, wait);
                    tokio::time::sleep(wait).await;
                }
            }
        }
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
        });
    }
}
