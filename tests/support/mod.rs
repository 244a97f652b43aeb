//! What makes the tests short: a database, a daemon, a client.

pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod command;
pub(crate) mod daemon;
pub(crate) mod database;
pub(crate) mod events;
pub(crate) mod flood;
pub(crate) mod journal;
pub(crate) mod oracle;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod raw;
pub(crate) mod relay;
pub(crate) mod scene;
pub(crate) mod server;
pub(crate) mod standby;

use std::{future::Future, panic::Location, time::Duration};

/// Longest wait for anything. Far beyond what a slow machine takes: reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for `future`, but not for ever; a failure names the caller.
#[track_caller]
pub(crate) fn soon<T>(what: &str, future: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = Location::caller();
    let what = what.to_owned();
    async move {
        match tokio::time::timeout(PATIENCE, future).await {
            Ok(value) => value,
            Err(_) => panic!("waited too long for {what} at {caller}"),
        }
    }
}
