//! What a seed decides.

use std::{ops::Range, time::Duration};

use fastrand::Rng;

use super::{
    faults::{Kind, Odds},
    workload::Pace,
};

/// Everything that a run is made of, but for the moments at which things happen to meet.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) name: &'static str,
    pub(crate) daemons: usize,
    pub(crate) clients: usize,
    /// Most rooms a client joins at first.
    pub(crate) rooms: usize,
    /// Mean milliseconds between whims of a client; 0 for none.
    pub(crate) whims: u64,
    pub(crate) pace: Pace,
    pub(crate) odds: Odds,
    /// Milliseconds between two troubles.
    pub(crate) peace: Range<u64>,
    pub(crate) lasts: Duration,
    /// Settings of the daemons, as `PGBELL_` variables without their beginning.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// How long clients may take to be told everything once all is well.
    pub(crate) patience: Duration,
}

impl Scenario {
    /// One of the scenarios below.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        match seed % 6 {
            0 => Self::anything(seed, &mut rng),
            1 => Self::database_goes_away(seed, &mut rng),
            2 => Self::clients_are_cut(seed, &mut rng),
            3 => Self::bell_flaps(seed, &mut rng),
            4 => Self::database_crashes(seed, &mut rng),
            _ => Self::daemons_die(seed, &mut rng),
        }
    }

    fn new(name: &'static str, seed: u64, rng: &mut Rng) -> Self {
        Self {
            seed,
            name,
            daemons: 1,
            clients: rng.usize(20..=40),
            rooms: 6,
            whims: 800,
            pace: Pace {
                writers: rng.usize(4..=8),
                rest: 0..60,
                undone: 8,
                tide: None,
                stragglers: 0,
                steady: None,
            },
            odds: Vec::new(),
            peace: 20..600,
            lasts: Duration::from_secs(8),
            settings: settings(rng),
            patience: Duration::from_secs(25),
        }
    }

    fn anything(seed: u64, rng: &mut Rng) -> Self {
        let mut scenario = Self::new("anything", seed, rng);
        scenario.daemons = rng.usize(1..=2);
        scenario.odds = vec![
            (4, Kind::Links),
            (4, Kind::Edges),
            (1, Kind::Terminate),
            (1, Kind::Crash),
            (1, Kind::Restart),
            (1, Kind::Kill),
            (1, Kind::Stop),
        ];
        scenario
    }

    /// Everything that separates a daemon from its database, and nothing else.
    pub(crate) fn database_goes_away(seed: u64, rng: &mut Rng) -> Self {
        let mut scenario = Self::new("database goes away", seed, rng);
        scenario.odds = vec![
            (4, Kind::Links),
            (2, Kind::CutLinks),
            (2, Kind::Terminate),
            (2, Kind::Crash),
            (1, Kind::Restart),
        ];
        scenario
    }

    /// What was not on disk yet is gone after a crash, and its transaction ids are used again. The
    /// daemon polls, so that it sees transactions which end without a commit.
    pub(crate) fn database_crashes(seed: u64, rng: &mut Rng) -> Self {
        let mut scenario = Self::new("database crashes", seed, rng);
        scenario.odds = vec![(1, Kind::Crash)];
        scenario.peace = 600..1800;
        scenario.pace.undone = 2;
        scenario.pace.rest = 0..20;
        scenario.set("DATABASE__MUTE_ABOVE", "2");
        scenario
    }

    /// Clients of one healthy daemon lose their connections all the time.
    pub(crate) fn clients_are_cut(seed: u64, rng: &mut Rng) -> Self {
        let mut scenario = Self::new("clients are cut", seed, rng);
        scenario.whims = 300;
        scenario.odds = vec![(1, Kind::Edges), (3, Kind::CutEdges)];
        scenario
    }

    /// Writers come in tides, so that the bell is muted and armed, and some commit at ebb.
    pub(crate) fn bell_flaps(seed: u64, rng: &mut Rng) -> Self {
        let mut scenario = Self::new("bell flaps", seed, rng);
        scenario.daemons = rng.usize(1..=2);
        scenario.pace.tide = Some((Duration::from_millis(700), Duration::from_millis(2_800)));
        scenario.pace.rest = 0..15;
        scenario.pace.stragglers = 3;
        scenario.set("DATABASE__MUTE_ABOVE", "20");
        scenario.set("DATABASE__SAFETY_INTERVAL", "10m");
        scenario.odds = vec![(1, Kind::CutLinks), (1, Kind::Terminate)];
        scenario
    }

    /// Two daemons, each of which may go at any moment; clients resume at the other.
    fn daemons_die(seed: u64, rng: &mut Rng) -> Self {
        let mut scenario = Self::new("daemons die", seed, rng);
        scenario.daemons = 2;
        scenario.odds = vec![
            (3, Kind::Kill),
            (2, Kind::Stop),
            (1, Kind::CutEdges),
            (1, Kind::Links),
        ];
        scenario
    }

    /// The same with one daemon, made short: what is wrong with it shows at once or never.
    pub(crate) fn short(mut self) -> Self {
        self.daemons = 1;
        self.lasts = Duration::from_secs(4);
        self.patience = Duration::from_secs(6);
        self
    }

    /// The same with a daemon that is killed while much waits for its window.
    pub(crate) fn killed_at_work(mut self) -> Self {
        self.set("COALESCE__WINDOW", "500ms");
        self.odds = vec![(1, Kind::Kill)];
        self
    }

    /// The same without any trouble.
    pub(crate) fn in_peace(mut self) -> Self {
        self.odds.clear();
        self
    }

    /// Many clients that stay, a steady stream of changes, the settings that a daemon comes with.
    pub(crate) fn recovery() -> Self {
        let mut scenario = Self::new("recovery", 0, &mut Rng::with_seed(0));
        scenario.clients = 200;
        scenario.whims = 0;
        scenario.pace.writers = 16;
        scenario.pace.steady = Some(500);
        scenario.settings.clear();
        scenario
    }

    /// Gives a setting another value.
    pub(crate) fn set(&mut self, key: &'static str, value: &str) {
        self.settings.retain(|(known, _)| *known != key);
        self.settings.push((key, value.to_owned()));
    }
}

/// Settings that let faults be noticed soon, and some that make the daemon take another way.
fn settings(rng: &mut Rng) -> Vec<(&'static str, String)> {
    let mut any = |choice: &[&'static str]| rng.choice(choice.iter().copied()).unwrap_or_default();
    let settings = [
        ("DATABASE__HEARTBEAT", "1s"),
        ("DATABASE__CONNECT_TIMEOUT", "1s"),
        ("DATABASE__STATEMENT_TIMEOUT", "2s"),
        ("GATEWAY__HEARTBEAT", "1s"),
        ("GATEWAY__DRAIN", "1s"),
        ("GATEWAY__WRITE_DEADLINE", "3s"),
        ("COALESCE__WINDOW", any(&["0ms", "100ms", "300ms"])),
        ("DATABASE__MUTE_ABOVE", any(&["5", "50", "200"])),
        // A ring that was not to be relied on is found out only if nothing else makes it look.
        ("DATABASE__SAFETY_INTERVAL", any(&["1s", "10m"])),
        ("HUB__QUEUE_FRAMES", any(&["4", "1024", "1024"])),
        // What the memory has forgotten is read from the log.
        ("RESUME__WINDOW", any(&["1s", "300s"])),
        ("RESUME__ENTRIES", any(&["50", "100000", "100000"])),
        // Writers change the leaf that they write to.
        ("LOG__MAX_SIZE", any(&["1MiB", "1GiB"])),
        ("LOG__ROTATE_INTERVAL", "1s"),
    ];
    settings.map(|(key, value)| (key, value.to_owned())).into()
}
