//! Coalesce: from batches of changes to at most one invalidation per room and window.
//!
//! `window` decides, `worker` waits.

mod config;
mod window;
mod worker;

pub use config::{Config, RoomRule};
pub use worker::{Drain, at_once, run};
