//! What the writers do: transactions drawn from a seed.

use std::{ops::Range, time::Duration};

use fastrand::Rng;

use super::shop::Write;

/// How busy the writers are.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    pub(crate) writers: usize,
    /// Milliseconds between two transactions of one writer.
    pub(crate) rest: Range<u64>,
    /// One transaction in so many is rolled back.
    pub(crate) undone: u8,
    /// Everybody writes for the first of these times and rests for the second, again and again.
    pub(crate) tide: Option<(Duration, Duration)>,
    /// Writers that begin in a tide and commit, alone, when it is out.
    pub(crate) stragglers: usize,
    /// So many transactions per second, of one change each, instead of all that.
    pub(crate) steady: Option<u32>,
}

/// One transaction.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) repeatable_read: bool,
    pub(crate) steps: Vec<Step>,
    /// How long it stays open before it ends.
    pub(crate) hold: Duration,
    pub(crate) commits: bool,
    /// Whether it takes its id at once, and not with its first write.
    pub(crate) numbered_first: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Write(Write),
    Savepoint,
    /// Back to the latest savepoint.
    Undo,
    /// Keeps what was done since the latest savepoint.
    Keep,
    Pause(Duration),
}

impl Plan {
    /// One in `undone` is rolled back.
    pub(crate) fn random(rng: &mut Rng, undone: u8) -> Self {
        let holds = rng.u8(..20) == 0;
        let write = |rng: &mut Rng| match holds {
            true => Write::without_waiting(rng),
            false => Write::random(rng),
        };
        let mut steps = Vec::new();
        for _ in 0..rng.usize(1..=4) {
            match rng.u8(..10) {
                0..2 => {
                    steps.push(Step::Savepoint);
                    steps.extend((0..rng.usize(1..=2)).map(|_| Step::Write(write(rng))));
                    steps.push(if rng.bool() { Step::Undo } else { Step::Keep });
                }
                2 => steps.push(Step::Pause(millis(rng, 1..20))),
                3 => {
                    let twice = Step::Write(write(rng));
                    steps.extend([twice, twice]);
                }
                _ => steps.push(Step::Write(write(rng))),
            }
        }
        let hold = if holds { 100..800 } else { 0..4 };
        Self {
            repeatable_read: rng.u8(..4) == 0,
            steps,
            hold: millis(rng, hold),
            commits: rng.u8(..undone) != 0,
            numbered_first: rng.bool(),
        }
    }

    /// One change, at once.
    pub(crate) fn brief(rng: &mut Rng) -> Self {
        Self {
            repeatable_read: false,
            steps: vec![Step::Write(Write::without_waiting(rng))],
            hold: Duration::ZERO,
            commits: true,
            numbered_first: false,
        }
    }

    /// One that writes while the others do and commits when they have rested for a while.
    pub(crate) fn straggling(rng: &mut Rng, out: Duration) -> Self {
        Self {
            repeatable_read: rng.bool(),
            steps: (1..=12)
                .map(|topic| Step::Write(Write::Say(topic)))
                .collect(),
            hold: out,
            commits: true,
            numbered_first: rng.bool(),
        }
    }

    /// Something for everybody, one thing each.
    pub(crate) fn mark() -> Self {
        let say = (1..=12).map(|topic| Step::Write(Write::Say(topic)));
        let price = (1..=6).map(|product| Step::Write(Write::Price(product)));
        let status = (1..=8).map(|order| Step::Write(Write::Status(order)));
        Self {
            repeatable_read: false,
            steps: say.chain(price).chain(status).collect(),
            hold: Duration::ZERO,
            commits: true,
            numbered_first: false,
        }
    }
}

pub(crate) fn millis(rng: &mut Rng, range: Range<u64>) -> Duration {
    Duration::from_millis(rng.u64(range))
}
