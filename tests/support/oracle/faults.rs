//! What goes wrong, and when: drawn from a seed, then done to a stage.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep, timeout};

use super::{
    scenario::Scenario,
    stage::{self, Stage},
    workload::millis,
};
use crate::support::{
    proxy::{Fault, Proxy, Way},
    server::kill_postmaster,
};

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    /// A proxy misbehaves.
    Network {
        daemon: usize,
        side: Side,
        wrong: Wrong,
    },
    /// Postgres ends the connections of daemons.
    Terminate,
    /// Postgres dies as by a power cut, and recovers.
    CrashPostgres,
    /// The postmaster is killed, and its children find out one by one.
    KillPostgres,
    /// Postgres stops in an orderly way and starts again.
    RestartPostgres,
    /// A daemon is killed, and started again a little later.
    KillDaemon(usize),
    /// The same with a polite request to stop.
    StopDaemon(usize),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    Database,
    Clients,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Wrong {
    Cut,
    HalfClose(Way),
    Both(Fault),
    OneWay(Way, Fault),
}

/// A kind of trouble and how often it comes, in words of a lottery.
pub(crate) type Odds = Vec<(u32, Kind)>;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Links,
    Edges,
    CutLinks,
    CutEdges,
    Terminate,
    Crash,
    Restart,
    Kill,
    Stop,
}

/// A trouble with the time it lasts and the peace after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) trouble: Trouble,
    pub(crate) lasts: Duration,
    pub(crate) peace: Duration,
    /// Whether what was done to the network is left so for the next trouble.
    pub(crate) lingers: bool,
}

impl Event {
    fn random(rng: &mut Rng, scenario: &Scenario) -> Option<Self> {
        let Scenario { odds, daemons, .. } = scenario;
        let all: u32 = odds.iter().map(|(weight, _)| weight).sum();
        let mut drawn = rng.u32(..all.max(1));
        let (_, kind) = odds.iter().find(|(weight, _)| {
            let hit = drawn < *weight;
            drawn = drawn.saturating_sub(*weight);
            hit
        })?;
        let daemon = rng.usize(..*daemons);
        let network = |side, wrong| Trouble::Network {
            daemon,
            side,
            wrong,
        };
        let trouble = match kind {
            Kind::Links => network(Side::Database, wrong(rng)),
            Kind::Edges => network(Side::Clients, wrong(rng)),
            Kind::CutLinks => network(Side::Database, Wrong::Cut),
            Kind::CutEdges => network(Side::Clients, Wrong::Cut),
            Kind::Terminate => Trouble::Terminate,
            Kind::Crash if rng.bool() => Trouble::KillPostgres,
            Kind::Crash => Trouble::CrashPostgres,
            Kind::Restart => Trouble::RestartPostgres,
            Kind::Kill => Trouble::KillDaemon(daemon),
            Kind::Stop => Trouble::StopDaemon(daemon),
        };
        Some(Self {
            trouble,
            lasts: millis(rng, 20..900),
            peace: millis(rng, scenario.peace.clone()),
            lingers: rng.u8(..3) == 0,
        })
    }
}

fn wrong(rng: &mut Rng) -> Wrong {
    let fault = match rng.u8(..6) {
        0 => Fault::Delay(millis(rng, 5..300)),
        1 => Fault::Stall,
        2 => Fault::StallAfter(rng.u64(..4_000)),
        3 => Fault::CutAfter(rng.u64(..8_000)),
        4 => Fault::Throttle {
            bytes: rng.usize(1..500),
            pause: millis(rng, 1..20),
        },
        _ => Fault::Refuse,
    };
    let way = if rng.bool() {
        Way::ToServer
    } else {
        Way::ToClient
    };
    match rng.u8(..8) {
        0..2 => Wrong::Cut,
        2 => Wrong::HalfClose(way),
        3..5 => Wrong::OneWay(way, fault),
        _ => Wrong::Both(fault),
    }
}

/// Makes trouble until `end`, then sees to it that everything is there and works.
pub(crate) async fn make_trouble(stage: &mut Stage, scenario: &Scenario) {
    let mut rng = Rng::with_seed(scenario.seed ^ 1);
    let end = Instant::now() + scenario.lasts;
    while Instant::now() < end {
        let Some(event) = Event::random(&mut rng, scenario) else {
            tokio::time::sleep_until(end).await;
            break;
        };
        stage.note(&format!("{event:?}"));
        inflict(stage, event).await;
        if !event.lingers {
            heal(stage);
        }
        sleep(event.peace).await;
    }
    heal(stage);
}

async fn inflict(stage: &mut Stage, event: Event) {
    match event.trouble {
        Trouble::Network {
            daemon,
            side,
            wrong,
        } => {
            let daemon = &stage.daemons[daemon];
            let proxy = match side {
                Side::Database => &daemon.link,
                Side::Clients => &daemon.edge,
            };
            disturb(proxy, wrong);
            sleep(event.lasts).await;
        }
        Trouble::Terminate => {
            let sql = "select pg_terminate_backend(pid) from pg_stat_activity
                        where application_name = 'pgbell' and random() < 0.7";
            // It is no less a trouble if nobody is there to do it.
            let _ = timeout(event.lasts, stage::execute(&stage.url, sql)).await;
        }
        Trouble::CrashPostgres => {
            stage.postgres.crash().await.expect("crashed");
            sleep(event.lasts).await;
            stage.postgres.resume().await.expect("recovered");
        }
        Trouble::KillPostgres => {
            kill_postmaster(&mut stage.postgres).await;
            sleep(event.lasts).await;
            stage.postgres.resume().await.expect("recovered");
        }
        Trouble::RestartPostgres => {
            stage.postgres.halt().await.expect("stopped");
            sleep(event.lasts).await;
            stage.postgres.resume().await.expect("started");
        }
        Trouble::KillDaemon(number) => {
            stage.daemons[number].kill().await;
            sleep(event.lasts).await;
            stage.daemons[number].start();
        }
        Trouble::StopDaemon(number) => {
            stage.daemons[number].stop().await;
            sleep(event.lasts / 4).await;
            stage.daemons[number].start();
        }
    }
}

fn disturb(proxy: &Proxy, wrong: Wrong) {
    match wrong {
        Wrong::Cut => proxy.cut(),
        Wrong::HalfClose(way) => proxy.half_close(way),
        Wrong::Both(fault) => proxy.set(fault),
        Wrong::OneWay(way, fault) => proxy.set_one_way(way, fault),
    }
}

fn heal(stage: &Stage) {
    for daemon in &stage.daemons {
        daemon.link.heal();
        daemon.edge.heal();
    }
}
