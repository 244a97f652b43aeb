//! How many connections each of those who have some may have.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counts the connections of everybody by a name: an address, a user. Who has none takes no space, so
/// it is as bounded as the connections are. Cheap to clone.
#[derive(Debug)]
pub(in crate::gateway) struct Shares<K> {
    most: usize,
    taken: Taken<K>,
}

type Taken<K> = Arc<Mutex<HashMap<K, usize>>>;

/// One connection of somebody's, until it is dropped.
#[derive(Debug)]
pub(in crate::gateway) struct Share<K: Eq + Hash> {
    key: K,
    taken: Taken<K>,
}

impl<K: Eq + Hash + Clone> Shares<K> {
    /// So many for each.
    pub(in crate::gateway) fn new(most: usize) -> Self {
        Self {
            most,
            taken: Taken::default(),
        }
    }

    /// One more for `key`, unless it has as many as it may.
    pub(in crate::gateway) fn take(&self, key: K) -> Option<Share<K>> {
        let mut taken = lock(&self.taken);
        let count = taken.get(&key).copied().unwrap_or(0);
        if count >= self.most {
            return None;
        }
        taken.insert(key.clone(), count + 1);
        drop(taken);
        Some(Share {
            key,
            taken: self.taken.clone(),
        })
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

fn lock<K>(taken: &Taken<K>) -> MutexGuard<'_, HashMap<K, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_as_many_as_the_others_and_gets_back_what_is_dropped() {
        let shares = Shares::new(2);
        let first = shares.take("ada").expect("one");
        let _second = shares.take("ada").expect("two");
        assert!(shares.take("ada").is_none());
        let other = shares.take("bob").expect("his own");
        drop(first);
        let again = shares.take("ada").expect("the one that was given back");
        assert!(shares.take("ada").is_none());
        drop((other, again));
        assert_eq!(lock(&shares.taken).len(), 1, "bob takes no space");
    }
}
