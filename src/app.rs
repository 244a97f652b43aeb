//! The app: wires the stages together and owns their tasks.

use std::{
    future::Future,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info};

use crate::{
    access::{self, Access, Guard},
    capture::{Capture, Transport},
    coalesce,
    config::Config,
    gateway::{self, Capacity, Certificates, DemoPage, Edge, Gateway, Listener, Tickets, TlsError},
    hub::{self, Hub, OutboxLimits, Settings},
    interest::Interest,
    protocol::Limits,
    status::DatabaseStatus,
    telemetry::Metrics,
};

/// Batches between two stages. Small: what waits longer belongs in the log, not in memory.
const STAGE_QUEUE: usize = 16;
/// After the last session, other connections may take this long to get their answer.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

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
    /// TLS cannot be spoken with these files.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Keys or rules that cannot work.
    #[error("{0}")]
    Access(#[from] access::Invalid),
    /// A stage ended although nobody told it to.
    #[error("the {0} stage has died")]
    StageDied(&'static str),
    /// Clients were still connected when the time to drain was over.
    #[error(
        "{cut_off} connections were cut off after the time to drain; {told} were told, {left} left by themselves"
    )]
    CutOff {
        /// How many.
        cut_off: usize,
        /// Clients that were told goodbye, those that were cut off afterwards among them.
        told: usize,
        /// Clients that left before they were told.
        left: usize,
    },
}

/// How an orderly shutdown went.
#[derive(Clone, Copy, Debug)]
pub struct Drained {
    /// Clients that were told goodbye, and closed.
    pub told: usize,
    /// Clients that left before they were told.
    pub left: usize,
}

/// A daemon whose port is bound and whose stages are ready to run.
#[derive(Debug)]
pub struct App {
    config: Config,
    listener: Listener,
    local_addr: SocketAddr,
    operator: Option<Listener>,
    certificates: Option<Certificates>,
    access: Access,
    demo: Option<DemoPage>,
}

impl App {
    /// Binds the listening socket; nothing runs yet.
    ///
    /// # Errors
    /// When the address is taken or not ours, or nobody can decide by `[access]`.
    pub fn bind(config: Config) -> Result<Self, Error> {
        let addr = config.gateway.listen;
        let listen = |source| Error::Listen { addr, source };
        Self::on(Listener::bind(addr).map_err(listen)?, config)
    }

    /// Serves a socket that listens already; nothing runs yet.
    ///
    /// # Errors
    /// When the system does not tell its address, or nobody can decide by `[access]`.
    pub fn on(listener: Listener, config: Config) -> Result<Self, Error> {
        let addr = config.gateway.listen;
        let listen = |source| Error::Listen { addr, source };
        let local_addr = listener.local_addr().map_err(listen)?;
        let operator = config.gateway.admin.listen;
        let operator = operator
            .map(|addr| Listener::bind(addr).map_err(|source| Error::Listen { addr, source }));
        let certificates = Certificates::load(&config.gateway.tls)?;
        Ok(Self {
            access: Access::new(&config.access)?,
            config,
            listener,
            local_addr,
            certificates,
            operator: operator.transpose()?,
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

    /// Where the operator reaches it, if that is elsewhere.
    pub fn operator_addr(&self) -> Option<SocketAddr> {
        let operator = self.operator.as_ref()?;
        operator.local_addr().ok()
    }

    /// What clients are shown, if TLS ends here: to be read again when it was renewed.
    pub fn certificates(&self) -> Option<Certificates> {
        self.certificates.clone()
    }

    /// Runs until `shutdown` completes, then flushes what waits, sends clients away and returns.
    ///
    /// # Errors
    /// When a stage dies, or clients do not leave in time.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<Drained, Error> {
        let drain = self.config.gateway.drain;
        let mut running = self.start();
        tokio::select! {
            () = shutdown => {}
            dead = running.first_death() => {
                // How clients took it matters less than this.
                let _ = running.stop(drain).await;
                return Err(Error::StageDied(dead));
            }
        }
        running.stop(drain).await
    }

    fn start(self) -> Running {
        let metrics = Metrics::new();
        let (captured, batches) = mpsc::channel(STAGE_QUEUE);
        let (out, flushes) = mpsc::channel(STAGE_QUEUE);
        let (status, watched) = watch::channel(DatabaseStatus::connecting());
        let (handle, commands) = hub::Handle::new();
        let (draining, flushed) = (CancellationToken::new(), CancellationToken::new());
        let (sessions, others) = (TaskTracker::new(), TaskTracker::new());
        let closing = CancellationToken::new();
        let config = self.config;

        let link = access::Link {
            url: config.database.url.reveal().to_owned(),
            connect_timeout: config.database.connect_timeout,
        };
        let guard = Guard::new(self.access, &config.access, link, metrics.clone());
        let interest = Interest::default();
        let (asked, questions) = mpsc::channel(1);
        let hub = Hub::new(
            settings(&config),
            interest.clone(),
            asked,
            guard.clone(),
            metrics.clone(),
        );
        let capture = Capture {
            database: config.database.clone(),
            log: config.log.clone(),
            captured,
            status,
            questions,
            interest,
            guard: guard.clone(),
            metrics: metrics.clone(),
        };
        let gateway = Gateway::new(gateway::Inner {
            edge: Edge::new(&config.gateway, config.access.open),
            certificates: self.certificates,
            outbox: outbox_limits(&config),
            hub: handle,
            guard: guard.clone(),
            tickets: Tickets::default(),
            status: watched.clone(),
            metrics: metrics.clone(),
            capacity: Capacity::of_process(&config.gateway),
            sessions: sessions.clone(),
            others: others.clone(),
            draining: draining.clone(),
            closing: closing.clone(),
            started: Instant::now(),
            transport: config.database.transport.as_str(),
            demo: self.demo,
            config: config.gateway,
        });
        if let Some(listener) = self.operator {
            others.spawn(gateway::serve_operator(gateway.clone(), listener));
        }
        let drain = coalesce::Drain {
            begun: draining.clone(),
            flushed: flushed.clone().drop_guard(),
        };
        let coalesce = coalesce::run(config.coalesce, batches, out, metrics.clone(), drain);
        Running {
            capture: tokio::spawn(capture.run()),
            coalesce: tokio::spawn(coalesce),
            hub: tokio::spawn(hub.run(commands, flushes, watched, flushed)),
            gateway: others.spawn(gateway::serve(gateway, self.listener)),
            keys: tokio::spawn(async move { guard.keep_keys().await }),
            sessions,
            others,
            draining,
            closing,
            metrics,
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
    /// Fetches the keys that issuers publish; ends at once where none do.
    keys: JoinHandle<()>,
    sessions: TaskTracker,
    others: TaskTracker,
    draining: CancellationToken,
    closing: CancellationToken,
    metrics: Metrics,
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

    /// Sends everybody away while changes still arrive, then stops. Until the last client has left,
    /// whoever comes is answered: that the daemon drains, and when to come back.
    async fn stop(mut self, drain: Duration) -> Result<Drained, Error> {
        let open = self.sessions.len();
        info!(connections = open, within = ?drain, "draining");
        self.draining.cancel();
        self.sessions.close();
        let drained = timeout(drain, self.sessions.wait()).await;
        let cut_off = self.sessions.len();
        let told = usize::try_from(self.metrics.goodbyes.get()).unwrap_or(usize::MAX);
        let left = open.saturating_sub(told);
        self.closing.cancel();
        self.others.close();
        if timeout(LAST_ANSWERS, self.others.wait()).await.is_err() {
            debug!("connections without a question were cut off");
        }
        self.end_stages().await;
        match drained {
            Ok(()) => Ok(Drained { told, left }),
            Err(_) => Err(Error::CutOff {
                cut_off,
                told,
                left,
            }),
        }
    }

    /// Ends the stages and waits until they have: none has anything to say after the last line of the log.
    async fn end_stages(&mut self) {
        for task in [
            &mut self.capture,
            &mut self.coalesce,
            &mut self.hub,
            &mut self.gateway,
            &mut self.keys,
        ] {
            task.abort();
            if !task.is_finished() {
                // Cancelled, as it should be. One that never yields is left to the end of the process.
                let _ = timeout(LAST_ANSWERS, task).await;
            }
        }
    }
}
