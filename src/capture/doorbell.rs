//! Whether writers should ring: the decision alone, without clock or connection.
//!
//! Ringing wakes the daemon at once but makes commits wait for each other, because a transaction
//! that notifies holds a cluster-wide lock until its WAL is flushed. So the bell is muted while
//! writers are busy, and the log is polled instead.
//!
//! Arming must not lose a ring. A writer reads the flag after it has a transaction id. So once the
//! flag says "armed", a transaction id X is taken; every writer that still read "muted" has a lower
//! one. Polling goes on until a read's own snapshot has `xmin > X`: then all of those writers are
//! finished and were visible to that read, and everyone later rings.

use std::time::{Duration, Instant};

use super::{DatabaseConfig, Transport};
use crate::{sabotage::Step, status::DoorbellState};

/// How long rings are counted before the bell is muted for them.
const LOUD_FOR: Duration = Duration::from_millis(100);
/// How long commits are counted before the bell is armed for want of them.
const QUIET_FOR: Duration = Duration::from_secs(1);
/// How far the time between polls stretches while they find nothing.
const MAX_STRETCH: u32 = 8;

/// Longest time for which a ring is not heeded.
const LONGEST_REST: Duration = Duration::from_millis(5);

/// What the driver should do to the flag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wish {
    /// Set the flag and tell other daemons.
    Mute,
    /// Clear the flag, then take a transaction id and report it to [`Doorbell::armed`].
    Arm,
}

/// The parts of a read that matter here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Whether the flag said "muted".
    pub(super) muted: bool,
    /// Lower end of the read's own snapshot.
    pub(super) xmin: u64,
    /// Commits it found.
    pub(super) commits: u64,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum State {
    Armed,
    Muted,
    /// The flag is cleared; writers below this transaction id may not have seen that.
    Arming(u64),
}

/// The state of the bell as this daemon may rely on it.
#[derive(Debug)]
pub(super) struct Doorbell {
    transport: Transport,
    mute_above: f64,
    poll_interval: Duration,
    safety_interval: Duration,
    state: State,
    rate: Rate,
    stretch: u32,
    crowded: bool,
}

impl Doorbell {
    /// Starts by polling: who knows what writers were told.
    pub(super) fn new(config: &DatabaseConfig, now: Instant) -> Self {
        Self {
            transport: config.transport,
            mute_above: f64::from(config.mute_above),
            poll_interval: config.poll_interval,
            safety_interval: config.safety_interval,
            state: State::Muted,
            rate: Rate::new(now),
            stretch: 1,
            crowded: false,
        }
    }

    /// Takes in rings heard.
    pub(super) fn rang(&mut self, rings: u64) {
        self.rate.count += rings;
    }

    /// Whether the server's notification queue fills up. When it is full, writers that ring fail; so
    /// they must not ring before.
    pub(super) fn crowded(&mut self, crowded: bool) {
        self.crowded = crowded;
    }

    /// Another daemon has muted the bell, now or a moment ago. Even if the flag is cleared by the
    /// time it is read, some writers may have seen it set.
    pub(super) fn heard_muted(&mut self) {
        self.state = State::Muted;
    }

    /// Takes in a read that began after the last of the calls above.
    pub(super) fn after_read(&mut self, seen: Seen, now: Instant) -> Option<Wish> {
        self.stretch = if seen.commits > 0 {
            1
        } else {
            (self.stretch * 2).min(MAX_STRETCH)
        };
        if self.transport != Transport::Doorbell {
            // Nobody listens for rings, or the change is the notification.
            return (!seen.muted).then_some(Wish::Mute);
        }
        match self.state {
            State::Armed | State::Arming(_) if seen.muted => self.heard_muted(),
            State::Arming(floor) if seen.xmin > floor || Step::DrainWait.is_left_out() => {
                self.state = State::Armed;
            }
            _ => {}
        }
        if self.crowded {
            return (self.state != State::Muted || !seen.muted).then_some(Wish::Mute);
        }
        if self.state == State::Muted {
            return self.after_polling(seen, now);
        }
        let loud = self
            .rate
            .over(LOUD_FOR, now)
            .is_some_and(|rate| rate > self.mute_above);
        loud.then_some(Wish::Mute)
    }

    fn after_polling(&mut self, seen: Seen, now: Instant) -> Option<Wish> {
        self.rate.count += seen.commits;
        let first = self.rate.is_first();
        let rate = self.rate.over(QUIET_FOR, now);
        // At the start there is no rate to wait for: arm, and mute again if it is loud.
        let quiet = first || rate.is_some_and(|rate| rate < self.mute_above / 2.0);
        quiet.then_some(Wish::Arm)
    }

    /// The flag was set.
    pub(super) fn muted(&mut self, now: Instant) {
        self.state = State::Muted;
        self.rate.restart(now);
    }

    /// The flag was cleared, and `xid` was taken after that.
    pub(super) fn armed(&mut self, xid: u64, now: Instant) {
        self.state = State::Arming(xid);
        self.rate.restart(now);
    }

    /// Longest time until the next read, if nothing rings before.
    pub(super) fn patience(&self) -> Duration {
        match self.state {
            _ if self.transport == Transport::Poll => self.stretched(),
            _ if self.transport == Transport::Payload => self.safety_interval,
            State::Armed => self.safety_interval,
            State::Muted | State::Arming(_) => self.stretched(),
        }
    }

    /// Least time between two rings that are heeded. While rings are relied upon there is none, but any
    /// role may ring, and rings that go on are muted. Honest writers do not ring then.
    pub(super) fn rest(&self) -> Duration {
        match self.state {
            State::Armed => Duration::ZERO,
            State::Muted | State::Arming(_) => self.poll_interval.min(LONGEST_REST),
        }
    }

    fn stretched(&self) -> Duration {
        (self.poll_interval * self.stretch).min(self.safety_interval)
    }

    /// For `/health`.
    pub(super) fn state(&self) -> DoorbellState {
        match self.state {
            State::Armed => DoorbellState::Armed,
            State::Muted => DoorbellState::Muted,
            State::Arming(_) => DoorbellState::Arming,
        }
    }
}

/// Counts something and tells how often per second it happened.
#[derive(Debug)]
struct Rate {
    count: u64,
    since: Instant,
    periods: u32,
}

impl Rate {
    fn new(now: Instant) -> Self {
        Self {
            count: 0,
            since: now,
            periods: 0,
        }
    }

    fn is_first(&self) -> bool {
        self.periods == 0
    }

    fn restart(&mut self, now: Instant) {
        self.count = 0;
        self.since = now;
        self.periods = self.periods.saturating_add(1);
    }

    /// The rate of a period at least as long as `span`, which ends here; `None` while it is shorter.
    fn over(&mut self, span: Duration, now: Instant) -> Option<f64> {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed < span {
            return None;
        }
        let rate = self.count as f64 / elapsed.as_secs_f64();
        self.restart(now);
        Some(rate)
    }
}

#[cfg(test)]
#[path = "doorbell_model_tests.rs"]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Seen = Seen {
        muted: false,
        xmin: 100,
        commits: 0,
    };

    fn doorbell(transport: Transport) -> (Doorbell, Instant) {
        let config = DatabaseConfig {
            transport,
            ..DatabaseConfig::default()
        };
        let now = Instant::now();
        (Doorbell::new(&config, now), now)
    }

    fn armed() -> (Doorbell, Instant) {
        let (mut bell, now) = doorbell(Transport::Doorbell);
        assert_eq!(bell.after_read(QUIET, now), Some(Wish::Arm));
        bell.armed(50, now);
        assert_eq!(bell.after_read(QUIET, now), None);
        assert_eq!(bell.state(), DoorbellState::Armed);
        (bell, now)
    }

    #[test]
    fn it_relies_on_the_bell_only_when_writers_that_saw_it_muted_are_over() {
        let (mut bell, now) = doorbell(Transport::Doorbell);
        bell.after_read(QUIET, now);
        bell.armed(100, now);
        bell.after_read(QUIET, now);
        assert_eq!(
            bell.state(),
            DoorbellState::Arming,
            "xmin 100 is not past xid 100"
        );
        assert!(bell.patience() < Duration::from_millis(50));
        bell.after_read(Seen { xmin: 101, ..QUIET }, now);
        assert_eq!(bell.state(), DoorbellState::Armed);
        assert_eq!(bell.patience(), Duration::from_secs(1));
    }

    #[test]
    fn while_the_queue_is_crowded_the_bell_stays_muted() {
        let (mut bell, now) = armed();
        bell.crowded(true);
        assert_eq!(bell.after_read(QUIET, now), Some(Wish::Mute));
        bell.muted(now);
        let muted = Seen {
            muted: true,
            ..QUIET
        };
        assert_eq!(bell.after_read(muted, now + QUIET_FOR), None);
        let by_another = Some(Wish::Mute);
        assert_eq!(bell.after_read(QUIET, now), by_another, "armed meanwhile");
        bell.crowded(false);
        assert_eq!(bell.after_read(muted, now + QUIET_FOR * 2), Some(Wish::Arm));
    }

    #[test]
    fn loud_writers_are_muted_and_quiet_ones_armed_again() {
        let (mut bell, mut now) = armed();
        bell.rang(16);
        now += LOUD_FOR;
        assert_eq!(bell.after_read(QUIET, now), None, "160 per second");
        bell.rang(24);
        now += LOUD_FOR;
        assert_eq!(
            bell.after_read(QUIET, now),
            Some(Wish::Mute),
            "240 per second"
        );
        bell.muted(now);
        let seen = Seen {
            muted: true,
            ..QUIET
        };
        now += QUIET_FOR;
        assert_eq!(
            bell.after_read(
                Seen {
                    commits: 150,
                    ..seen
                },
                now
            ),
            None,
            "not below half"
        );
        now += QUIET_FOR;
        assert_eq!(
            bell.after_read(
                Seen {
                    commits: 90,
                    ..seen
                },
                now
            ),
            Some(Wish::Arm)
        );
    }

    #[test]
    fn another_daemon_that_mutes_is_believed_even_if_the_flag_is_clear_again() {
        let (mut bell, now) = armed();
        bell.heard_muted();
        bell.after_read(QUIET, now);
        assert_eq!(bell.state(), DoorbellState::Muted);
        let (mut bell, now) = armed();
        bell.after_read(
            Seen {
                muted: true,
                ..QUIET
            },
            now,
        );
        assert_eq!(bell.state(), DoorbellState::Muted);
    }

    #[test]
    fn polls_that_find_nothing_come_less_often() {
        let (mut bell, now) = doorbell(Transport::Poll);
        let muted = Seen {
            muted: true,
            ..QUIET
        };
        for _ in 0..9 {
            assert_eq!(bell.after_read(muted, now), None);
        }
        assert_eq!(bell.patience(), Duration::from_millis(40));
        bell.after_read(
            Seen {
                commits: 1,
                ..muted
            },
            now,
        );
        assert_eq!(bell.patience(), Duration::from_millis(5));
        assert_eq!(
            bell.after_read(QUIET, now),
            Some(Wish::Mute),
            "nobody else may arm it"
        );
    }

    #[test]
    fn strangers_who_go_on_ringing_are_heard_for_a_moment_and_then_at_the_pace_of_polls() {
        let (mut bell, mut now) = armed();
        assert_eq!(bell.rest(), Duration::ZERO);
        bell.rang(1000);
        now += LOUD_FOR;
        assert_eq!(bell.after_read(QUIET, now), Some(Wish::Mute));
        bell.muted(now);
        let muted = Seen {
            muted: true,
            ..QUIET
        };
        for _ in 0..10 {
            assert_eq!(bell.rest(), Duration::from_millis(5));
            bell.rang(10_000);
            now += QUIET_FOR;
            assert_eq!(bell.after_read(muted, now), None, "not armed for them");
        }
        now += QUIET_FOR;
        assert_eq!(bell.after_read(muted, now), Some(Wish::Arm));
    }

    #[test]
    fn changes_that_travel_inside_notifications_need_no_ring() {
        let (mut bell, now) = doorbell(Transport::Payload);
        assert_eq!(bell.after_read(QUIET, now), Some(Wish::Mute));
        bell.muted(now);
        let muted = Seen {
            muted: true,
            ..QUIET
        };
        bell.rang(10_000);
        assert_eq!(bell.after_read(muted, now + QUIET_FOR), None);
        assert_eq!(bell.patience(), Duration::from_secs(1));
    }
}
