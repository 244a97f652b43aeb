//! When to look at the triggers.

use std::time::{Duration, Instant};

/// DDL is told of before it commits, so it is looked for again after these times.
const AGAIN: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(60),
];

/// How many times as long as a look took nobody looks again, so that looking all the time at what
/// changes all the time takes a twentieth of a process; and the longest such rest, because a machine
/// that is busy for a moment should not hide for long what has drifted.
const REST: u32 = 20;
const LONGEST_REST: Duration = Duration::from_secs(15);

/// When to look. Knows no clock.
#[derive(Debug)]
pub(super) struct Schedule {
    /// The sequence as it was last seen.
    moved: Option<String>,
    /// When there was DDL, and how many of the looks that follow it were taken.
    ddl: Option<(Instant, usize)>,
    /// When the last look began; `None` before the first.
    last: Option<Instant>,
    /// Not before this.
    rested: Instant,
}

impl Schedule {
    /// Due at once.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            moved: None,
            ddl: None,
            last: None,
            rested: now,
        }
    }

    /// Takes in how often DDL was noted.
    pub(super) fn heard(&mut self, moved: String, now: Instant) {
        // Before it was first asked for, there may have been DDL that has yet to commit.
        if self.moved.as_ref() != Some(&moved) {
            self.ddl = Some((now, 0));
        }
        self.moved = Some(moved);
    }

    /// Whether to look now, if no more than `longest` is to pass between two looks.
    pub(super) fn is_due(&self, longest: Duration, now: Instant) -> bool {
        let Some(last) = self.last else {
            return true;
        };
        let told = self
            .ddl
            .is_some_and(|(at, looks)| AGAIN.get(looks).is_some_and(|after| now >= at + *after));
        now >= self.rested && (told || now >= last + longest)
    }

    /// Takes in that a look was taken.
    pub(super) fn looked(&mut self, begun: Instant, ended: Instant) {
        self.last = Some(begun);
        let rest = ended.saturating_duration_since(begun) * REST;
        self.rested = ended + rest.min(LONGEST_REST);
        if let Some((at, looks)) = &mut self.ddl {
            // One look counts for all that were due.
            *looks = AGAIN.iter().filter(|after| begun >= *at + **after).count();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(300);

    /// Seconds from the start at which a look is taken, each of them as long as `takes`, if the
    /// sequence moves at `ddl`.
    fn looks(ddl: &[u64], takes: Duration, until: u64) -> Vec<u64> {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        let mut looks = Vec::new();
        for second in 0..until {
            let now = start + Duration::from_secs(second);
            let moved = ddl.iter().filter(|at| **at <= second).count();
            schedule.heard(moved.to_string(), now);
            if schedule.is_due(LONGEST, now) {
                looks.push(second);
                schedule.looked(now, now + takes);
            }
        }
        looks
    }

    #[test]
    fn a_quiet_schema_is_looked_at_by_the_clock() {
        assert_eq!(looks(&[], Duration::ZERO, 700), [0, 2, 10, 60, 360, 660]);
    }

    #[test]
    fn ddl_is_looked_for_at_once_and_again_when_it_may_have_committed() {
        assert_eq!(
            looks(&[100], Duration::ZERO, 400),
            [0, 2, 10, 60, 100, 102, 110, 160],
            "and not for ever"
        );
    }

    #[test]
    fn ddl_all_the_time_costs_no_more_than_looking_may() {
        let all: Vec<_> = (1..1000).collect();
        let short = looks(&all, Duration::from_millis(500), 1000);
        assert!((80..=100).contains(&short.len()), "{short:?}");
        let long = looks(&all, Duration::from_secs(2), 1000);
        assert!((50..=65).contains(&long.len()), "{long:?}");
    }
}
