//! How much one connection may say.

use std::time::{Duration, Instant};

use super::bucket::{Bucket, Rate};

/// So many bytes of a message cost as much as another one.
const BYTES_OF_A_MESSAGE: usize = 4096;

/// What one connection may say: a rate of messages, and of rooms in them.
#[derive(Clone, Copy, Debug)]
pub(in crate::gateway) struct Paces {
    pub(in crate::gateway) messages: Rate,
    pub(in crate::gateway) rooms: Rate,
    /// Bytes within which a message has to come to an end, its frames included.
    pub(in crate::gateway) unfinished: usize,
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
    /// Bytes since the last message.
    unfinished: usize,
}

impl Pace {
    pub(in crate::gateway) fn new(paces: Paces, now: Instant) -> Self {
        Self {
            paces,
            messages: Bucket::full(paces.messages, now),
            rooms: Bucket::full(paces.rooms, now),
            unfinished: 0,
        }
    }

    /// One more message, of whatever kind. Those that come too early count as well.
    pub(in crate::gateway) fn message(&mut self, now: Instant) -> Pacing {
        let rate = self.paces.messages;
        let bytes = std::mem::take(&mut self.unfinished);
        // What is more than a burst would never pass.
        let cost = ((1 + bytes / BYTES_OF_A_MESSAGE) as f64).min(rate.burst);
        match self.messages.take(rate, cost, now) {
            Ok(()) => Pacing::Fine,
            Err(_) if self.messages.owe(rate, cost, now) => Pacing::TooMuch,
            Err(wait) => Pacing::Later(wait + Duration::from_secs_f64(cost / rate.per_second)),
        }
    }

    /// Some more bytes of a message; whether it will hardly come to an end.
    pub(in crate::gateway) fn bytes(&mut self, count: usize) -> bool {
        self.unfinished += count;
        self.unfinished > self.paces.unfinished
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
            unfinished: 10_000,
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
    fn a_message_costs_by_its_bytes_and_has_to_come_to_an_end() {
        let now = Instant::now();
        let mut pace = pace(now);
        for _ in 0..10 {
            assert!(!pace.bytes(4_096), "two messages' worth");
            assert_eq!(pace.message(now), Pacing::Fine);
        }
        assert!(!pace.bytes(4_096));
        let wait = match pace.message(now) {
            Pacing::Later(wait) => wait,
            other => panic!("{other:?}"),
        };
        assert!(!pace.bytes(4_096));
        assert_eq!(
            pace.message(now + wait),
            Pacing::Fine,
            "sent again as it was"
        );
        let reads = (1..).find(|_| pace.bytes(512)).expect("an end");
        assert_eq!(reads, 10_000 / 512 + 1);
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
