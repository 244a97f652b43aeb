use std::time::Duration;

use bytesize::ByteSize;
use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// The `[database]` section: where the database is and how changes travel.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// Connection URL, `postgres://user:password@host:port/database`, with several hosts if one of
    /// them may become the primary, and `sslmode` and its like for encryption. Must reach Postgres itself and not a transaction-mode pooler,
    /// through which LISTEN does not work; with transport `poll` it may be one.
    pub url: Secret,
    /// How changes travel from the writers to the daemon.
    pub transport: Transport,
    /// Rings per second above which the doorbell is muted and the log is polled instead.
    pub mute_above: u32,
    /// Time between reads of the log while the doorbell is muted.
    #[serde(with = "compact::required")]
    pub poll_interval: Duration,
    /// Time between reads of a quiet log while the doorbell is armed: the bound on what a lost
    /// notification can cost.
    #[serde(with = "compact::required")]
    pub safety_interval: Duration,
    /// Time between proofs that a notification still travels end to end, and how long one may take.
    #[serde(with = "compact::required")]
    pub heartbeat: Duration,
    /// Bound on connecting and logging in, for each address of the URL.
    #[serde(with = "compact::required")]
    pub connect_timeout: Duration,
    /// Bound on any single statement of the daemon. The server is told; a second later we stop
    /// waiting for it.
    #[serde(with = "compact::required")]
    pub statement_timeout: Duration,
    /// Most changes taken by one read of the log. What a longer backlog holds is not told entity by
    /// entity: every room is told to resync.
    pub read_limit: u32,
    /// Time between looks at whether the triggers are still what was applied, where nothing tells
    /// of DDL earlier. A minute at most where no event trigger could be installed.
    #[serde(with = "compact::required")]
    pub drift_interval: Duration,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: Secret::default(),
            transport: Transport::Doorbell,
            mute_above: 200,
            poll_interval: Duration::from_millis(5),
            safety_interval: Duration::from_secs(1),
            heartbeat: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            read_limit: 100_000,
            drift_interval: Duration::from_secs(300),
        }
    }
}

/// How changes travel from the writers to the daemon.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Writers log the change and ring with an empty NOTIFY unless the bell is muted.
    Doorbell,
    /// The change travels inside NOTIFY and is not stored.
    Payload,
    /// Writers log the change and never notify; the daemon polls.
    Poll,
}

impl Transport {
    /// The name in configuration and in `pgbell.use_transport()`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Doorbell => "doorbell",
            Self::Payload => "payload",
            Self::Poll => "poll",
        }
    }
}

/// The `[log]` section: how much of the change log is kept for readers that come back.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// How long a change stays readable.
    #[serde(with = "compact::required")]
    pub retention: Duration,
    /// Size past which changes are dropped before their time.
    pub max_size: ByteSize,
    /// Time between looks at whether the log wants rotating.
    #[serde(with = "compact::required")]
    pub rotate_interval: Duration,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(3600),
            max_size: ByteSize::gib(1),
            rotate_interval: Duration::from_secs(10),
        }
    }
}
