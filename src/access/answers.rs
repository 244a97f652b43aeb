//! What the database has answered to questions of room rules, for a while; and what it is asked now, so that
//! nobody asks the same at the same time.
//!
//! An answer is about one set of claims, so whoever comes with another token is asked about anew. What is
//! forgotten while it is being asked is not remembered when the answer comes.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{identity::Digest, rules::Question};

/// Longest time that a no holds.
const LIFE_OF_NO: Duration = Duration::from_secs(1);

/// What is asked, whoever it is about: the rule and the words of the room.
type Matter = (usize, Vec<String>);

/// Answers, and waiters of type `W` for those that are on their way.
#[derive(Debug)]
pub(super) struct Answers<W> {
    life: Duration,
    most: usize,
    matters: HashMap<Matter, HashMap<Digest, Entry<W>>>,
    /// Answers by age, and some that are forgotten.
    order: VecDeque<(Instant, Matter, Digest)>,
    known: usize,
    serial: u64,
}

#[derive(Debug)]
struct Entry<W> {
    user: Arc<str>,
    state: State<W>,
}

#[derive(Debug)]
enum State<W> {
    Known { allowed: bool, at: Instant },
    Asking { serial: u64, waiter: W },
}

/// What is known about a question.
#[derive(Debug, PartialEq)]
pub(super) enum Look<W> {
    Known(bool),
    Asking(W),
    Unknown,
}

impl<W: Clone> Answers<W> {
    pub(super) fn new(life: Duration, most: usize) -> Self {
        Self {
            life,
            most,
            matters: HashMap::new(),
            order: VecDeque::new(),
            known: 0,
            serial: 0,
        }
    }

    pub(super) fn look(&self, question: &Question, who: &Digest, now: Instant) -> Look<W> {
        let entry = self
            .matters
            .get(&matter(question))
            .and_then(|asked| asked.get(who));
        match entry.map(|entry| &entry.state) {
            Some(State::Asking { waiter, .. }) => Look::Asking(waiter.clone()),
            Some(State::Known { allowed, at })
                if now.duration_since(*at) < self.life_of(*allowed) =>
            {
                Look::Known(*allowed)
            }
            Some(State::Known { .. }) | None => Look::Unknown,
        }
    }

    /// A no holds for a moment: who has just been given a right comes at once.
    fn life_of(&self, allowed: bool) -> Duration {
        match allowed {
            true => self.life,
            false => self.life.min(LIFE_OF_NO),
        }
    }

    /// Notes that this is being asked, and names it for [`finish`](Self::finish).
    pub(super) fn begin(
        &mut self,
        question: &Question,
        who: &Digest,
        user: Arc<str>,
        waiter: W,
    ) -> u64 {
        self.serial += 1;
        let serial = self.serial;
        let state = State::Asking { serial, waiter };
        let asked = self.matters.entry(matter(question)).or_default();
        let before = asked.insert(*who, Entry { user, state });
        self.count_out(before.as_slice());
        serial
    }

    /// Notes what came of it; nothing, where there was no answer.
    pub(super) fn finish(
        &mut self,
        question: &Question,
        who: &Digest,
        serial: u64,
        answer: Option<bool>,
        now: Instant,
    ) {
        let matter = matter(question);
        let Some(entry) = self
            .matters
            .get_mut(&matter)
            .and_then(|asked| asked.get_mut(who))
        else {
            return;
        };
        if !matches!(&entry.state, State::Asking { serial: asking, .. } if *asking == serial) {
            return;
        }
        match answer {
            Some(allowed) => {
                entry.state = State::Known { allowed, at: now };
                self.known += 1;
                self.order.push_back((now, matter, *who));
            }
            None => self.remove(&matter, who),
        }
        self.shrink(now);
    }

    /// Forgets everything about a question, whoever it is about.
    pub(super) fn forget(&mut self, question: &Question) {
        if let Some(asked) = self.matters.remove(&matter(question)) {
            let gone: Vec<_> = asked.into_values().collect();
            self.count_out(&gone);
        }
    }

    /// Forgets everything about somebody.
    pub(super) fn forget_user(&mut self, user: &str) {
        let mut gone = Vec::new();
        for asked in self.matters.values_mut() {
            gone.extend(
                asked
                    .extract_if(|_, entry| *entry.user == *user)
                    .map(|(_, entry)| entry),
            );
        }
        self.matters.retain(|_, asked| !asked.is_empty());
        self.count_out(&gone);
    }

    /// Forgets everything.
    pub(super) fn forget_all(&mut self) {
        self.matters.clear();
        self.order.clear();
        self.known = 0;
    }

    fn shrink(&mut self, now: Instant) {
        const SLACK: usize = 1_024;
        let life = self.life;
        let is_old = |at: Instant| now.duration_since(at) >= life;
        while self.known > self.most || self.order.front().is_some_and(|(at, ..)| is_old(*at)) {
            let Some((at, matter, who)) = self.order.pop_front() else {
                break;
            };
            if self.is_known_since(&matter, &who, at) {
                self.remove(&matter, &who);
            }
        }
        if self.order.len() > 2 * self.known + SLACK {
            let order = std::mem::take(&mut self.order).into_iter();
            self.order = order
                .filter(|(at, matter, who)| self.is_known_since(matter, who, *at))
                .collect();
        }
    }

    fn is_known_since(&self, matter: &Matter, who: &Digest, since: Instant) -> bool {
        let entry = self.matters.get(matter).and_then(|asked| asked.get(who));
        matches!(entry.map(|entry| &entry.state), Some(State::Known { at, .. }) if *at == since)
    }

    fn remove(&mut self, matter: &Matter, who: &Digest) {
        let Some(asked) = self.matters.get_mut(matter) else {
            return;
        };
        let gone = asked.remove(who);
        if asked.is_empty() {
            self.matters.remove(matter);
        }
        self.count_out(gone.as_slice());
    }

    fn count_out(&mut self, gone: &[Entry<W>]) {
        let known = gone
            .iter()
            .filter(|entry| matches!(entry.state, State::Known { .. }));
        self.known -= known.count();
    }
}

fn matter(question: &Question) -> Matter {
    (question.rule, question.words.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(30);
    const ANNA: Digest = [1; 32];
    const BEN: Digest = [2; 32];

    fn order(id: u32) -> Question {
        Question {
            rule: 0,
            sql: "select from orders where id::text = $1".into(),
            words: vec![id.to_string()],
        }
    }

    fn answers() -> Answers<u32> {
        Answers::new(LIFE, 100)
    }

    fn know(answers: &mut Answers<u32>, id: u32, who: Digest, allowed: bool, now: Instant) {
        let user = if who == ANNA { "anna" } else { "ben" };
        let serial = answers.begin(&order(id), &who, user.into(), 0);
        answers.finish(&order(id), &who, serial, Some(allowed), now);
    }

    #[test]
    fn an_answer_is_about_one_question_and_one_set_of_claims_for_a_while() {
        let (mut answers, now) = (answers(), Instant::now());
        know(&mut answers, 7, ANNA, true, now);
        know(&mut answers, 7, BEN, false, now);
        assert_eq!(answers.look(&order(7), &ANNA, now), Look::Known(true));
        assert_eq!(answers.look(&order(7), &BEN, now), Look::Known(false));
        assert_eq!(answers.look(&order(8), &ANNA, now), Look::Unknown);
        let other_rule = Question {
            rule: 1,
            ..order(7)
        };
        assert_eq!(answers.look(&other_rule, &ANNA, now), Look::Unknown);
        assert_eq!(answers.look(&order(7), &ANNA, now + LIFE), Look::Unknown);
        assert_eq!(
            answers.look(&order(7), &BEN, now + LIFE_OF_NO),
            Look::Unknown,
            "a right may have been given"
        );
    }

    #[test]
    fn what_is_asked_is_asked_once_and_no_answer_is_not_remembered() {
        let (mut answers, now) = (answers(), Instant::now());
        let serial = answers.begin(&order(7), &ANNA, "anna".into(), 42);
        assert_eq!(answers.look(&order(7), &ANNA, now), Look::Asking(42));
        assert_eq!(answers.look(&order(7), &BEN, now), Look::Unknown);
        answers.finish(&order(7), &ANNA, serial, None, now);
        assert_eq!(answers.look(&order(7), &ANNA, now), Look::Unknown);
        assert!(answers.matters.is_empty());
    }

    #[test]
    fn what_is_forgotten_while_it_is_asked_is_not_remembered() {
        for forget in [
            (|answers| answers.forget(&order(7))) as fn(&mut Answers<u32>),
            |answers| answers.forget_user("anna"),
            Answers::forget_all,
        ] {
            let (mut answers, now) = (answers(), Instant::now());
            let before = answers.begin(&order(7), &ANNA, "anna".into(), 1);
            forget(&mut answers);
            assert_eq!(answers.look(&order(7), &ANNA, now), Look::Unknown);
            let after = answers.begin(&order(7), &ANNA, "anna".into(), 2);
            answers.finish(&order(7), &ANNA, before, Some(true), now);
            assert_eq!(answers.look(&order(7), &ANNA, now), Look::Asking(2));
            answers.finish(&order(7), &ANNA, after, Some(false), now);
            assert_eq!(answers.look(&order(7), &ANNA, now), Look::Known(false));
        }
    }

    #[test]
    fn forgetting_is_about_one_question_or_one_user() {
        let (mut answers, now) = (answers(), Instant::now());
        for id in [7, 8] {
            know(&mut answers, id, ANNA, true, now);
            know(&mut answers, id, BEN, true, now);
        }
        answers.forget_user("anna");
        assert_eq!(answers.look(&order(7), &ANNA, now), Look::Unknown);
        assert_eq!(answers.look(&order(7), &BEN, now), Look::Known(true));
        answers.forget(&order(7));
        assert_eq!(answers.look(&order(7), &BEN, now), Look::Unknown);
        assert_eq!(answers.look(&order(8), &BEN, now), Look::Known(true));
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let (mut answers, now) = (answers(), Instant::now());
        for id in 0..10_000 {
            know(&mut answers, id, ANNA, true, now);
            if id % 3 == 0 {
                answers.forget(&order(id));
            }
        }
        let held: usize = answers.matters.values().map(HashMap::len).sum();
        assert_eq!(held, answers.known);
        assert!((90..=100).contains(&held), "{held}");
        assert!(
            answers.order.len() <= 2 * 100 + 1_024 + 1,
            "{}",
            answers.order.len()
        );
        assert_eq!(answers.look(&order(9_998), &ANNA, now), Look::Known(true));
        assert_eq!(answers.look(&order(1), &ANNA, now), Look::Unknown);
    }
}
