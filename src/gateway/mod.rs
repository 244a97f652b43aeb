//! Gateway: from sockets to sessions of the hub, and the pages that tell how the daemon is.
//!
//! `listener` is where connections come from, `server` accepts as many as `capacity` allows, `router`
//! knows the paths, `edge` is what is asked of whoever comes, `upgrade` turns a request into a WebSocket,
//! `session` is its client, `events` serves clients of server-sent events, `connection` is what both have,
//! `stream` its socket with or without the TLS of `certificates`. `bearer` finds tokens,
//! `ticket` gives tickets for streams, `standing` knows until when somebody is who they are, `rights` asks
//! which rooms they may join. `client` is what browsers run.

mod bearer;
mod capacity;
mod certificates;
mod client;
mod config;
mod connection;
mod console;
#[cfg(feature = "sabotage")]
mod echo;
mod edge;
mod events;
mod health;
mod listener;
mod public_file;
mod rights;
mod router;
mod server;
mod session;
mod standing;
mod stream;
mod ticket;
mod upgrade;

use std::{sync::Arc, time::Instant};

use axum::http::HeaderMap;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[cfg(feature = "sabotage")]
pub use bearer::token_in;
pub use capacity::Capacity;
pub use certificates::{Certificates, TlsConfig, TlsError};
pub use config::Config;
pub use console::DemoPage;
#[cfg(feature = "sabotage")]
pub use edge::client_behind_proxies;
pub use edge::{AdminConfig, Edge, ForwardedHeader};
#[cfg(feature = "sabotage")]
pub use events::rooms_asked_for;
pub use listener::Listener;
pub use server::{serve, serve_operator};
pub use ticket::Tickets;

use edge::{Peer, Place};

use crate::{
    access::Guard,
    hub::{Handle, OutboxLimits},
    protocol::CloseReason,
    status::DatabaseStatus,
    telemetry::{Metrics, Reason},
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
    /// What is asked of whoever comes.
    pub edge: Edge,
    /// What clients are shown and proven, if TLS ends here.
    pub certificates: Option<Certificates>,
    /// Bounds of every session's outbox.
    pub outbox: OutboxLimits,
    /// Where sessions go.
    pub hub: Handle,
    /// Who may join which room.
    pub guard: Guard,
    /// Tickets for streams of events.
    pub tickets: Tickets,
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
    pub started: Instant,
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

    /// The place of one more client, or why it is sent away.
    fn admit(&self, peer: Option<&Peer>, headers: &HeaderMap) -> Admission {
        // Without a peer there is no connection, which cannot be.
        let peer = peer.ok_or(CloseReason::ServerError)?;
        let place = self.edge.admit(peer.0, headers, Instant::now());
        if matches!(place, Err(CloseReason::ConnectionLimit)) {
            return Err(self.is_full("max_connections_per_address"));
        }
        let place = place?;
        if self.draining.is_cancelled() {
            return Err(CloseReason::Draining);
        }
        if self.sessions.len() >= self.capacity.sessions {
            return Err(self.is_full("max_connections"));
        }
        Ok(place)
    }

    /// Counts a client for whom this limit leaves no place.
    fn is_full(&self, limit: &'static str) -> CloseReason {
        let refused = &self.metrics.refused_sessions;
        refused.get_or_create(&Reason::new(limit)).inc();
        CloseReason::ConnectionLimit
    }
}

/// What becomes of a client that comes: its place, which it keeps while it is here, or why it is sent away.
type Admission = Result<Place, CloseReason>;
