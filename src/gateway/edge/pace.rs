//! How much one connection may say.

use std::time::{Duration, Instant};

use super::bucket::{Bucket, Rate};

/// Bytes that cost as much as a message: the parts of one that is never finished are not free.
const BYTES_OF_A_MESSAGE: f64 = 4096.0;

/// What one connection may say: a rate of messages, and of rooms in them.
#[derive(Clone, Copy, Debug)]
pub(in crate::gateway) struct Paces {
    pub(in crate::gateway) messages: Rate,
    pub(in crate::gateway) rooms: Rate,
}

/// What becomes of something that a client says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::gateway) enum Pacing {
    Fine,
    /// Not now, but after this time.
    Later(Duration),
    /// The client goes on and on although it was told.
    TooMuch,
}

/// What one connection has said lately.
#[derive(Debug)]
pub(in crate::gateway) struct Pace {
    paces: Paces,
    messages: Bucket,
    rooms: Bucket,
}

impl Pace {
    pub(in crate::gateway) fn new(paces: Paces, now: Instant) -> Self {
        Self {
            paces,
            messages: Bucket::full(paces.messages, now),
            rooms: Bucket::full(paces.rooms, now),
        }
    }

    /// One more message, of whatever kind. Those that come too early count as well.
    pub(in crate::gateway) fn message(&mut self, now: Instant) -> Pacing {
        let rate = self.paces.messages;
        match self.messages.take(rate, 1.0, now) {
            Ok(()) => Pacing::Fine,
            Err(_) if self.messages.owe(rate, 1.0, now) => Pacing::TooMuch,
            Err(wait) => Pacing::Later(wait + Duration::from_secs_f64(1.0 / rate.per_second)),
        }
    }

    /// Some more bytes, whatever they turn out to be; whether that is far too much.
    pub(in crate::gateway) fn bytes(&mut self, count: usize, now: Instant) -> bool {
        let cost = count as f64 / BYTES_OF_A_MESSAGE;
        self.messages.owe(self.paces.messages, cost, now)
    }

    /// A request that names so many rooms.
    pub(in crate::gateway) fn rooms(&mut self, count: usize, now: Instant) -> Pacing {
        let rate = self.paces.rooms;
        // What is more than a burst would never pass.
        let cost = (count as f64).min(rate.burst);
        match self.rooms.take(rate, cost, now) {
            Ok(()) => Pacing::Fine,
            Err(wait) => Pacing::Later(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(now: Instant) -> Pace {
        let paces = Paces {
            messages: Rate::new(10, 20),
            rooms: Rate::new(10, 100),
        };
        Pace::new(paces, now)
    }

    #[test]
    fn who_waits_as_told_is_heard_and_who_does_not_is_thrown_out() {
        let mut now = Instant::now();
        let mut patient = pace(now);
        for _ in 0..1_000 {
            match patient.message(now) {
                Pacing::Fine => {}
                Pacing::Later(wait) => now += wait + Duration::from_millis(1),
                Pacing::TooMuch => panic!("it waited"),
            }
        }
        let mut pushy = pace(now);
        let verdicts: Vec<_> = (0..41).map(|_| pushy.message(now)).collect();
        let count = |wanted: fn(&Pacing) -> bool| verdicts.iter().filter(|v| wanted(v)).count();
        assert_eq!(count(|verdict| *verdict == Pacing::Fine), 20);
        assert_eq!(count(|verdict| matches!(verdict, Pacing::Later(_))), 19);
        assert_eq!(verdicts[39], Pacing::TooMuch);
    }

    #[test]
    fn a_message_without_end_costs_as_many_as_its_bytes_could_be() {
        let now = Instant::now();
        let mut pace = pace(now);
        let reads = (1..).find(|_| pace.bytes(512, now)).expect("an end");
        assert_eq!(reads, 40 * 8);
    }

    #[test]
    fn more_rooms_than_a_burst_pass_when_the_bucket_is_full() {
        let now = Instant::now();
        let mut pace = pace(now);
        assert_eq!(pace.rooms(1_000, now), Pacing::Fine);
        assert_eq!(
            pace.rooms(1, now),
            Pacing::Later(Duration::from_millis(100))
        );
        assert_eq!(
            pace.rooms(1_000, now + Duration::from_secs(10)),
            Pacing::Fine
        );
    }
}
