use std::time::Duration;

use bytesize::ByteSize;
use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Serialize};

/// The `[resume]` section: how clients that come back are told what they missed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResumeConfig {
    /// How long the latest change of an entity is remembered.
    #[serde(with = "compact::required")]
    pub window: Duration,
    /// Most entities remembered in all rooms together.
    pub entries: usize,
    /// Clients wait a random part of this before they refetch what is not on screen.
    #[serde(with = "compact::required")]
    pub spread: Duration,
}

impl Default for ResumeConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(300),
            entries: 100_000,
            spread: Duration::from_secs(2),
        }
    }
}

/// The `[hub]` section: bounds on what is held for one session.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Most frames waiting for one session. When more come, the rooms concerned are told to resync
    /// once the session drains.
    pub queue_frames: usize,
    /// Most bytes waiting for one session, with the same outcome.
    pub queue_size: ByteSize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            // A client in as many rooms as it may be gets one frame for each at a time.
            queue_frames: 1_024,
            queue_size: ByteSize::kib(256),
        }
    }
}
