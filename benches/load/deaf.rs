//! Clients that read beside as many that never do, in the same room.

use std::{
    cell::RefCell,
    io,
    net::TcpStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::{
    crowd::{Crowd, Round, Shape, Target},
    daemon::Daemon,
    memory::steady,
    process::Process,
    report::{self, Figures},
    shop::Shop,
};

/// On the command line, for this comparison alone.
pub(crate) const ARGUMENT: &str = "--deaf";

const READERS: Shape = Shape {
    rooms: 1,
    sockets_per_room: 500,
    changes_per_second: 20,
};
/// Shorter than the time after which who accepts no byte is closed, gathering included.
const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;
/// The flood has been told, queued and folded when the daemon has been idle for this long.
const SETTLED: Duration = Duration::from_millis(200);
/// Longest wait for that.
const PATIENCE: Duration = Duration::from_secs(3);

/// In turns, with fresh sockets for each round.
pub(crate) fn compare(program: &Path, shop: &Shop) -> io::Result<()> {
    report::title("beside clients that never read", &READERS);
    let mut daemon = Daemon::start(program, shop)?;
    round(&mut daemon)?;
    let before = steady(daemon.process())?;
    let mut beside = Vec::new();
    let mut figures = [Figures::new("alone"), Figures::new("beside 500")];
    for _ in 0..ROUNDS {
        figures[0].add(round(&mut daemon)?);
        let mut mixed = Mixed {
            daemon: &mut daemon,
            deaf: RefCell::default(),
        };
        figures[1].add(round(&mut mixed)?);
        beside.push(daemon.process().resident()?);
    }
    let after = steady(daemon.process())?;
    report::beside(&figures, before, &beside, after);
    Ok(())
}

/// Ends when the daemon has nobody left.
fn round(target: &mut dyn Flooded) -> io::Result<Round> {
    let mut readers = Crowd::gather(&READERS, target)?;
    target.daemon().flood()?;
    settle(target.process())?;
    let round = readers.round(target, ROUND)?;
    drop(readers);
    target.leave();
    target
        .daemon()
        .wait("/health", |page| page.contains(r#""connections":0,"#))?;
    Ok(round)
}

fn settle(process: &Process) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = process.cpu()?;
        thread::sleep(SETTLED);
        if process.cpu()? == before || Instant::now() > deadline {
            return Ok(());
        }
    }
}

trait Flooded: Target {
    fn daemon(&mut self) -> &mut Daemon;
    /// Lets the deaf go.
    fn leave(&mut self) {}
}

impl Flooded for Daemon {
    fn daemon(&mut self) -> &mut Daemon {
        self
    }
}

/// For each socket, another that nobody reads from joins the room before it.
struct Mixed<'a> {
    daemon: &'a mut Daemon,
    deaf: RefCell<Vec<TcpStream>>,
}

impl Flooded for Mixed<'_> {
    fn daemon(&mut self) -> &mut Daemon {
        self.daemon
    }

    fn leave(&mut self) {
        self.deaf.get_mut().clear();
    }
}

impl Target for Mixed<'_> {
    fn process(&self) -> &Process {
        self.daemon.process()
    }

    fn opening(&self) -> &'static [u8] {
        self.daemon.opening()
    }

    fn connect(&self, room: usize) -> io::Result<TcpStream> {
        self.deaf.borrow_mut().push(self.daemon.connect_deaf(room)?);
        self.daemon.connect(room)
    }

    fn change(&mut self, room: usize) -> io::Result<()> {
        self.daemon.change(room)
    }
}
