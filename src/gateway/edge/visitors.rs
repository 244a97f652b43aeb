//! Who speaks HTTP and has not said what it wants: they make room for others.
//!
//! Places for connections that speak HTTP are few. A client that says at once what it wants is gone
//! from them in a moment; who drips its request byte by byte, or says nothing, would keep one until its
//! deadline. So whoever has been silent for longest goes first when a place is needed, and sooner
//! where an address has a crowd of those: thousands of connections that say nothing come from few addresses.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::network::Holder;

/// A client may be silent for this long whoever else wants its place: far away, or on a bad line.
const PATIENCE: Duration = Duration::from_secs(1);
/// More silent ones of an address than a household has are a crowd, of which each may be silent for less.
const CROWD: usize = 8;
const PATIENCE_WITH_CROWDS: Duration = Duration::from_millis(100);

/// Everybody who speaks HTTP. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct Visitors {
    /// Most of one address.
    most: usize,
    /// Number of the next.
    next: Arc<AtomicU64>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Those whose request is waited for, longest first.
    silent: BTreeMap<u64, Silent>,
    holders: HashMap<Holder, Held>,
}

#[derive(Debug)]
struct Silent {
    since: Instant,
    holder: Option<Holder>,
    leave: CancellationToken,
}

/// What one address has.
#[derive(Debug, Default)]
struct Held {
    count: usize,
    /// Those of them whose request is waited for, longest first.
    silent: BTreeSet<u64>,
}

/// One connection that speaks HTTP, until it is dropped.
#[derive(Debug)]
pub(in crate::gateway) struct Visitor {
    visitors: Visitors,
    holder: Option<Holder>,
    /// Where it stands among the silent; larger than any if it is none of them.
    number: AtomicU64,
    leave: CancellationToken,
}

const NONE: u64 = u64::MAX;

impl Visitors {
    pub(in crate::gateway) fn new(most: usize) -> Self {
        Self {
            most,
            next: Arc::default(),
            state: Arc::default(),
        }
    }

    /// One more, whose address is counted if it has a `holder`. Where that is limited and has as many as
    /// it may, the one of them that has been silent for longest goes; without such a one, nobody comes.
    pub(in crate::gateway) fn enter(
        &self,
        holder: Option<Holder>,
        is_limited: bool,
        now: Instant,
    ) -> Option<Visitor> {
        let mut state = self.lock();
        if let Some(holder) = holder {
            let held = state.holders.entry(holder).or_default();
            if is_limited && held.count >= self.most {
                let longest = held.silent.first().copied()?;
                state.send_away(longest);
            }
            state.holders.entry(holder).or_default().count += 1;
        }
        drop(state);
        let visitor = Visitor {
            visitors: self.clone(),
            holder,
            number: AtomicU64::new(NONE),
            leave: CancellationToken::new(),
        };
        visitor.listens(now);
        Some(visitor)
    }

    /// Sends away who has been silent for longest in any crowd, or else of all, if that is long.
    pub(in crate::gateway) fn make_room(&self, now: Instant) {
        let mut state = self.lock();
        let late = state.latest_of_crowds(now).or_else(|| {
            let (number, silent) = state.silent.first_key_value()?;
            (silent.since + PATIENCE <= now).then_some(*number)
        });
        if let Some(number) = late {
            state.send_away(number);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Who has been silent for longest in any crowd, if that is long.
    fn latest_of_crowds(&self, now: Instant) -> Option<u64> {
        let crowds = self
            .holders
            .values()
            .filter(|held| held.silent.len() > CROWD);
        let number = crowds.filter_map(|held| held.silent.first()).min()?;
        let since = self.silent.get(number)?.since;
        (since + PATIENCE_WITH_CROWDS <= now).then_some(*number)
    }

    fn send_away(&mut self, number: u64) {
        if let Some(silent) = self.forget(number) {
            silent.leave.cancel();
        }
    }

    fn forget(&mut self, number: u64) -> Option<Silent> {
        let silent = self.silent.remove(&number)?;
        let held = silent
            .holder
            .and_then(|holder| self.holders.get_mut(&holder));
        if let Some(held) = held {
            held.silent.remove(&number);
        }
        Some(silent)
    }
}

impl Visitor {
    /// Notes that a request has come.
    pub(in crate::gateway) fn speaks(&self) {
        let number = self.number.swap(NONE, Ordering::Relaxed);
        self.visitors.lock().forget(number);
    }

    /// Notes that its next request is waited for from `now` on.
    pub(in crate::gateway) fn listens(&self, now: Instant) {
        let number = self.visitors.next.fetch_add(1, Ordering::Relaxed);
        let mut state = self.visitors.lock();
        if let Some(held) = self
            .holder
            .and_then(|holder| state.holders.get_mut(&holder))
        {
            held.silent.insert(number);
        }
        let silent = Silent {
            since: now,
            holder: self.holder,
            leave: self.leave.clone(),
        };
        state.silent.insert(number, silent);
        self.number.store(number, Ordering::Relaxed);
    }

    /// Done when its place is needed for others.
    pub(in crate::gateway) async fn sent_away(&self) {
        self.leave.cancelled().await;
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.speaks();
        let Some(holder) = self.holder else {
            return;
        };
        let mut state = self.visitors.lock();
        if let Some(held) = state.holders.get_mut(&holder) {
            held.count -= 1;
            if held.count == 0 {
                state.holders.remove(&holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(number: u8) -> Option<Holder> {
        Some(Holder::of([10, 0, 0, number].into()))
    }

    fn is_sent_away(visitor: &Visitor) -> bool {
        visitor.leave.is_cancelled()
    }

    #[test]
    fn who_is_silent_for_longest_makes_room_but_not_before_it_had_time() {
        let (visitors, start) = (Visitors::new(10), Instant::now());
        let first = visitors.enter(None, true, start).expect("a place");
        let second = visitors.enter(holder(1), true, start).expect("a place");
        let third = visitors.enter(None, true, start).expect("a place");
        first.speaks();
        visitors.make_room(start);
        assert!(!is_sent_away(&second));
        visitors.make_room(start + PATIENCE);
        assert!(is_sent_away(&second) && !is_sent_away(&first) && !is_sent_away(&third));
        first.listens(start + PATIENCE);
        visitors.make_room(start + PATIENCE);
        visitors.make_room(start + PATIENCE);
        assert!(is_sent_away(&third) && !is_sent_away(&first));
    }

    #[test]
    fn crowds_make_room_first_and_sooner() {
        let (visitors, start) = (Visitors::new(100), Instant::now());
        let alone = visitors.enter(holder(1), true, start).expect("a place");
        let enter = |number, count| -> Vec<_> {
            let places = (0..count).map(|_| visitors.enter(holder(number), false, start));
            places.map(|place| place.expect("a place")).collect()
        };
        let (crowd, few) = (enter(2, CROWD + 2), enter(3, CROWD));
        visitors.make_room(start);
        let left = |visitors: &[Visitor]| visitors.iter().filter(|v| is_sent_away(v)).count();
        assert_eq!(left(&crowd), 0, "they have only just come");
        for _ in 0..5 {
            visitors.make_room(start + PATIENCE_WITH_CROWDS);
        }
        assert!(is_sent_away(&crowd[0]) && is_sent_away(&crowd[1]));
        assert_eq!(
            (left(&crowd), left(&few), is_sent_away(&alone)),
            (2, 0, false)
        );
        visitors.make_room(start + PATIENCE);
        assert!(
            is_sent_away(&alone),
            "nobody else has been silent for longer"
        );
    }

    #[test]
    fn an_address_that_is_full_makes_room_for_its_own() {
        let (visitors, now) = (Visitors::new(2), Instant::now());
        let other = visitors.enter(holder(2), true, now).expect("a place");
        let first = visitors.enter(holder(1), true, now).expect("a place");
        let second = visitors.enter(holder(1), true, now).expect("a place");
        let third = visitors.enter(holder(1), true, now).expect("a place");
        assert!(is_sent_away(&first) && !is_sent_away(&second) && !is_sent_away(&other));
        drop(first);
        second.speaks();
        third.speaks();
        assert!(
            visitors.enter(holder(1), true, now).is_none(),
            "all of them are served"
        );
        drop(second);
        let fourth = visitors.enter(holder(1), true, now).expect("a place");
        drop((third, fourth, other));
        let state = visitors.lock();
        assert!(state.holders.is_empty() && state.silent.is_empty());
    }
}
