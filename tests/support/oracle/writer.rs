//! A writer: performs transactions and finds out how each ended, whatever became of its connection.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fastrand::Rng;
use tokio::{sync::watch, time::sleep};
use tokio_postgres::{Client, Error, NoTls, SimpleQueryMessage};

use super::{
    shop::FIRST_TOKEN,
    truth::{Change, Truth},
    workload::{Pace, Plan, Step, millis},
};

/// What is left of a flood when stragglers begin.
const LATE_FLOOD: Duration = Duration::from_millis(400);

/// What all writers share.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) url: String,
    pub(crate) truth: Mutex<Truth>,
    pub(crate) pace: Pace,
    pub(crate) start: Instant,
    next: AtomicU64,
    /// When the next transaction of a steady pace may begin.
    slot: Mutex<tokio::time::Instant>,
}

/// How far a transaction got.
struct Attempt {
    number: u64,
    kept: Vec<Change>,
    undone: Vec<Change>,
    /// When COMMIT was sent.
    begun: Option<Instant>,
}

impl Desk {
    pub(crate) fn new(url: String, pace: Pace) -> Self {
        Self {
            url,
            truth: Mutex::default(),
            pace,
            start: Instant::now(),
            next: AtomicU64::new(FIRST_TOKEN),
            slot: Mutex::new(tokio::time::Instant::now()),
        }
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits for one's turn at a steady pace. What was not written in time is not made up for.
    async fn turn(&self, per_second: u32) {
        let turn = {
            let mut slot = self.slot.lock().expect("no panic");
            let late = tokio::time::Instant::now() - Duration::from_millis(100);
            *slot = (*slot).max(late) + Duration::from_secs(1) / per_second;
            *slot
        };
        tokio::time::sleep_until(turn).await;
    }

    /// Time until the next ebb, or `None` while it is ebb.
    fn until_ebb(&self) -> Option<Duration> {
        let Some((flood, ebb)) = self.pace.tide else {
            return Some(Duration::ZERO);
        };
        let millis = self.start.elapsed().as_millis() % (flood + ebb).as_millis();
        flood.checked_sub(Duration::from_millis(millis as u64))
    }

    /// Performs a transaction to its end, enters it in the truth and returns what was committed.
    pub(crate) async fn perform(&self, connection: &mut Option<Client>, plan: &Plan) -> Vec<u64> {
        let mut attempt = Attempt {
            number: self.number(),
            kept: Vec::new(),
            undone: Vec::new(),
            begun: None,
        };
        let client = self.connected(connection).await;
        let ended = attempt.run(client, plan, || self.number()).await;
        if ended.is_err() && client.batch_execute("rollback").await.is_err() {
            *connection = None;
        }
        let committed = match (attempt.begun, ended) {
            (None, _) => None,
            (Some(begun), Ok(())) => Some(begun),
            (Some(begun), Err(_)) => {
                let committed = self.settle(connection, attempt.number).await;
                committed.then_some(begun)
            }
        };
        let mut truth = self.truth.lock().expect("no panic");
        truth.undo(attempt.undone);
        match committed {
            Some(begun) => {
                let tokens = attempt.kept.iter().map(|change| change.token).collect();
                truth.commit(attempt.kept, begun);
                tokens
            }
            None => {
                truth.undo(attempt.kept);
                Vec::new()
            }
        }
    }

    /// Whether a transaction whose COMMIT was not answered was committed. Its row in the ledger
    /// tells; trying to insert the same waits for a backend that has not noticed yet.
    async fn settle(&self, connection: &mut Option<Client>, number: u64) -> bool {
        loop {
            let client = self.connected(connection).await;
            let insert = format!("insert into ledger values ({number}) on conflict do nothing");
            match count(client, &insert).await {
                Ok(inserted) => return inserted == 0,
                Err(_) => *connection = None,
            }
        }
    }

    async fn connected<'a>(&self, connection: &'a mut Option<Client>) -> &'a mut Client {
        let mut client = connection.take().filter(|client| !client.is_closed());
        while client.is_none() {
            let connecting = tokio_postgres::connect(&self.url, NoTls);
            match tokio::time::timeout(Duration::from_secs(2), connecting).await {
                Ok(Ok((connected, driver))) => {
                    tokio::spawn(driver);
                    client = Some(connected);
                }
                _ => sleep(Duration::from_millis(20)).await,
            }
        }
        connection.insert(client.expect("connected"))
    }
}

impl Attempt {
    async fn run(
        &mut self,
        client: &Client,
        plan: &Plan,
        next_token: impl Fn() -> u64,
    ) -> Result<(), Error> {
        let isolation = match plan.repeatable_read {
            true => "repeatable read",
            false => "read committed",
        };
        let begin = format!("begin isolation level {isolation}; set local lock_timeout = '300ms'");
        client.batch_execute(&begin).await?;
        let enter = format!("insert into ledger values ({})", self.number);
        if plan.numbered_first {
            client.batch_execute(&enter).await?;
        }
        let mut savepoint = 0;
        for step in &plan.steps {
            match step {
                Step::Write(write) => {
                    let token = next_token();
                    // Kept from here on: if the connection breaks, it may have been done.
                    self.kept.push(write.change(token));
                    let rows = count(client, &write.sql(token)).await?;
                    assert_eq!(rows, 1, "{write:?} concerns one row");
                }
                Step::Savepoint => {
                    savepoint = self.kept.len();
                    client.batch_execute("savepoint here").await?;
                }
                Step::Undo => {
                    self.undone.extend(self.kept.drain(savepoint..));
                    client.batch_execute("rollback to here").await?;
                }
                Step::Keep => client.batch_execute("release here").await?,
                Step::Pause(pause) => sleep(*pause).await,
            }
        }
        if !plan.numbered_first {
            client.batch_execute(&enter).await?;
        }
        sleep(plan.hold).await;
        if plan.commits {
            self.begun = Some(Instant::now());
            client.batch_execute("commit").await
        } else {
            client.batch_execute("rollback").await
        }
    }
}

/// Rows that a statement touched.
async fn count(client: &Client, sql: &str) -> Result<u64, Error> {
    let messages = client.simple_query(sql).await?;
    let counts = messages.iter().map(|message| match message {
        SimpleQueryMessage::CommandComplete(rows) => *rows,
        _ => 0,
    });
    Ok(counts.sum())
}

/// Writes until told to stop.
pub(crate) async fn write(desk: Arc<Desk>, seed: u64, stop: watch::Receiver<bool>) {
    let (mut rng, mut connection) = (Rng::with_seed(seed), None);
    while !*stop.borrow() {
        if let Some(per_second) = desk.pace.steady {
            desk.turn(per_second).await;
            desk.perform(&mut connection, &Plan::brief(&mut rng)).await;
            continue;
        }
        if desk.until_ebb().is_some() {
            let plan = Plan::random(&mut rng, desk.pace.undone);
            desk.perform(&mut connection, &plan).await;
        }
        sleep(millis(&mut rng, desk.pace.rest.clone())).await;
    }
}

/// Begins transactions while the others write and commits them while they rest; the last of them
/// after everybody has stopped.
pub(crate) async fn straggle(desk: Arc<Desk>, seed: u64, stop: watch::Receiver<bool>) {
    let (mut rng, mut connection) = (Rng::with_seed(seed), None);
    let (_, ebb) = desk.pace.tide.unwrap_or_default();
    while !*stop.borrow() {
        // The flood has to be on for a while until the bell is muted.
        if let Some(left) = desk.until_ebb().filter(|left| *left < LATE_FLOOD) {
            let rested = rng.u64(ebb.as_millis() as u64 * 8 / 10..=ebb.as_millis() as u64);
            let hold = left + Duration::from_millis(rested);
            desk.perform(&mut connection, &Plan::straggling(&mut rng, hold))
                .await;
        }
        sleep(millis(&mut rng, 20..200)).await;
    }
}
