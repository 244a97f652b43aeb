//! Who was sent away, and since when: tokens that were made before that are refused.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::Identity;

/// Most users that are remembered.
pub const MOST_REVOKED: usize = 100_000;

/// Users who were sent away lately. When there are too many, the oldest stand for everybody: rather is
/// somebody asked for a new token who need not be than the other way round.
#[derive(Debug)]
pub(super) struct Revocations {
    remembered_for: SignedDuration,
    most: usize,
    users: HashMap<Arc<str>, Known>,
    /// In the order in which they were heard of.
    heard: VecDeque<(Timestamp, Arc<str>)>,
    /// Tokens made by then are refused, whoever's they are.
    everybody: Option<Timestamp>,
}

#[derive(Debug)]
struct Known {
    at: Timestamp,
    /// How often it is in `heard`.
    times: usize,
}

impl Revocations {
    pub(super) fn new(remembered_for: SignedDuration) -> Self {
        Self {
            remembered_for,
            most: MOST_REVOKED,
            users: HashMap::new(),
            heard: VecDeque::new(),
            everybody: None,
        }
    }

    /// Tokens of `user` that were made by `at` count no longer.
    pub(super) fn add(&mut self, user: Arc<str>, at: Timestamp, now: Timestamp) {
        self.forget(now);
        let known = self
            .users
            .entry(user.clone())
            .or_insert(Known { at, times: 0 });
        known.at = known.at.max(at);
        known.times += 1;
        self.heard.push_back((now, user));
        while self.heard.len() > self.most {
            let Some((_, oldest)) = self.heard.pop_front() else {
                break;
            };
            if let Some(at) = self.remove(&oldest) {
                self.everybody = self.everybody.max(Some(at));
            }
        }
    }

    /// What somebody else has remembered, newest first: one that is known adds nothing.
    pub(super) fn learn(
        &mut self,
        known: impl DoubleEndedIterator<Item = (Arc<str>, Timestamp)>,
        now: Timestamp,
    ) {
        for (user, at) in known.rev() {
            if self.users.get(&user).is_none_or(|known| known.at < at) {
                self.add(user, at, now);
            }
        }
    }

    /// Whether somebody who is here has to go: [covered](Self::cover), or shown before their user was sent
    /// away. A clock that is ahead may have dated a token later than it was shown.
    pub(super) fn ends(&self, identity: &Identity) -> bool {
        let by_name = self.users.get(identity.user());
        self.cover(identity) || by_name.is_some_and(|known| identity.verified_at() <= known.at)
    }

    /// Whether this token was made before its user was sent away. One that does not say when it was made
    /// may have been.
    pub(super) fn cover(&self, identity: &Identity) -> bool {
        let by_name = self.users.get(identity.user()).map(|known| known.at);
        let Some(by) = by_name.max(self.everybody) else {
            return false;
        };
        // Tokens tell whole seconds.
        let issued = identity.issued_at().map(|at| at.as_second());
        issued.is_none_or(|issued| issued <= by.as_second())
    }

    fn forget(&mut self, now: Timestamp) {
        let remembered_for = self.remembered_for;
        let is_old = |heard: Timestamp| now.duration_since(heard) > remembered_for;
        while self.heard.front().is_some_and(|(heard, _)| is_old(*heard)) {
            if let Some((_, user)) = self.heard.pop_front() {
                self.remove(&user);
            }
        }
    }

    /// Forgets that a user was heard of; all of it when that was the last time.
    fn remove(&mut self, user: &Arc<str>) -> Option<Timestamp> {
        let known = self.users.get_mut(user)?;
        known.times -= 1;
        match known.times {
            0 => self.users.remove(user).map(|known| known.at),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::access::tests::somebody_who;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a moment")
    }

    fn made(sub: &str, second: i64) -> Identity {
        somebody_who(json!({"sub": sub, "iat": second, "exp": 4_000_000_000_u64}))
    }

    #[test]
    fn tokens_made_until_then_are_refused_and_later_ones_are_not() {
        let mut revocations = Revocations::new(SignedDuration::from_hours(24));
        revocations.add("anna".into(), at(1_000), at(1_001));
        assert!(revocations.cover(&made("anna", 999)));
        assert!(revocations.cover(&made("anna", 1_000)));
        assert!(!revocations.cover(&made("anna", 1_001)));
        assert!(!revocations.cover(&made("ben", 999)));
        let ageless = somebody_who(json!({"sub": "anna", "exp": 4_000_000_000_u64}));
        assert!(revocations.cover(&ageless), "nobody knows when it was made");
        revocations.add("anna".into(), at(900), at(1_002));
        assert!(
            revocations.cover(&made("anna", 1_000)),
            "an earlier one takes nothing back"
        );
    }

    #[test]
    fn what_is_learned_counts_as_what_was_heard_and_is_not_heard_twice() {
        let mut revocations = Revocations::new(SignedDuration::from_secs(100));
        let learned = || {
            [("ben", 1_010), ("anna", 1_000)]
                .map(|(user, second)| (user.into(), at(second)))
                .into_iter()
        };
        revocations.add("anna".into(), at(1_020), at(1_020));
        for second in 1_030..1_040 {
            revocations.learn(learned(), at(second));
        }
        assert!(revocations.cover(&made("anna", 1_020)), "the later counts");
        assert!(revocations.cover(&made("ben", 1_010)) && !revocations.cover(&made("ben", 1_011)));
        assert_eq!(revocations.heard.len(), 2);
        revocations.add("c".into(), at(1_125), at(1_125));
        assert!(!revocations.cover(&made("anna", 1_020)) && revocations.cover(&made("ben", 1_010)));
    }

    #[test]
    fn of_too_many_that_are_learned_the_newest_are_kept_and_the_next_stands_for_the_others() {
        let mut revocations = Revocations::new(SignedDuration::from_hours(24));
        revocations.most = 2;
        let newest_first = [("c", 1_003), ("b", 1_002), ("a", 1_001)];
        let learned = newest_first.map(|(user, second)| (user.into(), at(second)));
        revocations.learn(learned.into_iter(), at(2_000));
        assert!(revocations.cover(&made("c", 1_003)) && revocations.cover(&made("b", 1_002)));
        assert!(revocations.cover(&made("somebody", 1_001)));
        assert!(!revocations.cover(&made("somebody", 1_002)));
    }

    #[test]
    fn who_was_shown_a_token_of_later_before_is_sent_away_all_the_same() {
        let mut revocations = Revocations::new(SignedDuration::from_hours(24));
        let dated_ahead = made("anna", 3_000_000_000);
        let shown = dated_ahead.verified_at();
        revocations.add("anna".into(), shown, shown);
        assert!(revocations.ends(&dated_ahead) && !revocations.cover(&dated_ahead));
        assert!(!revocations.ends(&made("ben", 3_000_000_000)));
    }

    #[test]
    fn they_are_forgotten_after_their_time_and_not_before() {
        let mut revocations = Revocations::new(SignedDuration::from_secs(100));
        revocations.add("anna".into(), at(1_000), at(1_000));
        revocations.add("anna".into(), at(1_050), at(1_050));
        revocations.add("ben".into(), at(1_100), at(1_101));
        assert!(
            revocations.cover(&made("anna", 1_050)),
            "heard of again since"
        );
        revocations.add("ben".into(), at(1_100), at(1_151));
        assert!(!revocations.cover(&made("anna", 1_000)));
        assert!(revocations.cover(&made("ben", 1_100)));
    }

    #[test]
    fn when_there_are_too_many_the_oldest_stand_for_everybody() {
        let mut revocations = Revocations::new(SignedDuration::from_hours(24));
        revocations.most = 2;
        for (number, user) in ["a", "b", "c"].into_iter().enumerate() {
            let number = i64::try_from(number).expect("a small number");
            revocations.add(user.into(), at(1_000 + number), at(2_000));
        }
        assert!(revocations.cover(&made("a", 1_000)));
        assert!(revocations.cover(&made("somebody", 1_000)));
        assert!(!revocations.cover(&made("somebody", 1_001)));
        assert_eq!(revocations.users.len(), 2);
    }
}
