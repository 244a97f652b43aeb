//! A rate for each of many, of whom those that rest are forgotten.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::bucket::{Bucket, Rate};

/// Holds each key to the same rate, and remembers at most so many.
#[derive(Debug)]
pub(in crate::gateway) struct Rates<K> {
    rate: Rate,
    most: usize,
    buckets: Mutex<HashMap<K, Bucket>>,
}

impl<K: Eq + Hash> Rates<K> {
    pub(in crate::gateway) fn new(rate: Rate, most: usize) -> Self {
        Self {
            rate,
            most,
            buckets: Mutex::default(),
        }
    }

    /// Once more for `key`.
    ///
    /// # Errors
    /// When that is too soon: the time until it is not.
    pub(in crate::gateway) fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        let rate = self.rate;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= self.most && !buckets.contains_key(&key) {
            buckets.retain(|_, bucket| !bucket.is_full(rate, now));
            if buckets.len() > self.most / 2 {
                // More are at it than can be told apart. The bound on all connections is left.
                buckets.clear();
            }
        }
        let bucket = buckets.entry(key);
        let bucket = bucket.or_insert_with(|| Bucket::full(rate, now));
        bucket.take(rate, 1.0, now)
    }

    /// Takes back what was taken for `key`, as if it had not been.
    pub(in crate::gateway) fn give_back(&self, key: &K) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(key) {
            bucket.put_back(self.rate, 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_held_to_the_rate_one_by_one_and_only_so_many_are_remembered() {
        let rates = Rates::new(Rate::new(1, 2), 10);
        let now = Instant::now();
        let size = || rates.buckets.lock().expect("no panic").len();
        assert!(rates.take(0, now).is_ok() && rates.take(0, now).is_ok());
        assert_eq!(rates.take(0, now), Err(Duration::from_secs(1)));
        for key in 1..1_000 {
            assert!(rates.take(key, now).is_ok());
            assert!(size() <= 10);
        }
        let later = now + Duration::from_secs(60);
        assert!(rates.take(0, later).is_ok());
        for key in 1..10 {
            assert!(rates.take(key, later).is_ok());
        }
        assert!(rates.take(0, later).is_ok());
        assert!(rates.take(0, later).is_err(), "who is at it is remembered");
    }
}
