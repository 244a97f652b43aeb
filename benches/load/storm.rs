//! Ten thousand clients that come back at once to a daemon that has just been started and remembers
//! nothing, beside some that were there before.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::{
    crowd::{Crowd, Shape, Target},
    daemon::{Daemon, Door},
    report::{self, Figures},
    shop::Shop,
};

/// On the command line, for this alone.
pub(crate) const ARGUMENT: &str = "--storm";

const CLIENTS: usize = 10_000;
/// How many knock at a time.
const CALLERS: usize = 64;
/// Each client comes back to a room that changed, and to one of its own.
const CHANGED_ROOMS: usize = 100;
const WITNESSES: Shape = Shape {
    rooms: 20,
    sockets_per_room: 1,
    changes_per_second: 100,
};
const ROUND: Duration = Duration::from_secs(4);

/// The witnesses are measured in peace, then while the others come back.
pub(crate) fn survive(program: &Path, shop: &Shop) -> io::Result<()> {
    let mut before = Daemon::start(program, shop)?;
    let (_, answer) = before.door().come_back(&["anything"], "")?;
    let since = answer["cursor"].as_str().unwrap_or_default().to_owned();
    for room in 0..CHANGED_ROOMS {
        before.change(room)?;
    }
    drop(before);

    report::title("witnesses of a storm", &WITNESSES);
    let mut daemon = Daemon::start(program, shop)?;
    let mut witnesses = Crowd::gather(&WITNESSES, &daemon)?;
    let mut figures = [Figures::new("in peace"), Figures::new("in the storm")];
    figures[0].add(witnesses.round(&mut daemon, ROUND)?);
    let door = daemon.door();
    let (storm, round) = thread::scope(|scope| {
        let storm = scope.spawn(|| storm(door, &since));
        let round = witnesses.round(&mut daemon, ROUND);
        (storm.join().expect("callers do not panic"), round)
    });
    figures[1].add(round?);
    let (took, answers) = storm?;
    report::latency(&figures);
    report::storm(CLIENTS, took, &answers, looks(&daemon)?);
    Ok(())
}

/// How long it took until all were answered, and how many rooms were answered how.
fn storm(door: Door, since: &str) -> io::Result<(Duration, BTreeMap<String, usize>)> {
    let begun = Instant::now();
    let sockets = thread::scope(|scope| {
        let call = |caller| scope.spawn(move || call(door, since, caller));
        let callers: Vec<_> = (0..CALLERS).map(call).collect();
        let ends = callers
            .into_iter()
            .map(|caller| caller.join().expect("no panic"));
        ends.collect::<io::Result<Vec<_>>>()
    })?;
    let took = begun.elapsed();
    let mut answers = BTreeMap::new();
    for status in sockets.into_iter().flatten().flat_map(|(_, rooms)| rooms) {
        *answers.entry(status).or_default() += 1;
    }
    Ok((took, answers))
}

type Client = (std::net::TcpStream, Vec<String>);

fn call(door: Door, since: &str, caller: usize) -> io::Result<Vec<Client>> {
    let clients = (caller..CLIENTS).step_by(CALLERS);
    let back = clients.map(|client| {
        let changed = format!("product:{}", Shop::product(client % CHANGED_ROOMS));
        let own = format!("user:{client}");
        let (socket, answer) = door.come_back(&[&changed, &own], since)?;
        let rooms = answer["rooms"].as_array().cloned().unwrap_or_default();
        let status =
            |room: &serde_json::Value| room["status"].as_str().unwrap_or("none").to_owned();
        Ok((socket, rooms.iter().map(status).collect()))
    });
    back.collect()
}

fn looks(daemon: &Daemon) -> io::Result<u64> {
    let metrics = daemon.page("/metrics")?;
    let mut lines = metrics.lines();
    let line = lines.find_map(|line| line.strip_prefix("pgbell_history_reads_total "));
    let looks = line.and_then(|count| count.parse().ok());
    looks.ok_or_else(|| io::Error::other("no metric"))
}
