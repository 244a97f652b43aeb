//! Capture: from the change log in Postgres to batches of changes.

mod config;

pub use config::{DatabaseConfig, LogConfig, Secret, Transport};
