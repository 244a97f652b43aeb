use std::time::Duration;

use bytesize::ByteSize;
use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Serialize};

/// The `[resume]` section: how clients that come back are told what they missed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResumeConfig {
    /// How long what was told is remembered, and rooms that nobody is in any more.
    #[serde(with = "compact::required")]
    pub window: Duration,
    /// Most changes remembered, and as many rooms that nobody is in; those who missed more are told
    /// from the log.
    pub entries: usize,
    /// Most rooms for which clients that come back wait for the log at a time; further ones are told to
    /// resync.
    pub waiting: usize,
    /// Clients wait a random part of this before they refetch what is not on screen.
    #[serde(with = "compact::required")]
    pub spread: Duration,
}

impl Default for ResumeConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(300),
            entries: 100_000,
            waiting: 200_000,
            spread: Duration::from_secs(2),
        }
    }
}

/// The `[hub]` section: bounds on what is held for one session.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Most frames waiting for one session. When more come, they are folded by room and entity; if
    /// that is not enough, the largest rooms are told to resync.
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
