use std::time::{Duration, Instant};

use super::*;
use crate::support::oracle::truth::Change;

/// A journal that is written with times of its own.
struct Story {
    start: Instant,
    truth: Truth,
    journal: Journal,
}

impl Story {
    /// A client that joins `a` at 10 ms.
    fn new() -> Self {
        let mut story = Self {
            start: Instant::now(),
            truth: Truth::default(),
            journal: Journal::default(),
        };
        story.note(0, Note::Connected(0));
        story.note(5, Note::Asks("a".into(), None));
        story.note(10, Note::Stands("a".into(), Standing::Live));
        story
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    fn note(&mut self, millis: u64, note: Note) {
        let at = self.at(millis);
        self.journal.notes.push((at, note));
    }

    fn commit(&mut self, millis: u64, token: u64, room: &str) {
        let begun = self.at(millis);
        self.truth.commit(vec![change(token, room)], begun);
    }

    fn tell(&mut self, millis: u64, token: u64, room: &str) {
        let told = Told {
            room: room.into(),
            thing: format!("topic/{token}"),
            tokens: vec![token],
            replayed: false,
        };
        self.note(millis, Note::Told(told));
    }

    fn verdict(&self) -> Verdict {
        judge(&self.truth, [&self.journal])
    }

    fn missing(&self) -> Vec<u64> {
        let missing = self.verdict().missing;
        missing
            .iter()
            .map(|missing| missing.change.change.token)
            .collect()
    }
}

fn change(token: u64, room: &str) -> Change {
    Change {
        token,
        thing: format!("topic/{token}"),
        rooms: vec![room.into()],
    }
}

#[test]
fn a_change_that_was_told_is_no_matter() {
    let mut story = Story::new();
    story.commit(20, 1, "a");
    story.tell(21, 1, "a");
    story.commit(30, 2, "b");
    let verdict = story.verdict();
    assert!(verdict.is_clean(), "{verdict:?}");
    assert_eq!(verdict.tally.all.by_invalidate, 1);
}

#[test]
fn a_change_that_was_not_told_is_missing() {
    let mut story = Story::new();
    story.commit(20, 1, "a");
    assert_eq!(story.missing(), [1]);
}

#[test]
fn what_was_told_before_its_commit_is_no_proof() {
    let mut story = Story::new();
    story.note(19, Note::Resync(None));
    story.tell(19, 1, "a");
    story.commit(20, 1, "a");
    assert_eq!(story.missing(), [1]);
}

#[test]
fn a_change_before_joining_or_after_leaving_is_nobodys() {
    let mut story = Story::new();
    story.commit(7, 1, "a");
    story.commit(20, 2, "a");
    story.note(30, Note::Leaves("a".into()));
    story.commit(40, 3, "a");
    assert_eq!(story.missing(), [0_u64; 0]);
}

#[test]
fn a_change_while_disconnected_is_owed_and_a_resync_answer_pays() {
    let mut story = Story::new();
    story.note(20, Note::Cut("gone".into()));
    story.commit(30, 1, "a");
    assert_eq!(story.missing(), [1]);
    story.note(40, Note::Asks("a".into(), Some("cursor".into())));
    story.note(41, Note::Stands("a".into(), Standing::Replayed));
    assert_eq!(story.missing(), [1], "the status alone is no proof");
    story.note(42, Note::Stands("a".into(), Standing::Resync));
    assert_eq!(story.verdict().tally.away.by_resync, 1);
    assert!(story.verdict().is_clean());
}

#[test]
fn a_cursor_from_before_joining_is_a_claim() {
    let mut story = Story::new();
    story.note(20, Note::Holds("b".into()));
    story.commit(30, 1, "b");
    story.note(40, Note::Asks("b".into(), Some("cursor".into())));
    story.note(50, Note::Stands("b".into(), Standing::Live));
    assert_eq!(story.missing(), [1]);
}

#[test]
fn a_resync_of_all_rooms_is_about_those_it_is_in() {
    let mut story = Story::new();
    story.note(20, Note::Holds("b".into()));
    story.commit(30, 1, "a");
    story.commit(31, 2, "b");
    story.note(40, Note::Resync(None));
    assert_eq!(story.missing(), [2]);
}

#[test]
fn what_was_rolled_back_or_never_written_is_noticed() {
    let mut story = Story::new();
    story.truth.undo([change(1, "a")]);
    story.tell(20, 1, "a");
    story.tell(21, 2, "a");
    let wrong = story.verdict().wrong;
    assert!(wrong[0].what.ends_with("rolled back"), "{wrong:?}");
    assert!(wrong[1].what.ends_with("never written"), "{wrong:?}");
}

#[test]
fn a_foreign_room_is_noticed() {
    let mut story = Story::new();
    story.commit(15, 1, "b");
    story.tell(20, 1, "b");
    assert_eq!(story.verdict().wrong.len(), 1);
    story.note(30, Note::Cut("gone".into()));
    story.note(31, Note::Connected(0));
    story.note(32, Note::Resync(Some(vec!["a".into()])));
    assert_eq!(story.verdict().wrong.len(), 2, "not joined again yet");
}

#[test]
fn the_log_and_the_writers_are_compared_both_ways() {
    let mut story = Story::new();
    story.commit(15, 1, "a");
    assert_eq!(compare_with_log(&story.truth, &HashSet::from([1])).len(), 0);
    assert_eq!(compare_with_log(&story.truth, &HashSet::from([2])).len(), 2);
}
