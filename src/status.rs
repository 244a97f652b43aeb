//! What the daemon knows about its database, for readiness, for `/health` and for clients.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

/// The state of the path from the database.
#[derive(Clone, Debug, Serialize)]
pub struct DatabaseStatus {
    /// Whether changes arrive.
    pub state: DatabaseState,
    /// Since when.
    pub since: Timestamp,
    /// What writers do to wake the daemon.
    pub doorbell: DoorbellState,
    /// Why changes do not arrive, for an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What an operator should look at although changes arrive, by subject.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub warnings: BTreeMap<&'static str, String>,
    /// Triggers that are not what was applied. They outlive a lost connection: nothing has mended
    /// them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Finding>,
    /// Triggers that nobody recorded.
    #[serde(skip)]
    pub drift_notes: Vec<Finding>,
}

impl DatabaseStatus {
    /// Before the first connection.
    pub fn connecting() -> Self {
        Self {
            state: DatabaseState::Connecting,
            since: Timestamp::now(),
            // Until it has armed the bell, a daemon relies on polling.
            doorbell: DoorbellState::Muted,
            problem: None,
            warnings: BTreeMap::new(),
            drift: Vec::new(),
            drift_notes: Vec::new(),
        }
    }
}

/// Whether changes arrive.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseState {
    /// Not yet: the first connection is being made.
    Connecting,
    /// Yes.
    Live,
    /// No longer: the connection was lost and is being made again.
    Lost,
}

/// What writers do to wake the daemon.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DoorbellState {
    /// Every commit rings.
    Armed,
    /// No commit rings; the daemon polls.
    Muted,
    /// Commits ring, but some that began earlier may not; the daemon polls until those are over.
    Arming,
}

/// Something about a trigger that is not as it was applied, as `pgbell.drift()` tells it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// One of a fixed set of names.
    pub kind: String,
    /// Which table it is about.
    pub table: String,
    /// The trigger, function, column or partition.
    pub object: String,
    /// What is the matter.
    pub detail: String,
    /// What to do.
    pub mend: String,
}

impl Finding {
    /// What tells it from others, however it is worded.
    pub fn place(&self) -> (&str, &str, &str) {
        (&self.kind, &self.table, &self.object)
    }
}
