//! What the model of the doorbell protocol is about: transactions, notifications, and where daemons are.

use super::{Protocol, State};

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct World {
    /// The flag.
    pub(super) muted: bool,
    pub(super) next_xid: u8,
    pub(super) latest_completed: u8,
    pub(super) writers: Vec<Writer>,
    pub(super) held: Option<u8>,
    /// Whether a mute has set the flag and not yet committed its notification, and its daemon is not there (any more).
    pub(super) untold: bool,
    pub(super) daemons: Vec<Daemon>,
}

/// A transaction that writes one change.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Writer {
    Idle,
    /// `pg_current_xact_id()` was called.
    Begun {
        xid: u8,
    },
    /// The flag was read, and there is no xid yet: only with [`Flaw::FlagBeforeXid`].
    Peeked {
        rings: bool,
    },
    /// The row is there, with the notification if the flag said so.
    Wrote {
        xid: u8,
        rings: bool,
    },
    /// Daemons that have not read it, one bit each.
    Committed {
        unread: u8,
    },
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Daemon {
    pub(super) phase: Phase,
    pub(super) state: State,
    pub(super) listens: bool,
    /// What is in its notification queue, or on the way; `muted` says all that a ring says.
    pub(super) heard: Heard,
}

#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Heard {
    Nothing,
    Ring,
    Muted,
}

/// Where a daemon is in `Session::follow`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Phase {
    Down,
    /// Reads next.
    Awake,
    /// The read has its snapshot and its rows, and reads the flag next.
    Reading {
        xmin: u8,
    },
    /// Was granted to mute: `pgbell.mute()` sets the flag next.
    Muting,
    /// Commits the notification next.
    Telling,
    /// Was granted to arm: `pgbell.arm()` clears the flag next.
    Arming,
    /// Takes X next.
    TakingX,
    /// Has taken X, and clears the flag next: only with [`Flaw::XBeforeFlag`].
    Clearing {
        x: u8,
    },
    /// Relies on the bell: nothing but a notification makes it read.
    Asleep,
}

impl Daemon {
    /// One that does not run.
    fn down() -> Self {
        Self {
            phase: Phase::Down,
            state: State::Muted,
            listens: false,
            heard: Heard::Nothing,
        }
    }

    /// A number of its own for everything that it can be.
    fn rank(&self) -> (Phase, u64, bool, Heard) {
        let state = match self.state {
            State::Armed => 0,
            State::Muted => 1,
            State::Arming(floor) => 2 + floor,
        };
        (self.phase, state, self.listens, self.heard)
    }

    /// Whether only a notification that is yet to be sent could make it read.
    fn sleeps(&self) -> bool {
        self.phase == Phase::Asleep && self.heard == Heard::Nothing
    }
}

impl World {
    pub(super) fn new(protocol: &Protocol) -> Self {
        Self {
            muted: false,
            next_xid: 1,
            latest_completed: 0,
            writers: vec![Writer::Idle; protocol.writers],
            held: None,
            untold: false,
            daemons: vec![Daemon::down(); protocol.daemons],
        }
    }

    /// The xmin and xmax that a snapshot taken now has. Transactions at or above its xmax can be running, too.
    pub(super) fn snapshot(&self) -> (u8, u8) {
        let xmax = self.latest_completed + 1;
        let running = self.writers.iter().filter_map(|writer| match writer {
            Writer::Begun { xid } | Writer::Wrote { xid, .. } => Some(*xid),
            _ => None,
        });
        let xmin = running.chain(self.held).min().unwrap_or(xmax).min(xmax);
        (xmin, xmax)
    }

    pub(super) fn take_xid(&mut self) -> u8 {
        self.next_xid += 1;
        self.next_xid - 1
    }

    /// A transaction that does nothing but take an xid.
    pub(super) fn take_and_end(&mut self) -> u8 {
        let xid = self.take_xid();
        self.end(xid);
        xid
    }

    pub(super) fn end(&mut self, xid: u8) {
        self.latest_completed = self.latest_completed.max(xid);
    }

    /// A commit becomes visible, and its notification reaches everybody who listens.
    pub(super) fn commit(&mut self, number: usize) {
        if let Writer::Wrote { xid, rings } = self.writers[number] {
            self.end(xid);
            self.writers[number] = Writer::Committed {
                unread: (1 << self.daemons.len()) - 1,
            };
            if rings {
                self.notify(Heard::Ring);
            }
        }
    }

    pub(super) fn roll_back(&mut self, number: usize) {
        if let Writer::Wrote { xid, .. } | Writer::Begun { xid } = self.writers[number] {
            self.end(xid);
        }
        self.writers[number] = Writer::Idle;
    }

    pub(super) fn notify(&mut self, what: Heard) {
        for daemon in self.daemons.iter_mut().filter(|daemon| daemon.listens) {
            daemon.heard = daemon.heard.max(what);
        }
    }

    pub(super) fn read_by(&mut self, number: usize) {
        for writer in &mut self.writers {
            if let Writer::Committed { unread } = writer {
                *unread &= !(1 << number);
                if *unread == 0 {
                    *writer = Writer::Idle;
                }
            }
        }
    }

    /// Ends a daemon. What it had sent to the server is carried out without it.
    pub(super) fn crash(&mut self, number: usize) {
        let daemon = &mut self.daemons[number];
        match daemon.phase {
            Phase::Telling => self.untold = true,
            Phase::Clearing { .. } => self.muted = false,
            _ => {}
        }
        *daemon = Daemon::down();
    }

    /// Whether a change that was committed is unread by a daemon that sleeps, and nothing is on its way that
    /// would wake it. A mute that has set its flag and not yet committed its notification is on its way.
    pub(super) fn is_stale(&self) -> bool {
        let telling = |daemon: &Daemon| daemon.phase == Phase::Telling;
        if self.untold || self.daemons.iter().any(telling) {
            return false;
        }
        self.daemons.iter().enumerate().any(|(number, daemon)| {
            let unread = |writer: &Writer| matches!(writer, Writer::Committed { unread } if unread & (1 << number) != 0);
            daemon.sleeps() && self.writers.iter().any(unread)
        })
    }

    /// Whether all daemons sleep beside a transaction that is still running.
    pub(super) fn is_quiet_beside_a_writer(&self) -> bool {
        let running = |writer: &Writer| matches!(writer, Writer::Wrote { .. });
        self.daemons.iter().all(Daemon::sleeps) && self.writers.iter().any(running)
    }

    /// Renumbers xids in their order, and puts writers and daemons in order: nobody can tell.
    pub(super) fn tidy(mut self) -> Self {
        let mut seen = Vec::new();
        self.each_xid(|xid| {
            seen.push(xid);
            xid
        });
        seen.sort_unstable();
        seen.dedup();
        self.each_xid(|xid| {
            seen.iter()
                .position(|other| *other == xid)
                .map_or(xid, |rank| rank as u8)
        });
        self.next_xid = seen.len() as u8;
        self.sort_daemons();
        self.writers.sort_unstable();
        self
    }

    fn sort_daemons(&mut self) {
        let mut order: Vec<_> = (0..self.daemons.len()).collect();
        order.sort_by_key(|number| self.daemons[*number].rank());
        self.daemons = order.iter().map(|number| self.daemons[*number]).collect();
        for writer in &mut self.writers {
            if let Writer::Committed { unread } = writer {
                let places = order.iter().enumerate();
                *unread = places.fold(0, |bits, (place, number)| {
                    bits | (*unread >> number & 1) << place
                });
            }
        }
    }

    fn each_xid(&mut self, mut change: impl FnMut(u8) -> u8) {
        self.latest_completed = change(self.latest_completed);
        self.held = self.held.map(&mut change);
        for writer in &mut self.writers {
            if let Writer::Begun { xid } | Writer::Wrote { xid, .. } = writer {
                *xid = change(*xid);
            }
        }
        for daemon in &mut self.daemons {
            if let State::Arming(floor) = &mut daemon.state {
                *floor = change(*floor as u8).into();
            }
            match &mut daemon.phase {
                Phase::Reading { xmin: xid } | Phase::Clearing { x: xid } => *xid = change(*xid),
                _ => {}
            }
        }
    }
}
