//! Which rooms' members are to be asked about again, and how often at most.

use std::{
    collections::{HashMap, VecDeque},
    future::pending,
    time::{Duration, Instant},
};

use tokio::time::sleep_until;

use crate::room::Room;

/// Shortest time between two looks at the members of one room.
const PAUSE: Duration = Duration::from_secs(1);

/// Rooms whose members were asked about again a moment ago.
#[derive(Debug, Default)]
pub(super) struct Rechecks {
    /// Whether it is wanted once more.
    recent: HashMap<Room, bool>,
    /// When each of them may be looked at again.
    order: VecDeque<(Instant, Room)>,
}

impl Rechecks {
    /// Whether the members of `room` are to be looked at now; otherwise they will be, when it is time.
    pub(super) fn want(&mut self, room: &Room, now: Instant) -> bool {
        if let Some(wanted) = self.recent.get_mut(room) {
            *wanted = true;
            return false;
        }
        self.recent.insert(room.clone(), false);
        self.order.push_back((now + PAUSE, room.clone()));
        true
    }

    /// Rooms that are wanted and whose time has come.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Room> {
        let mut due = Vec::new();
        while self.order.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, room)) = self.order.pop_front() else {
                break;
            };
            if self.recent.remove(&room) == Some(true) {
                due.push(room);
            }
        }
        due
    }

    /// Waits until [`take_due`](Self::take_due) has something to do.
    pub(super) async fn due(&self) {
        match self.order.front() {
            Some((at, _)) => sleep_until((*at).into()).await,
            None => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> Room {
        name.parse().expect("a room")
    }

    #[test]
    fn a_room_is_looked_at_at_once_and_then_once_in_a_while_and_never_too_few_times() {
        let (mut rechecks, now) = (Rechecks::default(), Instant::now());
        assert!(rechecks.want(&room("order:7"), now));
        assert!(rechecks.want(&room("order:8"), now));
        for _ in 0..3 {
            assert!(!rechecks.want(&room("order:7"), now));
        }
        assert!(rechecks.take_due(now).is_empty());
        assert_eq!(rechecks.take_due(now + PAUSE), [room("order:7")]);
        assert!(rechecks.take_due(now + PAUSE).is_empty());
        assert!(rechecks.want(&room("order:7"), now + PAUSE));
        assert!(rechecks.take_due(now + 2 * PAUSE).is_empty());
        assert!(rechecks.recent.is_empty() && rechecks.order.is_empty());
    }
}
