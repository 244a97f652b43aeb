//! Gateway: from sockets to sessions of the hub, and the pages that tell how the daemon is.
//!
//! `listener` is where connections come from, `server` accepts as many as `capacity` allows, `router`
//! knows the paths, `upgrade` turns a request into a WebSocket, `session` is its client, `events` serves
//! clients of server-sent events, `connection` is what both have; `client` is what browsers run.

mod capacity;
mod client;
mod config;
mod connection;
mod console;
#[cfg(feature = "sabotage")]
mod echo;
mod events;
mod health;
mod listener;
mod public_file;
mod router;
mod server;
mod session;
mod upgrade;

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use capacity::Capacity;
pub use config::Config;
pub use console::DemoPage;
#[cfg(feature = "sabotage")]
pub use events::rooms_asked_for;
pub use listener::Listener;
pub use server::serve;

use crate::{
    hub::{Handle, OutboxLimits},
    protocol::CloseReason,
    status::DatabaseStatus,
    telemetry::Metrics,
};

/// What every connection needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gateway {
    inner: Arc<Inner>,
    /// Whether sessions say back what they hear.
    #[cfg(feature = "sabotage")]
    echoes: bool,
}

/// What a [`Gateway`] is made of.
#[derive(Debug)]
pub struct Inner {
    /// What clients may do.
    pub config: Config,
    /// Bounds of every session's outbox.
    pub outbox: OutboxLimits,
    /// Where sessions go.
    pub hub: Handle,
    /// How the database is.
    pub status: watch::Receiver<DatabaseStatus>,
    /// What is counted.
    pub metrics: Metrics,
    /// How many connections there may be.
    pub capacity: Capacity,
    /// Knows every session that is open.
    pub sessions: TaskTracker,
    /// Knows every other connection: those that speak HTTP, and clients that are sent away.
    pub others: TaskTracker,
    /// Cancelled when clients are to leave.
    pub draining: CancellationToken,
    /// Cancelled when nobody is waited for any longer.
    pub closing: CancellationToken,
    /// When the daemon started, for `/health`.
    pub started: std::time::Instant,
    /// How changes travel, for `/health`.
    pub transport: &'static str,
    /// What the console tells about a demo, if this is one.
    pub demo: Option<DemoPage>,
}

impl std::ops::Deref for Gateway {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl Gateway {
    /// Shares `inner` among connections.
    pub fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
            #[cfg(feature = "sabotage")]
            echoes: false,
        }
    }

    /// Why one more client is sent away, if it is.
    fn refusal(&self) -> Option<CloseReason> {
        if self.draining.is_cancelled() {
            return Some(CloseReason::Draining);
        }
        let full = self.sessions.len() >= self.capacity.sessions;
        full.then_some(CloseReason::ConnectionLimit)
    }
}
