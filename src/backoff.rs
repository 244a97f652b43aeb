//! How long to wait before the next attempt at something that failed.

use std::time::Duration;

/// Exponential backoff with full jitter: each wait is a random part of a ceiling that doubles, so
/// that daemons which lost the same database do not come back in step.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// Ceilings run from `first` to `most`.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self {
            first,
            most,
            failures: 0,
        }
    }

    /// The wait after one more failure; `random` is a number from 0 to 1.
    ///
    /// At least a tenth of the ceiling, so that an unlucky draw does not turn into a busy loop.
    pub fn next(&mut self, random: f64) -> Duration {
        let ceiling = self
            .first
            .saturating_mul(1 << self.failures.min(20))
            .min(self.most);
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(random.clamp(0.1, 1.0))
    }

    /// Starts over if what succeeded then lasted for twice the longest wait: what ends earlier
    /// may be about to fail each time.
    pub fn lasted(&mut self, success: Duration) {
        if success >= self.most.saturating_mul(2) {
            self.reset();
        }
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_double_up_to_the_most_and_start_over_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let ceilings: Vec<_> = (0..6).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(ceilings, [100, 200, 400, 800, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.next(0.5).as_millis(), 50);
        assert_eq!(backoff.next(0.0).as_millis(), 20);
    }

    #[test]
    fn a_success_that_did_not_last_is_none() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        backoff.next(1.0);
        backoff.lasted(Duration::from_millis(1999));
        assert_eq!(backoff.next(1.0).as_millis(), 200);
        backoff.lasted(Duration::from_secs(2));
        assert_eq!(backoff.next(1.0).as_millis(), 100);
    }
}
