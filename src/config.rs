//! Configuration: one value, read and judged before any port opens.

use serde::{Deserialize, Serialize};

use crate::{capture, coalesce, gateway, hub};

/// Everything that can be set, by section.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the database is and how changes travel.
    pub database: capture::DatabaseConfig,
    /// How much of the change log is kept.
    pub log: capture::LogConfig,
    /// How changes are batched.
    pub coalesce: coalesce::Config,
    /// Bounds on what is held for one session.
    pub hub: hub::Config,
    /// How clients that come back are told what they missed.
    pub resume: hub::ResumeConfig,
    /// The listening socket and what clients may do.
    pub gateway: gateway::Config,
    /// Who may join which room.
    pub access: gateway::AccessConfig,
}
