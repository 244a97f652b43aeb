use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Serialize};

use crate::room::Target;

/// The `[coalesce]` section: how changes are batched before they are told.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// At most one flush per room in this time. The first change of a quiet room is told at once.
    /// `0ms` tells every read of the log at once.
    #[serde(with = "compact::required")]
    pub window: Duration,
    /// Windows of rooms that want another: the first pattern that covers a room decides.
    pub rooms: Vec<RoomRule>,
    /// Most entities told one by one in a flush of one room; beyond that the room is told to resync.
    pub max_entities_per_room: usize,
    /// Most entities waiting in all rooms together; beyond that, rooms that receive more are told
    /// to resync.
    pub max_pending: usize,
}

/// The window of the rooms that a pattern covers.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RoomRule {
    /// A room, or a beginning of room names followed by `*`.
    pub pattern: Target,
    /// Their window.
    #[serde(with = "compact::required")]
    pub window: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let rule = |pattern: &str, window| {
            let pattern = pattern.parse().ok()?;
            Some(RoomRule { pattern, window })
        };
        Self {
            window: Duration::from_millis(300),
            rooms: rule("admin:metrics", Duration::from_secs(1))
                .into_iter()
                .collect(),
            max_entities_per_room: 1_000,
            max_pending: 200_000,
        }
    }
}
