use std::time::{Duration, Instant};

use jiff::Timestamp;

/// What the daemon's clock shows, estimated from its answers to pings.
///
/// The answer was written somewhere between question and arrival; the middle is wrong by at most
/// half the round trip, so the quickest round trip tells best.
#[derive(Debug, Default)]
pub(super) struct Clock {
    offset_ms: f64,
    best: Option<Duration>,
    asked: Option<Instant>,
}

impl Clock {
    /// A new connection may lead to another daemon.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(super) fn ask(&mut self) {
        self.asked = Some(Instant::now());
    }

    pub(super) fn answer(&mut self, server_time: Timestamp) {
        let Some(asked) = self.asked.take() else {
            return;
        };
        let round_trip = asked.elapsed();
        if self.best.is_none_or(|best| round_trip <= best) {
            self.best = Some(round_trip);
            let half = round_trip.as_secs_f64() * 500.0;
            self.offset_ms = milliseconds(server_time) + half - milliseconds(Timestamp::now());
        }
    }

    /// Milliseconds since `at` on the daemon's clock.
    pub(super) fn since(&self, at: Timestamp) -> f64 {
        let now = milliseconds(Timestamp::now()) + self.offset_ms;
        (now - milliseconds(at)).max(0.0)
    }
}

/// Since 1970, to the microsecond.
fn milliseconds(time: Timestamp) -> f64 {
    time.as_microsecond() as f64 / 1000.0
}
