//! Gateway: from sockets to sessions of the hub.

mod config;

pub use config::{AccessConfig, Config};
