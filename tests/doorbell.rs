//! The doorbell among writers of every kind, while it is armed and muted all the time. Nothing but the doorbell could
//! be in time: the safety read comes after ten minutes.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    ops::Range,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use fastrand::Rng;
use futures_util::future::join_all;
use tokio::time::sleep;

use crate::support::{
    client::{Client, ids_in},
    daemon::{Daemon, get},
    database::Database,
    program::Program,
    soon,
};

const ROUNDS: usize = 8;
const WRITERS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_writer_is_heard_while_the_bell_arms_and_mutes() {
    let mut rng = seeded();
    let database = Database::with_shop().await;
    let mut watchers = [Watcher::on(&database).await, Watcher::on(&database).await];
    let writers = Writers::default();
    for _ in 0..ROUNDS {
        let (flapping, holding) = (rng.fork(), rng.fork());
        let writing = (0..WRITERS).map(|_| writers.write(&database, rng.fork()));
        let ending = async {
            tokio::join!(flap(&database, flapping), hold_an_xid(&database, holding));
            for watcher in &watchers {
                becomes(watcher.daemon.addr, "armed").await;
            }
            writers.over.store(true, Ordering::Relaxed);
        };
        let (told, ()) = tokio::join!(join_all(writing), ending);
        writers.over.store(false, Ordering::Relaxed);
        for watcher in &mut watchers {
            let rung = told.iter().flat_map(|told| &told.rung);
            watcher.is_told(rung.cloned().collect()).await;
            let unrung = told.iter().flat_map(|told| &told.unrung);
            watcher.unrung.extend(unrung.cloned());
        }
    }
    // What was prepared did not ring. It is read with whatever rings next.
    database.run("notify pgbell").await;
    for watcher in &mut watchers {
        let unrung = std::mem::take(&mut watcher.unrung);
        watcher.is_told(unrung).await;
        assert_eq!(watcher.told, watcher.committed, "nothing was invented");
    }
}

/// Printed if the test fails, and taken from `PGBELL_SEED` to run it again.
fn seeded() -> Rng {
    let given = std::env::var("PGBELL_SEED").ok();
    let seed = given.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("PGBELL_SEED={seed}");
    Rng::with_seed(seed)
}

fn millis(rng: &mut Rng, range: Range<u64>) -> Duration {
    Duration::from_millis(rng.u64(range))
}

/// Waits until the daemon at this address says so of the doorbell.
async fn becomes(addr: SocketAddr, state: &str) {
    let wanted = format!(r#""doorbell":"{state}""#);
    let becoming = async { while !get(addr, "/health").await.1.contains(&wanted) {} };
    soon(&format!("the doorbell to be {state}"), becoming).await;
}

/// A daemon with a client that must be told everything.
struct Watcher {
    daemon: Daemon,
    client: Client,
    told: BTreeSet<String>,
    committed: BTreeSet<String>,
    unrung: BTreeSet<String>,
}

impl Watcher {
    async fn on(database: &Database) -> Self {
        let daemon = Daemon::with(database, |config| {
            config.database.safety_interval = Duration::from_secs(600);
            // Muted by force alone, and armed again after a second, however busy writers are.
            config.database.mute_above = 100_000;
            config.coalesce.max_entities_per_room = 100_000;
            config.hub.queue_frames = 100_000;
            config.hub.queue_size = bytesize::ByteSize::gib(1);
        })
        .await;
        let client = daemon.client_in(&["admin:orders"]).await;
        Self {
            daemon,
            client,
            told: BTreeSet::new(),
            committed: BTreeSet::new(),
            unrung: BTreeSet::new(),
        }
    }

    /// Waits until the client has been told of all of these.
    async fn is_told(&mut self, committed: BTreeSet<String>) {
        self.committed.extend(committed.iter().cloned());
        let (client, told) = (&mut self.client, &mut self.told);
        let telling = async {
            while !committed.is_subset(told) {
                let message = client.next().await;
                assert!(
                    message["type"].is_string() && message["type"] != "resync",
                    "{message}"
                );
                if message["type"] == "invalidate" {
                    told.extend(ids_in(&[message], "admin:orders"));
                }
            }
        };
        let told_in_time = tokio::time::timeout(Duration::from_secs(20), telling)
            .await
            .is_ok();
        let missing: Vec<_> = committed.difference(&self.told).take(5).collect();
        assert!(
            told_in_time,
            "not told of {missing:?} of {}",
            committed.len()
        );
    }
}

/// Orders that were committed, with and without a ring.
#[derive(Default)]
struct Committed {
    rung: BTreeSet<String>,
    unrung: BTreeSet<String>,
}

#[derive(Default)]
struct Writers {
    over: AtomicBool,
    number: AtomicUsize,
}

impl Writers {
    /// Transactions of all kinds, until it is over.
    async fn write(&self, database: &Database, mut rng: Rng) -> Committed {
        let session = database.session().await;
        let mut committed = Committed::default();
        while !self.over.load(Ordering::Relaxed) {
            let transaction = self.transaction(&mut rng);
            let mut done = session
                .client()
                .batch_execute(&transaction.before.join("; "))
                .await;
            if rng.u8(..4) == 0 {
                sleep(millis(&mut rng, 0..200)).await;
            }
            for end in transaction.end {
                if done.is_ok() {
                    done = session.client().batch_execute(&end).await;
                }
            }
            if done.is_err() {
                // Others changed the same row: that one is rolled back.
                session.run("rollback").await;
            } else if transaction.prepared {
                committed.unrung.extend(transaction.kept);
            } else {
                committed.rung.extend(transaction.kept);
            }
        }
        committed
    }

    fn order(&self) -> (String, String) {
        let id = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        let columns = "id, order_number, user_id, seller_id, store_id";
        let insert = format!("insert into orders ({columns}) values ({id}, '{id}', 1, 11, 1)");
        (id.to_string(), insert)
    }

    fn transaction(&self, rng: &mut Rng) -> Transaction {
        let isolation = ["read committed", "repeatable read", "serializable"][rng.usize(..3)];
        let prepared = rng.u8(..10) == 0;
        let mut before = vec![format!("begin isolation level {isolation}")];
        let mut kept = Vec::new();
        if prepared {
            before.push("set local pgbell.ring = off".into());
        }
        if rng.bool() {
            // The snapshot, and what it says of everything, is from now on.
            before.push("select count(*) from products".into());
        }
        for _ in 0..rng.usize(1..4) {
            let (id, insert) = self.order();
            if rng.u8(..4) == 0 {
                before.extend(["savepoint here".into(), insert, "rollback to here".into()]);
            } else {
                before.push(insert);
                kept.push(id);
            }
        }
        if rng.u8(..5) == 0 {
            before.push("update stores set name = name || '.' where id = 1".into());
        }
        let end = match (prepared, rng.u8(..4)) {
            (_, 0) => {
                kept.clear();
                vec!["rollback".to_owned()]
            }
            (false, _) => vec!["commit".to_owned()],
            (true, _) => {
                let name = format!("prepared_{}", fastrand::u64(..));
                let end = ["prepare transaction", "commit prepared"];
                end.map(|end| format!("{end} '{name}'")).into()
            }
        };
        Transaction {
            before,
            end,
            kept,
            prepared,
        }
    }
}

struct Transaction {
    before: Vec<String>,
    end: Vec<String>,
    /// Orders that are there if it commits.
    kept: Vec<String>,
    prepared: bool,
}

/// Mutes and arms as other daemons might.
async fn flap(database: &Database, mut rng: Rng) {
    let session = database.session().await;
    for _ in 0..rng.usize(1..20) {
        session.run("select pgbell.mute()").await;
        sleep(millis(&mut rng, 0..30)).await;
        if rng.bool() {
            session.run("select pgbell.arm()").await;
            sleep(millis(&mut rng, 0..30)).await;
        }
    }
}

/// A transaction that is idle, beside changes, for longer than arming takes.
async fn hold_an_xid(database: &Database, mut rng: Rng) {
    let session = database.session().await;
    session.run("begin; select pg_current_xact_id()").await;
    sleep(millis(&mut rng, 0..2000)).await;
    session.run("commit").await;
}

/// A writer finds the bell muted and does not ring; the daemon arms it; then the writer commits.
#[tokio::test]
async fn a_writer_that_found_the_bell_muted_is_waited_for() {
    let database = Database::with_shop().await;
    let program = daemon_without(&database, "").await;
    let mut client = client_of(&program).await;
    let slow = database.session().await;
    mute_and_write(&program, &slow, "arming").await;
    slow.run("commit").await;
    client.next_of("invalidate").await;
    becomes(program.addr, "armed").await;
}

/// The same, and the daemon sleeps too early. So this kind of test notices.
#[cfg(feature = "sabotage")]
#[tokio::test]
async fn a_daemon_that_waits_for_no_writer_misses_one() {
    let database = Database::with_shop().await;
    let program = daemon_without(&database, "drain_wait").await;
    let mut client = client_of(&program).await;
    let slow = database.session().await;
    mute_and_write(&program, &slow, "armed").await;
    sleeps(&program).await;
    slow.run("commit").await;
    let telling = client.next_of("invalidate");
    let told = tokio::time::timeout(Duration::from_secs(2), telling).await;
    assert!(
        told.is_err(),
        "told of what did not ring: {told:?}; {:#?}",
        program.log()
    );
    database.run("notify pgbell").await;
    client.next_of("invalidate").await;
}

/// The daemon in a process of its own, because what it leaves out is read from the environment once.
async fn daemon_without(database: &Database, left_out: &str) -> Program {
    let settings = [
        ("PGBELL_DATABASE__SAFETY_INTERVAL", "10min"),
        ("PGBELL_SABOTAGE", left_out),
        ("PGBELL_LOG", "pgbell=debug"),
    ];
    let program = Program::with(database, &settings).await;
    becomes(program.addr, "armed").await;
    program
}

async fn client_of(program: &Program) -> Client {
    let mut client = Client::connect(program.addr).await;
    client.subscribe(&["admin:orders"]).await;
    client
}

/// Lets a transaction find the bell muted, and waits until the daemon has armed it and is in this state.
async fn mute_and_write(program: &Program, slow: &Database, state: &str) {
    let columns = "id, order_number, user_id, seller_id, store_id";
    let order = format!("insert into orders ({columns}) values (1, '1', 1, 11, 1)");
    // What `pgbell.mute()` does, but the daemon hears of it when the order is written, however slow this is.
    let mute = "select setval('pgbell.doorbell', 1, true)";
    slow.run(&format!("begin; {mute}; {order}")).await;
    let before = reads(program).await;
    let other = slow.session().await;
    other.run("select pg_notify('pgbell', 'muted')").await;
    // One read hears that the bell is muted, and arms it; the state is that of the one after it.
    let again = async { while reads(program).await < before + 2 {} };
    soon("the daemon to arm the bell", again).await;
    becomes(program.addr, state).await;
}

async fn reads(program: &Program) -> u64 {
    let (_, metrics) = get(program.addr, "/metrics").await;
    let mut lines = metrics.lines();
    let value = lines.find_map(|line| line.strip_prefix("pgbell_log_reads_total "));
    value
        .and_then(|value| value.parse().ok())
        .expect("a metric")
}

/// Waits until the daemon reads no more, which it does for a while after the last change.
#[cfg(feature = "sabotage")]
async fn sleeps(program: &Program) {
    let sleeping = async {
        let mut before = reads(program).await;
        loop {
            sleep(Duration::from_millis(300)).await;
            let now = reads(program).await;
            if now == std::mem::replace(&mut before, now) {
                return;
            }
        }
    };
    soon("the daemon to sleep", sleeping).await;
}
