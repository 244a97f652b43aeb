//! What a run has shown, in words that help to find out why.

use std::{fmt::Write as _, path::PathBuf, time::Instant};

use super::{
    journal::{Journal, Note, Room, SharedJournal},
    judge::{Missing, Verdict, Wrong},
    scenario::Scenario,
    truth::{Change, Truth},
};

/// Violations that are shown; the others are counted.
const SHOWN: usize = 3;
/// Notes that are shown of what was before a moment, and of what was after it.
const NOTES: usize = 25;

pub(crate) struct Report {
    pub(crate) scenario: Scenario,
    pub(crate) verdict: Verdict,
    /// Where log and writers disagree.
    pub(crate) odds: Vec<String>,
    /// Whether a daemon ended by itself.
    pub(crate) died: bool,
    pub(crate) changes: usize,
    undone: usize,
    pub(crate) logs: PathBuf,
    details: String,
}

impl Report {
    pub(crate) fn new(
        scenario: Scenario,
        verdict: Verdict,
        odds: Vec<String>,
        truth: &Truth,
        journals: &[SharedJournal],
    ) -> Self {
        let mut details = String::new();
        for Missing {
            client,
            room,
            change,
        } in verdict.missing.iter().take(SHOWN)
        {
            let Change { thing, token, .. } = &change.change;
            let what = format!("was not told in {room} of {thing} with {token}");
            let _ = writeln!(details, "client {client} {what}");
            quote(
                &mut details,
                &journals[*client].lock(),
                change.begun,
                Some(room),
            );
        }
        for Wrong {
            client,
            at,
            room,
            what,
        } in verdict.wrong.iter().take(SHOWN)
        {
            let _ = writeln!(details, "client {client} {what}");
            quote(&mut details, &journals[*client].lock(), *at, room.as_ref());
        }
        Self {
            scenario,
            verdict,
            odds,
            died: false,
            changes: truth.committed.len(),
            undone: truth.undone.len(),
            logs: PathBuf::new(),
            details,
        }
    }

    /// Whether something was proven, and nothing against the daemon.
    pub(crate) fn is_clean(&self) -> bool {
        self.verdict.tally.all.by_invalidate > 0
            && self.verdict.is_clean()
            && self.odds.is_empty()
            && !self.died
    }

    /// One line.
    pub(crate) fn summary(&self) -> String {
        let (scenario, tally) = (&self.scenario, self.verdict.tally);
        format!(
            "oracle: seed {} ({}, {} daemons, {} clients): {} changes, {} undone; {} debts paid by \
             invalidate, {} by resync ({:.1} %); of those while away {} and {} ({:.1} %); {} resumed \
             with {} resyncs; {} told, {} of it replayed; {} missing, {} wrong{}",
            scenario.seed,
            scenario.name,
            scenario.daemons,
            scenario.clients,
            self.changes,
            self.undone,
            tally.all.by_invalidate,
            tally.all.by_resync,
            tally.all.told_part() * 100.0,
            tally.away.by_invalidate,
            tally.away.by_resync,
            tally.away.told_part() * 100.0,
            tally.resumed,
            tally.resumed_by_resync,
            tally.told,
            tally.replayed,
            self.verdict.missing.len(),
            self.verdict.wrong.len(),
            if self.died { "; a daemon died" } else { "" },
        )
    }

    /// Everything, with how to run it again.
    pub(crate) fn full(&self) -> String {
        let mut text = format!("{}\n{}", self.summary(), self.details);
        for odd in self.odds.iter().take(SHOWN) {
            let _ = writeln!(text, "{odd}");
        }
        let _ = writeln!(text, "settings: {:?}", self.scenario.settings);
        let _ = writeln!(text, "logs: {}", self.logs.display());
        let _ = writeln!(text, "again: ORACLE_SEED={} make soak", self.scenario.seed);
        text
    }
}

/// The notes around `moment` that have to do with `room`, or with all rooms.
fn quote(text: &mut String, journal: &Journal, moment: Instant, room: Option<&Room>) {
    let matters = |note: &&(Instant, Note)| match (room, note.1.room()) {
        (Some(room), Some(about)) => room == about,
        _ => true,
    };
    let (before, after) = journal
        .notes
        .split_at(journal.notes.partition_point(|(at, _)| *at < moment));
    let mut notes: Vec<_> = before.iter().rev().filter(matters).take(NOTES).collect();
    notes.reverse();
    notes.extend(after.iter().filter(matters).take(NOTES));
    for (at, note) in notes {
        let after = at.saturating_duration_since(moment).as_secs_f64();
        let before = moment.saturating_duration_since(*at).as_secs_f64();
        let _ = writeln!(text, "    {:+8.3} s  {note}", after - before);
    }
}
