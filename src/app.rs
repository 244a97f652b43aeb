//! The app: wires the stages together and owns their tasks.

use std::{
    future::Future,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use crate::{
    capture::{Capture, Transport},
    coalesce,
    config::Config,
    gateway::{self, DemoPage, Gateway},
    hub::{self, Hub, OutboxLimits, Settings},
    interest::Interest,
    protocol::Limits,
    status::DatabaseStatus,
    telemetry::Metrics,
};

/// Batches between two stages. Small: what waits longer belongs in the log, not in memory.
const STAGE_QUEUE: usize = 16;

/// Why the daemon could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listening address is taken or not ours.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The configured address.
        addr: SocketAddr,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A stage ended although nobody told it to.
    #[error("the {0} stage has died")]
    StageDied(&'static str),
    /// Clients were still connected when the time to drain was over.
    #[error("{0} connections were cut off after the time to drain")]
    CutOff(usize),
}

/// A daemon whose port is bound and whose stages are ready to run.
#[derive(Debug)]
pub struct App {
    config: Config,
    listener: TcpListener,
    local_addr: SocketAddr,
    demo: Option<DemoPage>,
}

impl App {
    /// Binds the listening socket; nothing runs yet.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub fn bind(config: Config) -> Result<Self, Error> {
        let addr = config.gateway.listen;
        let listen = |source| Error::Listen { addr, source };
        let listener = gateway::bind(addr).map_err(listen)?;
        let local_addr = listener.local_addr().map_err(listen)?;
        Ok(Self {
            config,
            listener,
            local_addr,
            demo: None,
        })
    }

    /// Lets the console tell about a demo.
    #[must_use]
    pub fn with_demo(mut self, demo: DemoPage) -> Self {
        self.demo = Some(demo);
        self
    }

    /// Where clients reach the daemon.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Runs until `shutdown` completes, then flushes what waits, says goodbye to clients and returns.
    ///
    /// # Errors
    /// When a stage dies, or clients do not leave in time.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let drain = self.config.gateway.drain;
        let mut running = self.start();
        tokio::select! {
            () = shutdown => {}
            dead = running.first_death() => {
                running.stop(drain).await?;
                return Err(Error::StageDied(dead));
            }
        }
        running.stop(drain).await
    }

    fn start(self) -> Running {
        let metrics = Metrics::new();
        let (captured, batches) = mpsc::channel(STAGE_QUEUE);
        let (flushed, flushes) = mpsc::channel(STAGE_QUEUE);
        let (status, watched) = watch::channel(DatabaseStatus::connecting());
        let (handle, commands) = hub::Handle::new();
        let (stop, sessions) = (CancellationToken::new(), TaskTracker::new());
        let config = self.config;

        let interest = Interest::default();
        let (asked, questions) = mpsc::channel(1);
        let hub = Hub::new(settings(&config), interest.clone(), asked, metrics.clone());
        let capture = Capture {
            database: config.database.clone(),
            log: config.log.clone(),
            captured,
            status,
            questions,
            interest,
            metrics: metrics.clone(),
        };
        let gateway = Gateway::new(gateway::Inner {
            outbox: outbox_limits(&config),
            hub: handle,
            status: watched.clone(),
            metrics: metrics.clone(),
            sessions: sessions.clone(),
            stop: stop.clone(),
            started: Instant::now(),
            transport: config.database.transport.as_str(),
            demo: self.demo,
            config: config.gateway,
        });
        Running {
            capture: tokio::spawn(capture.run()),
            coalesce: tokio::spawn(coalesce::run(config.coalesce, batches, flushed, metrics)),
            hub: tokio::spawn(hub.run(commands, flushes, watched, stop.clone())),
            gateway: tokio::spawn(gateway::serve(gateway, self.listener)),
            sessions,
            stop,
        }
    }
}

fn settings(config: &Config) -> Settings {
    Settings {
        limits: Limits {
            rooms: config.gateway.max_rooms_per_connection,
            rooms_per_message: config.gateway.max_rooms_per_message,
            message_bytes: config.gateway.max_message_size.as_u64(),
        },
        heartbeat: config.gateway.heartbeat,
        spread: config.resume.spread,
        provable: config.database.transport != Transport::Payload,
        resume_window: config.resume.window,
        resume_entries: config.resume.entries,
        resume_waiting: config.resume.waiting,
        replay: config.coalesce.max_entities_per_room,
        drain: config.gateway.drain,
    }
}

fn outbox_limits(config: &Config) -> OutboxLimits {
    OutboxLimits {
        frames: config.hub.queue_frames,
        bytes: usize::try_from(config.hub.queue_size.as_u64()).unwrap_or(usize::MAX),
        write_deadline: config.gateway.write_deadline,
        heartbeat: config.gateway.heartbeat,
        spread: config.resume.spread,
    }
}

/// The tasks of a daemon, in the order of the path.
struct Running {
    capture: JoinHandle<()>,
    coalesce: JoinHandle<()>,
    hub: JoinHandle<()>,
    gateway: JoinHandle<()>,
    sessions: TaskTracker,
    stop: CancellationToken,
}

impl Running {
    /// Waits for a stage that ends by itself, which none should.
    async fn first_death(&mut self) -> &'static str {
        tokio::select! {
            _ = &mut self.capture => "capture",
            _ = &mut self.coalesce => "coalesce",
            _ = &mut self.hub => "hub",
            _ = &mut self.gateway => "gateway",
        }
    }

    /// Stops along the path: no more changes, the rest is flushed, clients are told and leave.
    async fn stop(self, drain: Duration) -> Result<(), Error> {
        info!(connections = self.sessions.len(), within = ?drain, "draining");
        self.capture.abort();
        self.stop.cancel();
        self.sessions.close();
        let drained = timeout(drain, self.sessions.wait()).await;
        let cut_off = self.sessions.len();
        for task in [&self.coalesce, &self.hub, &self.gateway] {
            task.abort();
        }
        match drained {
            Ok(()) => Ok(()),
            Err(_) => {
                warn!(connections = cut_off, "the time to drain is over");
                Err(Error::CutOff(cut_off))
            }
        }
    }
}
