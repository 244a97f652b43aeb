//! What an idle connection costs in resident memory.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use crate::{crowd::Target, daemon::Daemon, process::Process};

/// Time between two looks, and the change between them that still counts as steady.
const PAUSE: Duration = Duration::from_secs(1);
const NOISE_KIB: u64 = 64;
/// Longest wait for a steady figure.
const PATIENCE: Duration = Duration::from_secs(20);

/// KiB per connection, each in a room of its own.
pub(crate) fn per_connection(daemon: &Daemon, connections: usize) -> io::Result<f64> {
    let before = steady(daemon.process())?;
    let sockets = (0..connections).map(|room| daemon.connect(room));
    let sockets: Vec<_> = sockets.collect::<io::Result<_>>()?;
    let all = format!(r#""subscribers":{connections},"#);
    daemon.wait("/health", |page| page.contains(&all))?;
    let after = steady(daemon.process())?;
    drop(sockets);
    Ok(after.saturating_sub(before) as f64 / connections as f64)
}

/// Resident memory once it no longer moves.
pub(crate) fn steady(process: &Process) -> io::Result<u64> {
    let deadline = Instant::now() + PATIENCE;
    let mut last = process.resident()?;
    let mut quiet = 0;
    while quiet < 3 && Instant::now() < deadline {
        thread::sleep(PAUSE);
        let now = process.resident()?;
        quiet = if now.abs_diff(last) <= NOISE_KIB {
            quiet + 1
        } else {
            0
        };
        last = now;
    }
    Ok(last)
}
