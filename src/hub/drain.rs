//! Who is sent away when: the schedule of an orderly shutdown.
//!
//! Clients come back at once unless they are told otherwise, and all at once unless each is told
//! something else. So each is sent away at a moment of its own and asked to stay away for a time of
//! its own, both in the same order: who leaves first comes back first.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{frame::SHORTEST_RETURN, registry::SessionKey};

/// Sent away per second while nothing forces more: a handful of clients need not wait for their turn.
const PACE: u32 = 100;
/// The part of the time to drain that sending away may take; the rest is for closing.
const PART: f64 = 0.8;

/// Sessions that have not been sent away yet, in their order.
#[derive(Debug)]
pub(super) struct Drain {
    waiting: VecDeque<Farewell>,
    apart: Duration,
    next: Instant,
}

/// One session's turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Farewell {
    pub(super) key: SessionKey,
    /// When to come back.
    pub(super) retry_after: Duration,
}

impl Drain {
    /// All of `sessions`, the first of them at once.
    pub(super) fn new(
        sessions: impl Iterator<Item = SessionKey>,
        within: Duration,
        now: Instant,
    ) -> Self {
        let sessions: Vec<SessionKey> = sessions.collect();
        let count = u32::try_from(sessions.len().max(1)).unwrap_or(u32::MAX);
        let spread = within
            .mul_f64(PART)
            .min(Duration::from_secs(1) / PACE * count);
        // A millisecond each at least, which is what the wire can tell.
        let one_each = Duration::from_millis(count.into());
        let returns = within.max(SHORTEST_RETURN).max(one_each);
        let farewell = |(number, key)| Farewell {
            key,
            retry_after: returns / count * number,
        };
        Self {
            waiting: (0..).zip(sessions).map(farewell).collect(),
            apart: spread / count,
            next: now,
        }
    }

    /// When somebody has a turn.
    pub(super) fn next(&self) -> Option<Instant> {
        self.waiting.front().map(|_| self.next)
    }

    /// The next session whose turn has come.
    pub(super) fn due(&mut self, now: Instant) -> Option<Farewell> {
        if now < self.next {
            return None;
        }
        self.next += self.apart;
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::hub::registry::Registry;

    const WITHIN: Duration = Duration::from_secs(5);

    /// When each of so many is sent away, and asked to come back.
    fn schedule(count: usize) -> Vec<(Duration, Duration)> {
        let mut registry = Registry::new();
        let keys: Vec<SessionKey> = (0..count).map(|_| registry.join(())).collect();
        let start = Instant::now();
        let mut drain = Drain::new(keys.into_iter(), WITHIN, start);
        let mut schedule = Vec::new();
        while let Some(next) = drain.next() {
            assert_eq!(drain.due(next - Duration::from_nanos(1)), None, "too early");
            let farewell = drain.due(next).expect("a turn");
            schedule.push((next - start, farewell.retry_after));
        }
        schedule
    }

    #[test]
    fn many_are_sent_away_over_four_fifths_of_the_time_and_few_at_once() {
        assert_eq!(schedule(0), []);
        assert_eq!(schedule(1), [(Duration::ZERO, Duration::ZERO)]);
        let (last, _) = schedule(50)[49];
        assert!(last < Duration::from_millis(500), "{last:?}");
        for count in [1_000, 10_000] {
            let times = schedule(count);
            assert_eq!(times.len(), count);
            let late = times
                .iter()
                .filter(|(at, _)| *at > WITHIN.mul_f64(0.4))
                .count();
            assert!(
                late.abs_diff(count / 2) <= 2,
                "{late} of {count} in the second half"
            );
            assert!(times.iter().all(|(at, _)| *at < WITHIN.mul_f64(0.8)));
        }
    }

    #[test]
    fn everybody_comes_back_at_another_millisecond() {
        for count in [2, 700, 10_000] {
            let times = schedule(count);
            let distinct: HashSet<u128> =
                times.iter().map(|(_, retry)| retry.as_millis()).collect();
            assert_eq!(distinct.len(), count);
            assert!(
                times
                    .iter()
                    .all(|(_, retry)| *retry < WITHIN.max(Duration::from_secs(10)))
            );
        }
    }

    #[test]
    fn who_is_late_sends_everybody_away_that_is_due() {
        let mut registry = Registry::new();
        let keys = [registry.join(()), registry.join(())];
        let start = Instant::now();
        let mut drain = Drain::new(keys.into_iter(), WITHIN, start);
        let late = start + WITHIN;
        assert!(drain.due(late).is_some() && drain.due(late).is_some());
        assert_eq!((drain.due(late), drain.next()), (None, None));
    }
}
