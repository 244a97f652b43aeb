//! pgbell: from a committed row to an open socket.

pub mod app;
pub mod backoff;
pub mod capture;
pub mod change;
pub mod cli;
pub mod coalesce;
pub mod config;
pub mod cursor;
pub mod demo;
pub mod gateway;
pub mod hub;
pub mod install;
pub mod interest;
pub mod invalidation;
pub mod protocol;
pub mod room;
pub mod status;
pub mod telemetry;
