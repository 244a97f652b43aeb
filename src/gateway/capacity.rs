//! How many connections there may be, so that none of them takes what the daemon itself needs.
//!
//! Each connection is an open file. A flood of them must not keep the daemon from reaching its
//! database again, so some files are left to it, and who comes when no other is free waits in the
//! system's backlog.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use nix::sys::resource::{Resource, getrlimit};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tracing::warn;

use super::{Config, Gateway, edge::Visitors};
use crate::telemetry::{Metrics, Reason};

/// Open files that connections leave to the rest: the database's connections, the log, the runtime.
const RESERVED_FILES: usize = 64;
/// Time between looks at who keeps a place for HTTP without a word, while others wait for one.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Where files are short, this part of them is for connections that speak HTTP.
const HTTP_PART: usize = 4;

/// Most connections of each kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Capacity {
    /// WebSockets that are served.
    pub sessions: usize,
    /// Connections that speak HTTP, WebSockets to be among them.
    pub http: usize,
}

impl Capacity {
    /// What is configured, as far as this process may have files open.
    pub fn of_process(config: &Config) -> Self {
        let open_files = getrlimit(Resource::RLIMIT_NOFILE).map_or(usize::MAX, |(soft, _)| {
            usize::try_from(soft).unwrap_or(usize::MAX)
        });
        let capacity = Self::within(config, open_files);
        if capacity.sessions < config.max_connections {
            warn!(
                open_files,
                configured = config.max_connections,
                effective = capacity.sessions,
                "gateway.max_connections is lowered to what the limit of open files allows; raise that \
                 limit (LimitNOFILE, ulimit -n) to {} or lower the setting",
                config.max_connections + config.max_http_connections + RESERVED_FILES
            );
        }
        capacity
    }

    fn within(config: &Config, open_files: usize) -> Self {
        let files = open_files.saturating_sub(RESERVED_FILES).max(2);
        let http = config.max_http_connections.min((files / HTTP_PART).max(1));
        let sessions = config.max_connections.min(files - http);
        Self { sessions, http }
    }
}

/// Places for the connections that a daemon may have.
#[derive(Debug)]
pub(super) struct Seats {
    all: Arc<Semaphore>,
    http: Arc<Semaphore>,
}

/// The file of one connection, kept until it is closed.
pub(super) type Seat = Arc<OwnedSemaphorePermit>;

impl Seats {
    pub(super) fn new(capacity: Capacity) -> Self {
        // Whoever speaks HTTP may become a session that is told that there are too many.
        let all = (capacity.sessions + capacity.http).min(Semaphore::MAX_PERMITS);
        Self {
            all: Arc::new(Semaphore::new(all)),
            http: Arc::new(Semaphore::new(capacity.http.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// Waits for places for one more connection: one for as long as it is open, and one for as long
    /// as it speaks HTTP.
    pub(super) async fn take(
        &self,
        gateway: &Gateway,
        visitors: &Visitors,
    ) -> Option<(Seat, OwnedSemaphorePermit)> {
        let metrics = &gateway.metrics;
        let all = take(&self.all, metrics, "connections").await?;
        let http = self.http.clone().try_acquire_owned().ok();
        let http = match http {
            Some(http) => http,
            None => self.make_room(metrics, visitors).await?,
        };
        Some((Arc::new(all), http))
    }

    /// Waits for a place for one more connection that speaks HTTP, and sends away who has kept one for
    /// long without a word.
    async fn make_room(
        &self,
        metrics: &Metrics,
        visitors: &Visitors,
    ) -> Option<OwnedSemaphorePermit> {
        let taken = take(&self.http, metrics, "http_connections");
        let mut taken = std::pin::pin!(taken);
        loop {
            visitors.make_room(Instant::now());
            if let Ok(http) = timeout(LOOK_AGAIN, &mut taken).await {
                return http;
            }
        }
    }

    /// The same, without waiting.
    pub(super) fn try_take(&self) -> Option<(Seat, OwnedSemaphorePermit)> {
        let all = self.all.clone().try_acquire_owned().ok()?;
        let http = self.http.clone().try_acquire_owned().ok()?;
        Some((Arc::new(all), http))
    }
}

/// `None` is impossible: nobody closes the semaphores.
async fn take(
    seats: &Arc<Semaphore>,
    metrics: &Metrics,
    kind: &'static str,
) -> Option<OwnedSemaphorePermit> {
    if let Ok(seat) = seats.clone().try_acquire_owned() {
        return Some(seat);
    }
    metrics
        .accept_pauses
        .get_or_create(&Reason::new(kind))
        .inc();
    seats.clone().acquire_owned().await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_to_the_daemon_itself() {
        let config = Config::default();
        let configured = Capacity {
            sessions: config.max_connections,
            http: config.max_http_connections,
        };
        assert_eq!(Capacity::within(&config, usize::MAX), configured);
        for open_files in [0, 64, 65, 67, 100, 256, 1_024, 4_096, 11_064, 11_065] {
            let Capacity { sessions, http } = Capacity::within(&config, open_files);
            assert!(sessions > 0 && http > 0, "{open_files} serve somebody");
            let most = open_files.saturating_sub(RESERVED_FILES).max(2);
            assert!(
                sessions + http <= most,
                "{sessions} and {http} of {open_files}"
            );
        }
        assert_eq!(Capacity::within(&config, 11_064), configured);
        assert_ne!(Capacity::within(&config, 11_063), configured);
    }
}
