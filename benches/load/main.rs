//! What delivery costs: the real `pgbell serve` on a throw-away Postgres, beside a process that
//! does nothing but `write` the same bytes to as many sockets. `make bench-load` runs it.
//!
//! Both are driven on the same open-loop schedule and drained by the same reader, in rounds that
//! take turns. Nothing is asserted: figures depend on the machine, ratios less so.

#![expect(
    clippy::disallowed_methods,
    reason = "the generator keeps a schedule on threads of its own, which no runtime may delay"
)]

mod bare;
mod crowd;
mod daemon;
mod deaf;
mod memory;
mod process;
mod reader;
mod report;
mod shop;
mod slowloris;
mod storm;

use std::{env, io, path::Path, time::Duration};

use bare::BareWrite;
use crowd::{Crowd, Shape};
use daemon::Daemon;
use report::Figures;
use shop::Shop;

const PGBELL: &str = env!("CARGO_BIN_EXE_pgbell");

const PRIVATE_ROOMS: Shape = Shape {
    rooms: 100,
    sockets_per_room: 1,
    changes_per_second: 100,
};
const ONE_ROOM: Shape = Shape {
    rooms: 1,
    sockets_per_room: 2000,
    changes_per_second: 20,
};
const TEN_ROOMS: Shape = Shape {
    rooms: 10,
    sockets_per_room: 100,
    changes_per_second: 100,
};
/// Three seconds at the slowest rate are 60 changes: enough for a p99 of 2000 sockets each.
const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 4;
const IDLE_CONNECTIONS: usize = 5000;

fn main() -> io::Result<()> {
    if env::args().any(|arg| arg == deaf::ARGUMENT) {
        process::raise_open_files();
        return deaf::compare(Path::new(PGBELL), &Shop::open()?);
    }
    if env::args().any(|arg| arg == storm::ARGUMENT) {
        process::raise_open_files();
        return storm::survive(Path::new(PGBELL), &Shop::open()?);
    }
    if env::args().any(|arg| arg == slowloris::ARGUMENT) {
        process::raise_open_files();
        return slowloris::withstand(Path::new(PGBELL), &Shop::open()?);
    }
    if let Some(frame) = env::args().skip_while(|arg| arg != bare::ARGUMENT).nth(1) {
        return bare::serve(frame.parse().map_err(io::Error::other)?);
    }
    process::raise_open_files();
    let shop = Shop::open()?;
    let mut daemon = Daemon::start(Path::new(PGBELL), &shop)?;

    report::title("write to socket", &PRIVATE_ROOMS);
    report::latency(&race(&mut daemon, &PRIVATE_ROOMS)?);
    report::title("fan-out", &ONE_ROOM);
    report::fan_out(&race(&mut daemon, &ONE_ROOM)?);
    report::title("fan-out", &TEN_ROOMS);
    report::fan_out(&race(&mut daemon, &TEN_ROOMS)?);
    drop(daemon);

    let fresh = Daemon::start(Path::new(PGBELL), &shop)?;
    report::memory(
        IDLE_CONNECTIONS,
        memory::per_connection(&fresh, IDLE_CONNECTIONS)?,
    );
    Ok(())
}

/// Daemon and bare writer in turns. The first turn of the daemon shows what its frames look like
/// and is not counted.
fn race(daemon: &mut Daemon, shape: &Shape) -> io::Result<[Figures; 2]> {
    let mut ours = Crowd::gather(shape, daemon)?;
    let frame = ours.round(daemon, Duration::from_secs(1))?.frame_bytes();
    let mut writer = BareWrite::start(frame)?;
    let mut theirs = Crowd::gather(shape, &writer)?;
    let mut figures = [Figures::new("pgbell"), Figures::new("bare write")];
    for _ in 0..ROUNDS {
        figures[0].add(ours.round(daemon, ROUND)?);
        figures[1].add(theirs.round(&mut writer, ROUND)?);
    }
    Ok(figures)
}
