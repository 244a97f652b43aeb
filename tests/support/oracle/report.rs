//! What a run has shown, in words that help to find out why.

use std::{
    fmt::Write as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{
    journal::{Journal, Note, SharedJournal},
    judge::{Missing, Verdict},
    scenario::Scenario,
    truth::Truth,
};

/// Violations that are shown; the others are counted.
const SHOWN: usize = 3;
/// What is shown of a journal before a change and after it.
const AROUND: Duration = Duration::from_secs(3);
const NOTES: usize = 60;

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
        for missing in verdict.missing.iter().take(SHOWN) {
            let journal = journals[missing.client].lock();
            describe(&mut details, missing, &journal);
        }
        for wrong in verdict.wrong.iter().take(SHOWN) {
            let journal = journals[wrong.client].lock();
            let _ = writeln!(details, "client {}: {}", wrong.client, wrong.what);
            quote(&mut details, &journal, wrong.at, |_| true);
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

    pub(crate) fn is_clean(&self) -> bool {
        self.verdict.is_clean() && self.odds.is_empty() && !self.died
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

fn describe(text: &mut String, missing: &Missing, journal: &Journal) {
    let Missing {
        client,
        room,
        change,
    } = missing;
    let _ = writeln!(
        text,
        "client {client} was not told in {room} of {} with {}",
        change.change.thing, change.change.token
    );
    quote(text, journal, change.begun, |note| match note {
        Note::Asks(about, _) | Note::Stands(about, _) => about == room,
        Note::Holds(about) | Note::Leaves(about) | Note::Left(about) => about == room,
        Note::Told(told) => told.room == *room,
        _ => true,
    });
}

/// The notes around `moment` that `matter`.
fn quote(text: &mut String, journal: &Journal, moment: Instant, matter: impl Fn(&Note) -> bool) {
    let near = |at: &Instant| {
        at.saturating_duration_since(moment) < AROUND
            && moment.saturating_duration_since(*at) < AROUND
    };
    let notes = journal.notes.iter();
    let notes = notes.filter(|(at, note)| near(at) && matter(note));
    for (at, note) in notes.take(NOTES) {
        let after = at.saturating_duration_since(moment).as_secs_f64();
        let before = moment.saturating_duration_since(*at).as_secs_f64();
        let _ = writeln!(text, "    {:+8.3} s  {note}", after - before);
    }
}
