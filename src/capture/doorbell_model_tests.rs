//! The doorbell protocol, checked: every order in which a few writers and daemons can take their steps.
//!
//! [`Doorbell`] itself decides. Around it stands what the rest of the protocol does, one step per thing that others can
//! come between: the defaults of `pgbell.change` ([`Writer`]), `session.rs` and `upkeep.rs` ([`Phase`]), `arm.sql` and
//! `mute.sql`, and the snapshots of Postgres. There is no clock: how busy writers are is free to choose at each read,
//! and a daemon that relies on the bell sleeps until it is rung. The safety read is left out, because it would
//! hide every loss a second later.
//!
//! Nothing bounds how often anybody does something: xids are renumbered in their order, and a writer whose change was
//! read begins again. So the states are finite, and all of them are visited: 266,600 of [`Protocol::crowd`] and 312,590
//! of [`Protocol::pair`]. What is bounded is how many take part at a time. An [outsider](Protocol::outsider) mutes and
//! arms whenever it likes, as any number of other daemons might.

use stateright::{Checker, HasDiscoveries, Model, Property};

use self::world::{Daemon, Heard, Phase, World, Writer};
use super::*;

#[path = "doorbell_world_tests.rs"]
mod world;

const NOTHING_UNREAD: &str = "no committed change stays unread by a daemon that sleeps";
const QUIET: &str = "daemons come to sleep beside a running writer";

/// A step of the protocol that is left out, or done wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Flaw {
    /// A writer reads the flag, and takes its xid later.
    FlagBeforeXid,
    /// Arming takes X, and clears the flag later.
    XBeforeFlag,
    /// Arming takes the xmax of a snapshot for X.
    XmaxForX,
    /// Arming waits for nothing.
    NoWait,
    /// Arming waits until the xmax of a read is above X.
    XmaxOfRead,
    /// Arming looks at the xmin of a snapshot younger than the rows.
    RowsOfEarlierSnapshot,
    /// Muting tells nobody.
    Untold,
    /// Muting tells others first, and sets the flag later.
    ToldBeforeFlag,
    /// Whoever hears `muted` looks at the flag, as for any ring.
    MutedIsNotBelieved,
    /// A daemon that starts sleeps without a read.
    NoFirstRead,
    /// A daemon that starts believes the flag it finds.
    FlagTrustedAtStart,
    /// A daemon LISTENs only when it is about to rely on it.
    ListenLast,
    /// Muting is cut short by the server, between flag and commit.
    MuteCutShort,
}

/// What takes part.
#[derive(Debug)]
struct Protocol {
    writers: usize,
    daemons: usize,
    /// Whether some transaction without changes holds an xid for as long as it likes.
    holder: bool,
    /// Whether somebody else mutes and arms.
    outsider: bool,
    flaw: Option<Flaw>,
    config: DatabaseConfig,
    now: Instant,
}

/// How often writers commit, as far as the doorbell counts it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Pace {
    NotYetCounted,
    Quiet,
    Loud,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Action {
    Begin(usize),
    Write(usize),
    Commit(usize),
    RollBack(usize),
    Hold,
    Release,
    OutsiderMutes,
    OutsiderArms,
    Tell,
    CutShort,
    Start(usize),
    Crash(usize),
    /// Takes what has arrived, if anything has, and reads.
    Read(usize, Heard),
    Decide(usize, Pace),
    GoOn(usize),
}

impl Protocol {
    /// One daemon among any number of others, beside several writers and a long transaction.
    fn crowd(flaw: Option<Flaw>) -> Self {
        Self {
            writers: 3,
            daemons: 1,
            holder: true,
            outsider: true,
            flaw,
            config: DatabaseConfig::default(),
            now: Instant::now(),
        }
    }

    /// Two daemons that know of each other only by flag and notifications.
    fn pair(flaw: Option<Flaw>) -> Self {
        Self {
            writers: 2,
            daemons: 2,
            holder: false,
            outsider: false,
            ..Self::crowd(flaw)
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// The real thing, in this state, with a rate that is as wanted.
    fn doorbell(&self, state: State, pace: Pace) -> (Doorbell, Instant) {
        let mut doorbell = Doorbell::new(&self.config, self.now);
        doorbell.state = state;
        doorbell.rate.periods = 1;
        if pace == Pace::Loud {
            doorbell.rang(u64::from(self.config.mute_above) * 10);
        }
        let counted = pace != Pace::NotYetCounted;
        let now = self.now + if counted { QUIET_FOR } else { Duration::ZERO };
        (doorbell, now)
    }

    fn start(&self, world: &mut World, daemon: usize) {
        let new = Doorbell::new(&self.config, self.now);
        let relies = self.has(Flaw::NoFirstRead) || self.has(Flaw::FlagTrustedAtStart);
        world.daemons[daemon] = Daemon {
            phase: if self.has(Flaw::NoFirstRead) {
                Phase::Asleep
            } else {
                Phase::Awake
            },
            state: if relies && !world.muted {
                State::Armed
            } else {
                new.state
            },
            listens: !self.has(Flaw::ListenLast),
            heard: Heard::Nothing,
        };
    }

    /// `LogReader::read`, up to its snapshot, behind what `Session::follow` does with what was heard.
    fn read(&self, world: &mut World, number: usize, heard: Heard) {
        let (xmin, _) = world.snapshot();
        world.read_by(number);
        let daemon = &mut world.daemons[number];
        if heard == Heard::Muted && !self.has(Flaw::MutedIsNotBelieved) {
            let (mut doorbell, _) = self.doorbell(daemon.state, Pace::NotYetCounted);
            doorbell.heard_muted();
            daemon.state = doorbell.state;
        }
        if heard != Heard::Nothing {
            daemon.heard = Heard::Nothing;
        }
        daemon.phase = Phase::Reading { xmin };
    }

    /// The rest of the read, and what the doorbell makes of it.
    fn decide(&self, world: &mut World, number: usize, xmin: u8, pace: Pace) {
        let (xmin_now, xmax_now) = world.snapshot();
        let seen = Seen {
            muted: world.muted,
            xmin: match self.flaw {
                Some(Flaw::NoWait) => u64::MAX,
                Some(Flaw::XmaxOfRead) => xmax_now.into(),
                Some(Flaw::RowsOfEarlierSnapshot) => xmin_now.into(),
                _ => xmin.into(),
            },
            commits: 0,
        };
        let daemon = &mut world.daemons[number];
        let (mut doorbell, now) = self.doorbell(daemon.state, pace);
        let wish = doorbell.after_read(seen, now);
        daemon.state = doorbell.state;
        daemon.phase = match wish {
            Some(Wish::Mute) => Phase::Muting,
            Some(Wish::Arm) => Phase::Arming,
            None if doorbell.patience() < self.config.safety_interval => Phase::Awake,
            None => Phase::Asleep,
        };
        daemon.listens |= daemon.phase == Phase::Asleep;
    }

    /// `Upkeep::grant`, and telling the doorbell of it.
    fn go_on(&self, world: &mut World, number: usize) {
        let state = world.daemons[number].state;
        let (mut doorbell, now) = self.doorbell(state, Pace::NotYetCounted);
        let phase = match world.daemons[number].phase {
            Phase::Muting if self.has(Flaw::ToldBeforeFlag) => {
                world.notify(Heard::Muted);
                Phase::Telling
            }
            Phase::Muting => {
                world.muted = true;
                Phase::Telling
            }
            Phase::Telling => {
                match self.flaw {
                    Some(Flaw::ToldBeforeFlag) => world.muted = true,
                    Some(Flaw::Untold) => {}
                    _ => world.notify(Heard::Muted),
                }
                doorbell.muted(now);
                Phase::Awake
            }
            Phase::Arming if self.has(Flaw::XBeforeFlag) => Phase::Clearing {
                x: world.take_and_end(),
            },
            Phase::Arming => {
                world.muted = false;
                Phase::TakingX
            }
            Phase::TakingX => {
                let x = if self.has(Flaw::XmaxForX) {
                    world.snapshot().1
                } else {
                    world.take_and_end()
                };
                doorbell.armed(x.into(), now);
                Phase::Awake
            }
            Phase::Clearing { x } => {
                world.muted = false;
                doorbell.armed(x.into(), now);
                Phase::Awake
            }
            other => other,
        };
        world.daemons[number].phase = phase;
        world.daemons[number].state = doorbell.state;
    }

    fn write(&self, world: &mut World, number: usize) {
        world.writers[number] = match world.writers[number] {
            Writer::Idle if self.has(Flaw::FlagBeforeXid) => Writer::Peeked {
                rings: !world.muted,
            },
            Writer::Idle => Writer::Begun {
                xid: world.take_xid(),
            },
            Writer::Begun { xid } => Writer::Wrote {
                xid,
                rings: !world.muted,
            },
            Writer::Peeked { rings } => Writer::Wrote {
                xid: world.take_xid(),
                rings,
            },
            other => other,
        };
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self).tidy()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (number, writer) in world.writers.iter().enumerate() {
            match writer {
                Writer::Idle => actions.push(Action::Begin(number)),
                Writer::Begun { .. } | Writer::Peeked { .. } => {
                    actions.extend([Action::Write(number), Action::RollBack(number)]);
                }
                Writer::Wrote { .. } => {
                    actions.extend([Action::Commit(number), Action::RollBack(number)]);
                }
                Writer::Committed { .. } => {}
            }
        }
        if self.holder {
            actions.push(match world.held {
                None => Action::Hold,
                Some(_) => Action::Release,
            });
        }
        if self.outsider {
            actions.extend([Action::OutsiderMutes, Action::OutsiderArms]);
        }
        if world.untold {
            actions.push(Action::Tell);
            if self.has(Flaw::MuteCutShort) {
                actions.push(Action::CutShort);
            }
        }
        for (number, daemon) in world.daemons.iter().enumerate() {
            actions.push(match daemon.phase {
                Phase::Down => Action::Start(number),
                _ => Action::Crash(number),
            });
            match daemon.phase {
                Phase::Down => {}
                Phase::Asleep if daemon.heard == Heard::Nothing => {}
                Phase::Asleep => actions.push(Action::Read(number, daemon.heard)),
                Phase::Awake if daemon.heard == Heard::Nothing => {
                    actions.push(Action::Read(number, Heard::Nothing));
                }
                Phase::Awake => actions.extend([
                    Action::Read(number, Heard::Nothing),
                    Action::Read(number, daemon.heard),
                ]),
                Phase::Reading { .. } => actions.extend(
                    [Pace::NotYetCounted, Pace::Quiet, Pace::Loud]
                        .map(|pace| Action::Decide(number, pace)),
                ),
                _ => actions.push(Action::GoOn(number)),
            }
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        match action {
            Action::Begin(number) | Action::Write(number) => self.write(&mut world, number),
            Action::Commit(number) => world.commit(number),
            Action::RollBack(number) => world.roll_back(number),
            Action::Hold => world.held = Some(world.take_xid()),
            Action::Release => {
                let xid = world.held.take()?;
                world.end(xid);
            }
            Action::OutsiderMutes => {
                world.muted = true;
                world.untold = true;
            }
            Action::OutsiderArms => world.muted = false,
            Action::Tell => {
                world.untold = false;
                world.notify(Heard::Muted);
            }
            Action::CutShort => world.untold = false,
            Action::Start(number) => self.start(&mut world, number),
            Action::Crash(number) => world.crash(number),
            Action::Read(number, heard) => self.read(&mut world, number, heard),
            Action::Decide(number, pace) => {
                let Phase::Reading { xmin } = world.daemons[number].phase else {
                    return None;
                };
                self.decide(&mut world, number, xmin, pace);
            }
            Action::GoOn(number) => self.go_on(&mut world, number),
        }
        Some(world.tidy())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NOTHING_UNREAD, |_: &Self, world: &World| !world.is_stale()),
            Property::sometimes(QUIET, |_: &Self, world: &World| {
                world.is_quiet_beside_a_writer()
            }),
        ]
    }
}

/// Visits every state, and finds nothing wrong.
fn holds(protocol: Protocol) {
    let checker = protocol.checker().spawn_bfs().join();
    println!(
        "{} states, depth {}",
        checker.unique_state_count(),
        checker.max_depth()
    );
    checker.assert_properties();
    assert!(checker.unique_state_count() > 100_000);
}

/// Finds how a change is lost. Two writers suffice for that.
fn fails(protocol: Protocol) {
    let flaw = protocol.flaw;
    let protocol = Protocol {
        writers: 2,
        ..protocol
    };
    let finish = HasDiscoveries::AnyFailures;
    let checker = protocol.checker().finish_when(finish).spawn_bfs().join();
    let found = checker.discovery(NOTHING_UNREAD);
    let found = found.unwrap_or_else(|| panic!("{flaw:?} is not noticed"));
    println!("{:?}", found.into_actions());
}

#[test]
fn no_change_is_lost_to_a_daemon_among_others() {
    holds(Protocol::crowd(None));
}

#[test]
fn no_change_is_lost_between_two_daemons() {
    holds(Protocol::pair(None));
}

#[test]
fn a_writer_must_have_its_xid_before_it_reads_the_flag() {
    fails(Protocol::crowd(Some(Flaw::FlagBeforeXid)));
}

#[test]
fn x_must_be_taken_after_the_flag_was_cleared() {
    fails(Protocol::crowd(Some(Flaw::XBeforeFlag)));
}

#[test]
fn x_must_be_a_transaction_and_not_the_end_of_a_snapshot() {
    fails(Protocol::crowd(Some(Flaw::XmaxForX)));
}

#[test]
fn arming_must_wait_for_writers_that_found_the_bell_muted() {
    fails(Protocol::crowd(Some(Flaw::NoWait)));
    fails(Protocol::crowd(Some(Flaw::XmaxOfRead)));
}

#[test]
fn arming_must_look_at_the_snapshot_that_its_rows_were_read_with() {
    fails(Protocol::crowd(Some(Flaw::RowsOfEarlierSnapshot)));
}

#[test]
fn muting_must_tell_others_and_not_before_the_flag_is_set() {
    fails(Protocol::pair(Some(Flaw::Untold)));
    fails(Protocol::pair(Some(Flaw::ToldBeforeFlag)));
}

#[test]
fn whoever_hears_of_muting_must_believe_it_even_if_the_flag_is_clear_again() {
    fails(Protocol::crowd(Some(Flaw::MutedIsNotBelieved)));
    fails(Protocol::pair(Some(Flaw::MutedIsNotBelieved)));
}

#[test]
fn a_daemon_must_start_by_listening_then_reading_and_then_arming_itself() {
    fails(Protocol::pair(Some(Flaw::ListenLast)));
    fails(Protocol::pair(Some(Flaw::NoFirstRead)));
    fails(Protocol::pair(Some(Flaw::FlagTrustedAtStart)));
}

/// Setting the flag is not transactional, committing the notification is. A server that ends the transaction between
/// the two (a terminated backend, a full notification queue) leaves others asleep while writers do not ring. That is
/// what the safety read is for.
#[test]
fn a_mute_that_the_server_cuts_short_is_left_to_the_safety_read() {
    fails(Protocol::crowd(Some(Flaw::MuteCutShort)));
}
