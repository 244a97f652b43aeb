//! How often something may happen: so often per second, and so often at once after a rest.

use std::time::{Duration, Instant};

/// A rate, and how much may be saved up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::gateway) struct Rate {
    pub(in crate::gateway) per_second: f64,
    pub(in crate::gateway) burst: f64,
}

impl Rate {
    pub(in crate::gateway) fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second: per_second.into(),
            burst: burst.into(),
        }
    }
}

/// What one of those who are held to a [`Rate`] has left.
#[derive(Clone, Copy, Debug)]
pub(in crate::gateway) struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    /// That of somebody new.
    pub(super) fn full(rate: Rate, now: Instant) -> Self {
        Self {
            left: rate.burst,
            at: now,
        }
    }

    /// Takes `cost` out.
    ///
    /// # Errors
    /// When that is not there: the time until it is.
    pub(super) fn take(&mut self, rate: Rate, cost: f64, now: Instant) -> Result<(), Duration> {
        self.refill(rate, now);
        if self.left < cost {
            let wait = (cost - self.left) / rate.per_second;
            return Err(Duration::from_secs_f64(wait));
        }
        self.left -= cost;
        Ok(())
    }

    /// Takes `cost` out although it is not there, and tells whether the debt is as large as the whole
    /// bucket: whoever makes that much knows no measure.
    pub(super) fn owe(&mut self, rate: Rate, cost: f64, now: Instant) -> bool {
        self.refill(rate, now);
        self.left = (self.left - cost).max(-rate.burst);
        self.left <= -rate.burst
    }

    /// Puts back what was taken.
    pub(super) fn put_back(&mut self, rate: Rate, cost: f64) {
        self.left = (self.left + cost).min(rate.burst);
    }

    /// Whether nothing is known about its owner that is not true of everybody.
    pub(super) fn is_full(&mut self, rate: Rate, now: Instant) -> bool {
        self.refill(rate, now);
        self.left >= rate.burst
    }

    fn refill(&mut self, rate: Rate, now: Instant) {
        let rested = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + rested * rate.per_second).min(rate.burst);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        per_second: 10.0,
        burst: 20.0,
    };

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::full(RATE, start);
        let mut passed = |after_ms| {
            let now = start + Duration::from_millis(after_ms);
            (0..100)
                .filter(|_| bucket.take(RATE, 1.0, now).is_ok())
                .count()
        };
        assert_eq!(passed(0), 20);
        assert_eq!(passed(0), 0);
        assert_eq!(passed(100), 1);
        assert_eq!(passed(1_100), 10);
        assert_eq!(passed(60_000), 20, "no more than a burst is saved up");
    }

    #[test]
    fn who_comes_too_early_is_told_when_to_come() {
        let start = Instant::now();
        let mut bucket = Bucket::full(RATE, start);
        assert_eq!(bucket.take(RATE, 20.0, start), Ok(()));
        let wait = bucket.take(RATE, 5.0, start).expect_err("empty");
        assert_eq!(wait, Duration::from_millis(500));
        assert!(bucket.take(RATE, 5.0, start + wait).is_ok());
    }

    #[test]
    fn debt_grows_only_as_large_as_a_burst_and_time_pays_it() {
        let start = Instant::now();
        let mut bucket = Bucket::full(RATE, start);
        assert!(!bucket.owe(RATE, 39.0, start));
        assert!(bucket.owe(RATE, 1.0, start));
        assert!(bucket.owe(RATE, 1_000.0, start));
        assert!(
            bucket
                .take(RATE, 1.0, start + Duration::from_secs(2))
                .is_err()
        );
        assert!(bucket.is_full(RATE, start + Duration::from_secs(4)));
    }
}
