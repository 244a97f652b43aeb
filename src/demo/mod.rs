//! Demo: a throw-away Postgres, a shop in it, its traffic, and the daemon that watches it.

mod binaries;
pub mod postgres;
