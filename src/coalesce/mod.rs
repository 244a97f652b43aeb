//! Coalesce: from batches of changes to one invalidation per room and window.

mod config;

pub use config::{Config, RoomRule};
