//! Rights that change while everybody comes, goes, asks and is told at the same time: nobody is told of a room what
//! was committed after their right to it was gone, and everybody with it misses nothing. `CHURN_SEED=n` begins
//! with the choices that a failure names; `make soak` goes on for minutes.

mod journal;
mod owners;
mod people;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fastrand::Rng;
use jiff::Timestamp;
use pgbell::access::RoomRule;
use serde_json::json;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{timeout, timeout_at},
};

use self::journal::{Journal, USERS, User, Write};
use super::{
    Site, anyone,
    orders::{POLICY, orders},
    rule, sql,
};
use crate::support::{client::Client, database::Database, soon};

/// Orders have the ids from 100 on.
const ORDERS: u64 = 16;
const TEAMS: u64 = 5;
const SHOPS: u8 = 3;
/// Longest wait for what has to come in the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who may be in an order is said by row-level security, of a team by a table that no event tells of. Some
/// answers take their time, after the database has looked.
const TABLES: &str = "
    create function nap() returns boolean language sql volatile
    as 'select case when random() < 0.2 then pg_sleep(random() * 0.06) is not null else true end';
    create table team (id text, owner text);
    grant select on team to pgbell_guest;";

fn rules() -> Vec<RoomRule> {
    let order = RoomRule {
        sql: Some("select from orders where id::text = $1 and nap()".into()),
        ..orders()
    };
    let team = "select from team where id = $1 and nap()
                   and owner = current_setting('request.jwt.claims')::jsonb ->> 'sub'";
    vec![
        order,
        sql("team:{id}", team),
        rule("shop_{stores}"),
        anyone("public:*"),
        anyone("mark:*"),
    ]
}

/// Rooms with an owner.
fn owned() -> Vec<String> {
    let orders = (0..ORDERS).map(|id| format!("order:{}", 100 + id));
    let teams = (0..TEAMS).map(|id| format!("team:{id}"));
    orders.chain(teams).collect()
}

fn shops() -> impl Iterator<Item = String> {
    (1..=SHOPS).map(|store| format!("shop_{store}"))
}

struct World {
    site: Site,
    journal: Mutex<Journal>,
    /// Says that the journal has gone on.
    turned: watch::Sender<()>,
    /// Nobody begins anything new; those who listen go on.
    over: AtomicBool,
    /// Nobody listens any more.
    closed: AtomicBool,
    marks: AtomicU64,
    /// The marks that a witness has heard, and how often it heard that it may have missed some.
    heard: watch::Sender<(BTreeSet<u64>, u64)>,
    /// When the tokens of a user are made at the earliest.
    made: BTreeMap<User, AtomicI64>,
    /// Positions that somebody was at.
    positions: Mutex<Vec<String>>,
    /// Of a hundred changes of an owner, those that no event tells of.
    bulk: u8,
}

impl World {
    fn note<T>(&self, write: impl FnOnce(&mut Journal) -> T) -> T {
        let noted = write(&mut self.journal.lock().expect("a journal"));
        self.turned.send_replace(());
        noted
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Waits until something is so, or notes that it has not become so.
    async fn until(&self, what: &str, so: impl Fn(&Journal) -> bool) {
        if timeout(PATIENCE, self.until_so(so)).await.is_err() {
            self.note(|journal| journal.wrong.push(format!("waited for {what}")));
        }
    }

    async fn until_so(&self, so: impl Fn(&Journal) -> bool) {
        let mut turned = self.turned.subscribe();
        while !self.note_quietly(&so) {
            turned.changed().await.expect("a sender");
        }
    }

    fn note_quietly<T>(&self, look: impl FnOnce(&Journal) -> T) -> T {
        look(&self.journal.lock().expect("a journal"))
    }

    /// Waits until the daemon has told something that is committed now.
    async fn fence(&self, database: &Database) {
        let mut heard = self.heard.subscribe();
        loop {
            let mark = self.marks.fetch_add(1, Ordering::Relaxed);
            let resyncs = heard.borrow().1;
            database
                .run(&super::write("mark:witness", &mark.to_string()))
                .await;
            let told = heard.wait_for(|(marks, count)| marks.contains(&mark) || *count != resyncs);
            let told = soon("a mark", told).await;
            if told.expect("a witness").0.contains(&mark) {
                return;
            }
        }
    }

    fn token(&self, user: User, stores: &BTreeSet<u8>) -> String {
        let made = self.made[user].load(Ordering::Relaxed);
        let now = Timestamp::now().as_second();
        // For a while the same for the same claims, so that answers are remembered.
        let until = now / 1_000 * 1_000 + 5_000;
        let claims = json!({"iat": made, "exp": until, "stores": stores});
        self.site.token(user, claims)
    }
}

/// Hears marks, and is in no other room.
async fn witness(world: Arc<World>, mut client: Client) {
    loop {
        let message = client.next().await;
        let changes = message["changes"].as_array().into_iter().flatten();
        let ids = changes.filter_map(|change| change["id"].as_str()?.parse().ok());
        let ids: Vec<u64> = ids.collect();
        world.heard.send_modify(|(marks, resyncs)| {
            marks.extend(ids);
            *resyncs += u64::from(message["type"] == "resync");
        });
    }
}

async fn begin(random: &mut Rng) -> Arc<World> {
    let database = Database::with_shop().await;
    database.run(POLICY).await;
    database.run(TABLES).await;
    let mut journal = Journal::default();
    for room in owned() {
        let owner = random.choice(USERS).expect("users");
        owners::found(&database, &room, owner).await;
        let owner = Some(owner);
        journal.writes(
            &room,
            Write {
                owner,
                ..Write::default()
            },
        );
    }
    for room in shops() {
        journal.writes(&room, Write::default());
    }
    let window = [0, 30, 60_000][random.usize(..3)];
    let site = Site::with(database, rules(), |config| {
        config.resume.window = Duration::from_millis(window);
        config.database.read_limit = owners::READ;
        config.access.sql.connections = 8;
        config.access.sql.waiting_per_user = 500;
        let gateway = &mut config.gateway;
        gateway.unlimited_addresses = vec!["127.0.0.1".into()];
        (gateway.connection_rate, gateway.connection_burst) = (10_000, 10_000);
        (gateway.message_rate, gateway.message_burst) = (10_000, 10_000);
        gateway.max_rooms_per_connection = people::ROOMS;
    })
    .await;
    let now = Timestamp::now().as_second();
    let bulk = [0, 1, 10][random.usize(..3)];
    println!("resume.window {window} ms, {bulk} of 100 in bulk");
    Arc::new(World {
        site,
        journal: Mutex::new(journal),
        turned: watch::Sender::default(),
        over: AtomicBool::new(false),
        closed: AtomicBool::new(false),
        marks: AtomicU64::new(0),
        heard: watch::Sender::default(),
        made: USERS.map(|user| (user, AtomicI64::new(now))).into(),
        positions: Mutex::default(),
        bulk,
    })
}

async fn churn(seed: u64, lasting: Duration) {
    println!("CHURN_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let world = begin(&mut random).await;
    let mut client = world.site.daemon.client().await;
    client.subscribe(&["mark:witness"]).await;
    let witness = tokio::spawn(witness(world.clone(), client));
    let (mut tasks, mut people) = (JoinSet::new(), JoinSet::new());
    for user in USERS {
        for _ in 0..2 {
            people.spawn(people::by_socket(world.clone(), user, random.fork()));
        }
        people.spawn(people::by_stream(world.clone(), user, random.fork()));
    }
    for room in owned() {
        tasks.spawn(owners::change(world.clone(), room, random.fork()));
    }
    for room in shops() {
        tasks.spawn(owners::tell(world.clone(), room, random.fork()));
    }
    tasks.spawn(owners::revoke(world.clone(), random.fork()));
    tasks.spawn(people::crowd(world.clone(), random.fork()));
    let end = tokio::time::Instant::now() + lasting;
    let mut turned = world.turned.subscribe();
    let failed = async {
        while world.note_quietly(|journal| journal.wrong.is_empty()) {
            turned.changed().await.expect("a sender");
        }
    };
    let _ = timeout_at(end, failed).await;
    world.over.store(true, Ordering::Relaxed);
    end_of(&mut tasks).await;
    world.closed.store(true, Ordering::Relaxed);
    end_of(&mut people).await;
    people::ask_for_everything(&world).await;
    witness.abort();
    let journal = world.journal.lock().expect("a journal");
    println!("{:?}", journal.counts);
    assert!(
        journal.wrong.is_empty(),
        "CHURN_SEED={seed}: {}",
        journal.wrong.join("\n")
    );
    // What is rarer may not come about in a few seconds of a busy machine.
    for what in ["told", "joined"] {
        assert!(
            journal.counts.contains_key(what),
            "never {what}: {:?}",
            journal.counts
        );
    }
}

async fn end_of(tasks: &mut JoinSet<()>) {
    let finished = async {
        while let Some(task) = tasks.join_next().await {
            task.expect("a task that came to its end");
        }
    };
    let finished = timeout(Duration::from_secs(150), finished).await;
    finished.expect("the end of all tasks");
}

fn asked(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number")),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_loses_a_right_is_told_nothing_after_it_and_whoever_keeps_it_everything() {
    let seed = asked("CHURN_SEED").unwrap_or_else(|| fastrand::u64(..));
    churn(seed, Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes the minutes that it is given: make soak"]
async fn soak() {
    let lasting = Duration::from_secs(60 * asked("CHURN_MINUTES").unwrap_or(1));
    let begun = Instant::now();
    while begun.elapsed() < lasting {
        churn(fastrand::u64(..), Duration::from_secs(10)).await;
    }
}
