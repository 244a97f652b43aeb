//! A look now and then at whether the triggers are still what was applied. A trigger that somebody
//! has dropped or disabled tells nothing, and nothing else would tell that.
//!
//! Looking reads catalogues only, has a bound on time that leaves the heartbeat room, and what it
//! finds, or cannot find out, never stops changes from arriving.

mod schedule;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use schedule::Schedule;

use super::{Capture, Error, connect::Session, error, server::Server};
use crate::{
    status::Finding,
    telemetry::{Kind, Reason},
};

/// What is warned of when looking is refused, and when asking whether to look is.
const SUBJECT: &str = "drift";
const SUBJECT_OF_DDL: &str = "ddl";

/// Time between looks at the sequence that the event trigger moves: one cheap statement.
const PACE: Duration = Duration::from_secs(2);

/// Time between looks where no event trigger tells of DDL, if that is shorter than what is configured.
const UNTOLD: Duration = Duration::from_secs(60);

/// Bound on one look, and on its waits for locks on catalogues.
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// Most findings that are read, and most lines of the log for one look.
const MOST_FINDINGS: usize = 1000;
const MOST_LINES: usize = 20;

/// What is not a fault.
const NOTE: &str = "trigger_unrecorded";

/// Every kind of fault that `pgbell.drift()` tells. One that a newer schema adds is `other`.
const KINDS: [&str; 14] = [
    "table_missing",
    "table_renamed",
    "trigger_missing",
    "trigger_disabled",
    "trigger_state",
    "trigger_edited",
    "function_edited",
    "function_unsafe",
    "function_owner",
    "function_rights",
    "column_missing",
    "column_type",
    "partition_uncovered",
    "other",
];

/// How often DDL was noted, and whether both event triggers that note it are there and on.
const HEAR: &str = "
    select coalesce(pg_sequence_last_value(to_regclass('pgbell.ddl')), 0),
           (select count(*) = 2 from pg_event_trigger
             where evtname in ('pgbell_drift', 'pgbell_drift_drop') and evtenabled in ('O', 'A'))";

/// Looks at the triggers until the connection fails.
pub(super) async fn watch(
    capture: &Capture,
    server: &Server,
    session: &Session,
) -> Result<(), Error> {
    let longest = capture.database.drift_interval;
    let mut ticks = interval(PACE.min(longest));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What starts has more urgent things to do.
    ticks.tick().await;
    let mut schedule = Schedule::new(Instant::now());
    loop {
        ticks.tick().await;
        let heard = session.texts("ask for changes of the schema", HEAR).await;
        let heard = capture.unless_refused(SUBJECT_OF_DDL, heard, unknown)?;
        let heard = heard.unwrap_or_default();
        let is_told = heard.get(1).and_then(Option::as_deref) == Some("t");
        let moved = heard.into_iter().next().flatten().unwrap_or_default();
        schedule.heard(moved, Instant::now());
        let longest = match is_told {
            true => longest,
            false => longest.min(UNTOLD),
        };
        if schedule.is_due(longest, Instant::now()) {
            let begun = Instant::now();
            // Boxed, because it is rare and large.
            Box::pin(look(capture, server)).await;
            schedule.looked(begun, Instant::now());
        }
    }
}

/// On a connection of its own, because a look may take long, and what the other one does may not.
async fn look(capture: &Capture, server: &Server) {
    let outcome = match find(capture, server).await {
        Ok(rows) => {
            capture.all_well(SUBJECT);
            let (notes, faults) = rows
                .iter()
                .map(|row| finding(row))
                .partition(|found: &Finding| found.kind == NOTE);
            capture.publish_drift(faults, notes)
        }
        Err(error) => {
            capture.warn(SUBJECT, unknown(&error));
            "refused"
        }
    };
    let looks = &capture.metrics.drift_looks;
    looks.get_or_create(&Reason::new(outcome)).inc();
}

async fn find(capture: &Capture, server: &Server) -> Result<Vec<Vec<Option<String>>>, Error> {
    let bound = LONGEST_LOOK.min(capture.database.heartbeat / 2).as_millis();
    // One implicit transaction, so the settings end with it, whoever's session it really is.
    let query = format!(
        "set local statement_timeout = {bound}; set local lock_timeout = {bound};
         select kind, \"table\", object, detail, mend from pgbell.drift() order by 1, 2, 3, 4 limit {MOST_FINDINGS}"
    );
    let session = server.session().await?;
    session.all_texts("look at the triggers", &query).await
}

fn finding(row: &[Option<String>]) -> Finding {
    let mut texts = row.iter().map(|text| text.clone().unwrap_or_default());
    let mut next = || texts.next().unwrap_or_default();
    Finding {
        kind: next(),
        table: next(),
        object: next(),
        detail: next(),
        mend: next(),
    }
}

/// What is warned of where nobody could look, because the schema is older or a right is missing.
fn unknown(error: &Error) -> String {
    let why = error::chain(error);
    format!(
        "whether the triggers are as applied is not known: {why}; `pgbell install` brings the schema up to date"
    )
}

impl Capture {
    /// Publishes what was found, and logs what is new and what is over. Returns the outcome.
    fn publish_drift(&self, faults: Vec<Finding>, notes: Vec<Finding>) -> &'static str {
        let before = self.status.borrow().drift.clone();
        let noted = self.status.borrow().drift_notes.clone();
        log_new(&faults, &before, |found| {
            let Finding {
                kind,
                table,
                object,
                detail,
                mend,
            } = found;
            warn!(kind, table, object, detail, mend, "a trigger has drifted");
        });
        log_new(&notes, &noted, |found| {
            let Finding {
                table,
                object,
                detail,
                mend,
                ..
            } = found;
            info!(table, object, detail, mend, "triggers that nobody recorded");
        });
        let places: BTreeSet<_> = faults.iter().map(Finding::place).collect();
        let mended = before
            .iter()
            .filter(|found| !places.contains(&found.place()));
        for Finding {
            kind,
            table,
            object,
            ..
        } in mended.take(MOST_LINES)
        {
            info!(kind, table, object, "a trigger is as it should be again");
        }
        for kind in KINDS {
            let count = faults.iter().filter(|found| kind_of(found) == kind).count();
            let gauge = self.metrics.trigger_drift.get_or_create(&Kind::new(kind));
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let outcome = if faults.is_empty() {
            "clean"
        } else {
            "drifted"
        };
        self.status.send_if_modified(|status| {
            let is_new = status.drift != faults || status.drift_notes != notes;
            (status.drift, status.drift_notes) = (faults, notes);
            is_new
        });
        outcome
    }
}

fn kind_of(found: &Finding) -> &'static str {
    let known = KINDS.iter().find(|kind| **kind == found.kind);
    known.copied().unwrap_or("other")
}

fn log_new(found: &[Finding], before: &[Finding], log: impl Fn(&Finding)) {
    let new: Vec<_> = found
        .iter()
        .filter(|found| !before.contains(found))
        .collect();
    new.iter().take(MOST_LINES).for_each(|found| log(found));
    if let Some(more) = new.len().checked_sub(MOST_LINES).filter(|more| *more > 0) {
        warn!(
            more,
            "further triggers have drifted: see select * from pgbell.drift()"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_is_not_known_is_counted_as_other() {
        let row = vec![Some("from_a_newer_schema".to_owned()), None];
        assert_eq!(kind_of(&finding(&row)), "other");
    }
}
