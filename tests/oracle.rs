//! The promise, judged from outside: real daemons, a real Postgres, faults everywhere.
//!
//! `make soak MINUTES=n` runs random seeds, `ORACLE_SEED=n make soak` one of them.

use std::time::{Duration, Instant};

use crate::support::oracle::{
    recovery::{Victim, series},
    report::Report,
    run::run,
    scenario::Scenario,
};

/// The least part of all debts that a fixed seed must have seen paid by an `invalidate`: a daemon
/// that answers everything with `resync` keeps the promise, but is of no use. A busy machine makes
/// slow clients of quick ones, and so more of it.
const TOLD: f64 = 0.5;
/// The same of the debts for what was committed while the client was away.
const TOLD_WHEN_BACK: f64 = 0.4;

async fn holds(seed: u64) {
    println!("oracle: seed {seed}; again: ORACLE_SEED={seed} make soak");
    let report = run(Scenario::of(seed), None).await;
    println!("{}", report.summary());
    assert!(report.is_clean(), "{}", report.full());
    let tally = report.verdict.tally;
    assert!(tally.all.told_part() >= TOLD, "{}", report.full());
    assert!(
        tally.away.told_part() >= TOLD_WHEN_BACK,
        "{}",
        report.full()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_silently_stale_whatever_fails() {
    holds(96).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_silently_stale_when_the_database_goes_away() {
    holds(97).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_silently_stale_when_clients_are_cut() {
    holds(98).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_silently_stale_when_the_bell_flaps() {
    holds(99).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_silently_stale_when_daemons_die() {
    holds(101).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_silently_stale_when_the_database_crashes() {
    holds(100).await;
}

/// Runs with a daemon that leaves out a step, until the oracle notices.
#[cfg(feature = "sabotage")]
async fn notices(step: &str, scenario: impl Fn(u64, &mut fastrand::Rng) -> Scenario) {
    for seed in 0..5 {
        let scenario = scenario(seed, &mut fastrand::Rng::with_seed(seed)).short();
        let report = run(scenario, Some(step)).await;
        println!("{step}: {}", report.summary());
        assert!(report.verdict.wrong.is_empty(), "{}", report.full());
        if !report.verdict.missing.is_empty() {
            return;
        }
    }
    panic!("the oracle did not notice that {step} was left out");
}

#[cfg(feature = "sabotage")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_notices_a_daemon_that_does_not_catch_up() {
    notices("catch_up", Scenario::database_goes_away).await;
}

#[cfg(feature = "sabotage")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_notices_a_daemon_that_does_not_hold_cursors_back() {
    notices("hold_back", |seed, rng| {
        Scenario::clients_are_cut(seed, rng).killed_at_work()
    })
    .await;
}

#[cfg(feature = "sabotage")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_notices_a_daemon_that_does_not_wait_for_writers_that_saw_it_muted() {
    // What the last of them commit rings no bell, and nothing else makes the daemon look.
    notices("drain_wait", |seed, rng| {
        Scenario::bell_flaps(seed, rng).in_peace()
    })
    .await;
}

/// A number from the environment.
fn asked(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number")),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs as long as it is told: make soak"]
async fn soak() {
    let minutes = asked("ORACLE_MINUTES").unwrap_or(1);
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let mut reports: Vec<Report> = Vec::new();
    let kind = asked("ORACLE_KIND");
    while Instant::now() < end {
        let random = fastrand::u64(..1 << 32);
        let random = kind.map_or(random, |kind| random - random % 6 + kind);
        let seed = asked("ORACLE_SEED").unwrap_or(random);
        println!("oracle: seed {seed}");
        let report = run(Scenario::of(seed), None).await;
        println!("{}", report.summary());
        if !report.is_clean() {
            println!("{}", report.full());
        }
        reports.push(report);
        if asked("ORACLE_SEED").is_some() {
            break;
        }
    }
    let failed = reports.iter().filter(|report| !report.is_clean());
    let failed: Vec<u64> = failed.map(|report| report.scenario.seed).collect();
    println!("oracle: {} runs", reports.len());
    assert!(failed.is_empty(), "seeds that failed: {failed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: make bench-recovery"]
async fn recovery() {
    for victim in [Victim::Postmaster, Victim::Daemon] {
        let mut series = series(victim, 10).await;
        series.recoveries.sort();
        let all = &series.recoveries;
        println!(
            "{victim:?} killed {} times under {:.0} changes/s: clients live {:?} (median), {:?} (max) \
             after it was back",
            all.len(),
            series.rate,
            all[all.len() / 2],
            all[all.len() - 1],
        );
        println!("{}", series.report.summary());
        assert!(series.report.is_clean(), "{}", series.report.full());
    }
}
