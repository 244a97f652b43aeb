//! How long after a kill clients are told of changes again, with everybody at work.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{
    journal::{Note, SharedJournal, Standing},
    play::Play,
    report::Report,
    scenario::Scenario,
    stage::Stage,
};
use crate::support::{server::kill_postmaster, soon};

/// Between a recovery and the next kill.
const PEACE: Duration = Duration::from_secs(1);
/// Between a kill and the restart.
const OUTAGE: Duration = Duration::from_millis(500);

/// Who is killed with SIGKILL.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Victim {
    Postmaster,
    Daemon,
}

/// What a series of kills has shown.
pub(crate) struct Series {
    pub(crate) report: Report,
    /// From the victim being back to the last client being told of a change committed since; one
    /// for each kill.
    pub(crate) recoveries: Vec<Duration>,
    /// Changes committed per second before each kill.
    pub(crate) rate: f64,
}

pub(crate) async fn series(victim: Victim, kills: usize) -> Series {
    let scenario = Scenario::recovery();
    let mut stage = Stage::set(&scenario, None).await;
    let mut play = Play::begin(&scenario, &stage);
    let mut before = 0;
    let mut recoveries = Vec::new();
    for _ in 0..kills {
        soon("every client", play.until_present()).await;
        let committed = play.truth().committed.len();
        sleep(PEACE).await;
        before += play.truth().committed.len() - committed;
        recoveries.push(recovery(&mut stage, &play, victim).await);
    }
    play.calm_down();
    Series {
        report: play.end(stage, scenario).await,
        recoveries,
        rate: before as f64 / (PEACE.as_secs_f64() * kills as f64),
    }
}

async fn recovery(stage: &mut Stage, play: &Play, victim: Victim) -> Duration {
    match victim {
        Victim::Postmaster => {
            kill_postmaster(&mut stage.postgres).await;
            sleep(OUTAGE).await;
            stage.postgres.resume().await.expect("recovered");
        }
        Victim::Daemon => {
            let daemon = &mut stage.daemons[0];
            daemon.kill().await;
            sleep(OUTAGE).await;
            daemon.start();
            soon("the daemon to listen", daemon.listening()).await;
        }
    }
    let back = Instant::now();
    let marks = play.mark().await;
    let mut last = back;
    for journal in &play.journals {
        let told = soon(
            "a client to be told",
            told(journal, back, |token| marks.contains(&token)),
        );
        last = last.max(told.await);
    }
    last - back
}

/// When a client was first told of one of the marks, or to resync, after `back`.
async fn told(journal: &SharedJournal, back: Instant, is_mark: impl Fn(u64) -> bool) -> Instant {
    loop {
        let found = {
            let journal = journal.lock();
            let first = journal.notes.partition_point(|(at, _)| *at < back);
            let mut notes = journal.notes[first..].iter();
            notes
                .find(|(_, note)| match note {
                    Note::Told(told) => told.tokens.iter().any(|token| is_mark(*token)),
                    Note::Resync(_) | Note::Stands(_, Standing::Resync) => true,
                    _ => false,
                })
                .map(|(at, _)| *at)
        };
        match found {
            Some(at) => return at,
            None => sleep(Duration::from_millis(5)).await,
        }
    }
}
