//! One run: everybody on stage, trouble, calm, judgement.

use std::{
    collections::HashSet,
    sync::{Arc, MutexGuard},
    time::Duration,
};

use fastrand::Rng;
use serde_json::Value;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_postgres::NoTls;

use super::{
    client::{Client, Crowd},
    faults,
    journal::{Journal, SharedJournal},
    judge::{Verdict, compare_with_log, judge},
    report::Report,
    scenario::Scenario,
    shop,
    stage::Stage,
    truth::Truth,
    workload::Plan,
    writer::{Desk, straggle, write},
};
use crate::support::daemon::raise_open_files;

/// Time between looks at whether everybody was told everything.
const LOOK: Duration = Duration::from_millis(100);

/// Runs `scenario` with daemons that leave out the step `sabotage`.
pub(crate) async fn run(scenario: Scenario, sabotage: Option<&str>) -> Report {
    raise_open_files();
    let settings = scenario.settings.iter();
    let mut environment: Vec<_> = settings
        .map(|(key, value)| (format!("PGBELL_{key}"), value.clone()))
        .collect();
    environment.extend(sabotage.map(|step| ("PGBELL_SABOTAGE".to_owned(), step.to_owned())));
    let name = format!("{}-{}", scenario.seed, sabotage.unwrap_or("whole"));
    let mut stage = Stage::set(scenario.daemons, &environment, &name).await;

    let mut play = Play::begin(&scenario, &stage);
    let mut rng = Rng::with_seed(scenario.seed ^ 1);
    let end = Instant::now() + scenario.lasts;
    faults::make_trouble(&mut stage, &mut rng, &scenario.odds, end).await;
    play.calm_down().await;
    // Nobody writes any more, so nothing rings: what is still to be told must come by itself.
    let mut verdict = play.until_told(scenario.patience).await;
    if verdict.missing.is_empty() {
        play.desk.perform(&mut None, &Plan::mark()).await;
        verdict = play.until_told(scenario.patience).await;
    }
    let log = tokens_of_the_log(&stage.url).await;
    let odds = compare_with_log(&play.truth(), &log);
    let died = stage.daemons.iter_mut().any(|daemon| daemon.has_died());
    for daemon in &mut stage.daemons {
        daemon.kill().await;
    }
    play.everybody.shutdown().await;
    let report = Report::new(
        scenario,
        verdict,
        odds,
        died,
        &stage,
        &play.truth(),
        &play.journals,
    );
    stage.postgres.stop().await.expect("stopped");
    report
}

/// Writers and clients at work.
struct Play {
    desk: Arc<Desk>,
    journals: Vec<SharedJournal>,
    present: Vec<watch::Receiver<bool>>,
    everybody: JoinSet<()>,
    writers: JoinSet<()>,
    stop: watch::Sender<bool>,
    calm: watch::Sender<bool>,
}

impl Play {
    fn begin(scenario: &Scenario, stage: &Stage) -> Self {
        let (stop, calm) = (watch::Sender::new(false), watch::Sender::new(false));
        let desk = Arc::new(Desk::new(stage.url.clone(), scenario.pace.clone()));
        let crowd = Arc::new(Crowd {
            daemons: stage
                .daemons
                .iter()
                .map(|daemon| daemon.edge.addr())
                .collect(),
            database: stage.url.clone(),
            whims: scenario.whims,
            rooms: scenario.rooms,
            calm: calm.subscribe(),
        });
        let mut seeds = Rng::with_seed(scenario.seed ^ 2);
        let (mut writers, mut everybody) = (JoinSet::new(), JoinSet::new());
        for _ in 0..scenario.pace.writers {
            writers.spawn(write(desk.clone(), seeds.u64(..), stop.subscribe()));
        }
        for _ in 0..scenario.pace.stragglers {
            writers.spawn(straggle(desk.clone(), seeds.u64(..), stop.subscribe()));
        }
        let (mut journals, mut present) = (Vec::new(), Vec::new());
        for number in 0..scenario.clients {
            let journal = SharedJournal::new(number);
            let client = Client::new(crowd.clone(), journal.clone(), seeds.u64(..));
            present.push(client.present());
            journals.push(journal);
            everybody.spawn(client.live());
        }
        Self {
            desk,
            journals,
            present,
            everybody,
            writers,
            stop,
            calm,
        }
    }

    /// Ends the writers and the whims.
    async fn calm_down(&mut self) {
        self.calm.send_replace(true);
        self.stop.send_replace(true);
        while let Some(ended) = self.writers.join_next().await {
            ended.expect("a writer that ends by itself");
        }
    }

    /// Waits until everybody is there and was told everything, or `patience` is over.
    async fn until_told(&self, patience: Duration) -> Verdict {
        let all_there = async {
            for present in &self.present {
                let mut present = present.clone();
                present
                    .wait_for(|present| *present)
                    .await
                    .expect("a client");
            }
        };
        let end = Instant::now() + patience;
        // Who is missing then is told apart by what it was not told.
        let _ = timeout(patience, all_there).await;
        loop {
            let verdict = self.judge();
            if verdict.missing.is_empty() || Instant::now() >= end {
                return verdict;
            }
            sleep(LOOK).await;
        }
    }

    fn judge(&self) -> Verdict {
        let journals: Vec<MutexGuard<'_, Journal>> =
            self.journals.iter().map(SharedJournal::lock).collect();
        judge(&self.truth(), journals.iter().map(|journal| &**journal))
    }

    fn truth(&self) -> MutexGuard<'_, Truth> {
        self.desk.truth.lock().expect("no panic")
    }
}

/// The tokens of all rows of the log.
async fn tokens_of_the_log(url: &str) -> HashSet<u64> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .expect("a connection");
    tokio::spawn(connection);
    let rows = client
        .query("select id, new from pgbell.change", &[])
        .await
        .expect("the log");
    let tokens = rows.iter().flat_map(|row| {
        let id = Value::from(row.get::<_, &str>(0));
        let new = row.get::<_, Option<Value>>(1).unwrap_or_default();
        shop::tokens(&id, &Value::Null, &new)
    });
    tokens.collect()
}
