//! Hub: rooms and the sessions in them.

mod config;

pub use config::{Config, ResumeConfig};
