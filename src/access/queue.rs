//! How many questions wait for the database, of everybody and of one user.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Places for questions. Cheap to clone; clones share.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    most: usize,
    most_of_one: usize,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    all: usize,
    /// Who has none takes no space.
    by_user: HashMap<Arc<str>, usize>,
}

/// The place of one question, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    queue: Queue,
    user: Arc<str>,
}

impl Queue {
    /// So many at a time, and so many about one user.
    pub(super) fn new(most: usize, most_of_one: usize) -> Self {
        Self {
            most,
            most_of_one,
            waiting: Arc::default(),
        }
    }

    /// A place for one more question about `user`, if there is one.
    pub(super) fn enter(&self, user: &Arc<str>) -> Option<Place> {
        let mut waiting = self.lock();
        let own = waiting.by_user.get(user).copied().unwrap_or_default();
        if waiting.all >= self.most || own >= self.most_of_one {
            return None;
        }
        waiting.all += 1;
        waiting.by_user.insert(user.clone(), own + 1);
        drop(waiting);
        Some(Place {
            queue: self.clone(),
            user: user.clone(),
        })
    }

    /// Whether it is `user` alone who has as many as they may have.
    pub(super) fn waits_for(&self, user: &Arc<str>) -> bool {
        let waiting = self.lock();
        let own = waiting.by_user.get(user).copied().unwrap_or_default();
        own >= self.most_of_one && waiting.all < self.most
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        waiting.all -= 1;
        if let Some(own) = waiting.by_user.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                waiting.by_user.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_leaves_places_to_others_and_gives_them_back() {
        let queue = Queue::new(5, 2);
        let (anna, ben, eve) = ("anna".into(), "ben".into(), "eve".into());
        let first = queue.enter(&anna).expect("one");
        let second = queue.enter(&anna).expect("two");
        assert!(queue.enter(&anna).is_none());
        assert!(queue.waits_for(&anna) && !queue.waits_for(&ben));
        let others = [queue.enter(&ben), queue.enter(&ben), queue.enter(&eve)];
        assert!(others.iter().all(Option::is_some));
        assert!(queue.enter(&eve).is_none(), "there are five");
        assert!(!queue.waits_for(&anna), "others wait, too");
        drop(first);
        assert!(queue.enter(&eve).is_some());
        drop((second, others));
        let waiting = queue.lock();
        assert_eq!((waiting.all, waiting.by_user.len()), (0, 0));
    }
}
