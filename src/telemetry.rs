//! What the daemon counts. Every stage counts into one shared set; `/metrics` prints it.

use std::sync::{Arc, atomic::AtomicU64};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// The shared set. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    inner: Arc<Inner>,
}

impl std::ops::Deref for Metrics {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

/// A counter split by cause.
pub type ByReason = Family<Reason, Counter>;

/// The cause, from a small fixed set of names.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct Reason {
    reason: &'static str,
}

impl Reason {
    /// Labels with `reason`.
    pub fn new(reason: &'static str) -> Self {
        Self { reason }
    }
}

/// What kind of thing is counted, from a small fixed set of names.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct Kind {
    kind: &'static str,
}

impl Kind {
    /// Labels with `kind`.
    pub fn new(kind: &'static str) -> Self {
        Self { kind }
    }
}

macro_rules! metrics {
    ($( $(#[doc = $help:literal])+ $name:ident: $kind:ty = $new:expr, )*) => {
        /// Everything that is counted.
        #[derive(Debug)]
        pub struct Inner {
            registry: Registry,
            $( $(#[doc = $help])+ pub $name: $kind, )*
        }

        impl Inner {
            fn new() -> Self {
                let mut registry = Registry::with_prefix("pgbell");
                $(
                    let $name: $kind = $new;
                    let help = concat!($($help),+).trim().trim_end_matches('.');
                    registry.register(stringify!($name), help, $name.clone());
                )*
                Self { registry, $($name),* }
            }
        }
    };
}

metrics! {
    /// Whether changes arrive from the database.
    database_up: Gauge = Gauge::default(),
    /// Connections to the database lost, by cause.
    database_losses: ByReason = Family::default(),
    /// Notifications heard from writers.
    rings: Counter = Counter::default(),
    /// Notifications on our channel that neither a writer nor a daemon has sent.
    foreign_notifications: Counter = Counter::default(),
    /// Whether writers are told not to ring.
    doorbell_muted: Gauge = Gauge::default(),
    /// Reads of the change log.
    log_reads: Counter = Counter::default(),
    /// Changes read.
    changes: Counter = Counter::default(),
    /// Log rows with parts that no trigger should write.
    malformed_changes: Counter = Counter::default(),
    /// Looks at whether the log wants rotating, by outcome.
    log_rotations: ByReason = Family::default(),
    /// Changes made by the passing of time.
    scheduled_changes: Counter = Counter::default(),
    /// Seconds a notification takes through the database and back.
    heartbeat_seconds: Histogram = latency(),
    /// How full the notification queue of the server is, from 0 to 1.
    notification_queue_usage: Gauge<f64, AtomicU64> = Gauge::default(),
    /// Triggers that are not what was applied, by what is the matter.
    trigger_drift: Family<Kind, Gauge> = Family::default(),
    /// Looks at whether the triggers are what was applied, by outcome.
    drift_looks: ByReason = Family::default(),
    /// Rooms with changes that wait for their window.
    pending_batches: Gauge = Gauge::default(),
    /// Entities that wait for the window of a room.
    pending_entities: Gauge = Gauge::default(),
    /// Invalidations flushed, one per room and window.
    invalidations: Counter = Counter::default(),
    /// Entities in flushed invalidations.
    invalidated_entities: Counter = Counter::default(),
    /// Resyncs told to rooms or sessions, by cause.
    resyncs: ByReason = Family::default(),
    /// Rooms that clients came back to, by what they were told.
    resumes: ByReason = Family::default(),
    /// Looks at the log for clients that came back, each shared by all who waited for it.
    history_reads: Counter = Counter::default(),
    /// Changes remembered for clients that come back.
    remembered_changes: Gauge = Gauge::default(),
    /// Rooms of which changes are remembered.
    remembered_rooms: Gauge = Gauge::default(),
    /// Open connections.
    connections: Gauge = Gauge::default(),
    /// Open connections that take server-sent events.
    event_streams: Gauge = Gauge::default(),
    /// Rooms with a subscriber.
    rooms: Gauge = Gauge::default(),
    /// Subscriptions of all connections.
    subscribers: Gauge = Gauge::default(),
    /// Frames encoded, each shared by every subscriber of a room.
    frames: Counter = Counter::default(),
    /// Frames handed to connections.
    deliveries: Counter = Counter::default(),
    /// Bytes handed to connections.
    delivered_bytes: Counter = Counter::default(),
    /// Seconds from the statement that made a change to its flush.
    change_to_flush_seconds: Histogram = latency(),
    /// Queues that were full, by what was done: folded, resync, closed.
    slow_consumers: ByReason = Family::default(),
    /// Messages from clients that were refused, by error code.
    refused_messages: ByReason = Family::default(),
    /// Tokens that were looked at, by outcome.
    authentications: ByReason = Family::default(),
    /// Questions of room rules to the database, by outcome.
    access_questions: ByReason = Family::default(),
    /// Sessions closed, and rooms taken from sessions, because somebody may not be there any more.
    revocations: ByReason = Family::default(),
    /// Clients told goodbye because the daemon stops.
    goodbyes: Counter = Counter::default(),
    /// Connections that speak HTTP, WebSockets to be among them.
    http_connections: Gauge = Gauge::default(),
    /// Connections cut off before they were a session, by cause.
    cut_connections: ByReason = Family::default(),
    /// WebSockets and streams for which there was no place, by limit.
    refused_sessions: ByReason = Family::default(),
    /// Requests that were refused, by cause.
    refused_requests: ByReason = Family::default(),
    /// Times that connections were left waiting to be accepted, by cause.
    accept_pauses: ByReason = Family::default(),
    /// Connections ended, by cause.
    closes: ByReason = Family::default(),
}

/// From a tenth of a millisecond to seven seconds.
fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 17))
}

impl Metrics {
    /// A fresh set, all zero.
    pub fn new() -> Self {
        let mut inner = Inner::new();
        let build = prometheus_client::metrics::info::Info::new(vec![(
            "version",
            env!("CARGO_PKG_VERSION"),
        )]);
        inner.registry.register("build", "What is running", build);
        let started = Gauge::<i64>::default();
        started.set(jiff::Timestamp::now().as_second());
        inner.registry.register_with_unit(
            "start_time",
            "When the daemon started",
            Unit::Seconds,
            started,
        );
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The OpenMetrics text that Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.inner.registry).expect("writing to a String cannot fail");
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
