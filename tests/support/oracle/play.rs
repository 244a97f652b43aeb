//! Writers and clients at work on a stage.

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
    journal::{Journal, SharedJournal},
    judge::{Verdict, compare_with_log, judge},
    report::Report,
    scenario::Scenario,
    shop,
    stage::{Daemon, Stage},
    truth::Truth,
    workload::Plan,
    writer::{Desk, straggle, write},
};

/// Time between looks at whether everybody was told everything.
const LOOK: Duration = Duration::from_millis(100);

/// Writers and clients at work.
pub(crate) struct Play {
    pub(crate) desk: Arc<Desk>,
    pub(crate) journals: Vec<SharedJournal>,
    present: Vec<watch::Receiver<bool>>,
    everybody: JoinSet<()>,
    writers: JoinSet<()>,
    stop: watch::Sender<bool>,
    calm: watch::Sender<bool>,
}

impl Play {
    pub(crate) fn begin(scenario: &Scenario, stage: &Stage) -> Self {
        let (stop, calm) = (
            watch::Sender::new(false),
            watch::Sender::new(scenario.whims == 0),
        );
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

    /// Ends the whims, and lets the writers finish what they have begun.
    pub(crate) fn calm_down(&mut self) {
        self.calm.send_replace(true);
        self.stop.send_replace(true);
    }

    /// Waits until everything is told, and judges.
    pub(crate) async fn end(mut self, mut stage: Stage, scenario: Scenario) -> Report {
        while let Some(ended) = self.writers.join_next().await {
            ended.expect("a writer that ends by itself");
        }
        // Nobody writes any more, so nothing rings: what is still to be told must come by itself.
        let mut verdict = self.until_told(scenario.patience).await;
        if verdict.missing.is_empty() {
            self.mark().await;
            verdict = self.until_told(scenario.patience).await;
        }
        let log = tokens_of_the_log(&stage.url).await;
        let odds = compare_with_log(&self.truth(), &log);
        let died = stage.daemons.iter_mut().any(Daemon::has_died);
        for daemon in &mut stage.daemons {
            daemon.kill().await;
        }
        self.everybody.shutdown().await;
        let mut report = Report::new(scenario, verdict, odds, &self.truth(), &self.journals);
        report.died = died;
        report.logs = stage.logs.clone();
        stage.postgres.stop().await.expect("stopped");
        report
    }

    /// Commits something for everybody, and returns what.
    pub(crate) async fn mark(&self) -> HashSet<u64> {
        let mut connection = None;
        loop {
            let committed = self.desk.perform(&mut connection, &Plan::mark()).await;
            if !committed.is_empty() {
                return committed.into_iter().collect();
            }
        }
    }

    /// Waits until every client has joined all its rooms.
    pub(crate) async fn until_present(&self) {
        for present in &self.present {
            let mut present = present.clone();
            present
                .wait_for(|present| *present)
                .await
                .expect("a client");
        }
    }

    /// Waits until everybody is there and was told everything, or `patience` is over.
    async fn until_told(&self, patience: Duration) -> Verdict {
        let end = Instant::now() + patience;
        // Who is missing then is told apart by what it was not told.
        let _ = timeout(patience, self.until_present()).await;
        loop {
            let verdict = self.judge();
            if verdict.missing.is_empty() || Instant::now() >= end {
                return verdict;
            }
            // Judging takes long, looking for what is missing does not.
            let mut missing = verdict.missing;
            while !missing.is_empty() && Instant::now() < end {
                sleep(LOOK).await;
                missing.retain(|missing| {
                    !missing.may_be_paid_by(&self.journals[missing.client].lock())
                });
            }
        }
    }

    /// Judges copies: who is told something meanwhile must not wait for that.
    fn judge(&self) -> Verdict {
        let journals: Vec<Journal> = self.journals.iter().map(SharedJournal::copy).collect();
        judge(&self.truth(), &journals)
    }

    pub(crate) fn truth(&self) -> MutexGuard<'_, Truth> {
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
