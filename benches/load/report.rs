//! The table.

use std::{collections::BTreeMap, time::Duration};

use crate::crowd::{Round, Shape};

/// All rounds of one target.
pub(crate) struct Figures {
    name: &'static str,
    rounds: Vec<Round>,
}

impl Figures {
    pub(crate) fn new(name: &'static str) -> Self {
        let rounds = Vec::new();
        Self { name, rounds }
    }

    pub(crate) fn add(&mut self, round: Round) {
        self.rounds.push(round);
    }

    /// Microseconds of CPU per delivery, round by round.
    fn cpu(&self) -> Vec<f64> {
        let per_delivery = |round: &Round| micros(round.cpu) / round.delivered.max(1) as f64;
        self.rounds.iter().map(per_delivery).collect()
    }

    /// Of the latencies, round by round.
    fn p99(&self) -> Vec<f64> {
        let p99 = |round: &Round| {
            let latencies: Vec<f64> = round.latencies.iter().copied().map(micros).collect();
            quantile(&latencies, 0.99)
        };
        self.rounds.iter().map(p99).collect()
    }

    fn all(&self, part: impl Fn(&Round) -> &Vec<Duration>) -> Vec<f64> {
        let all = self.rounds.iter().flat_map(part);
        all.copied().map(micros).collect()
    }

    fn sum(&self, part: impl Fn(&Round) -> usize) -> usize {
        self.rounds.iter().map(part).sum()
    }

    fn print_latency(&self) {
        let latencies = self.all(|round| &round.latencies);
        let commits = self.all(|round| &round.commits);
        println!(
            "  {:<12} p50 {:>8}   p99 {:>8}   max {:>8}   of which commit p50 {:>8}   p99 {:>8}   {} of {} frames of {} bytes",
            self.name,
            millis(quantile(&latencies, 0.5)),
            millis(quantile(&latencies, 0.99)),
            millis(quantile(&latencies, 1.0)),
            millis(quantile(&commits, 0.5)),
            millis(quantile(&commits, 0.99)),
            self.sum(|round| round.delivered),
            self.sum(|round| round.expected),
            self.sum(|round| round.bytes) / self.sum(|round| round.delivered).max(1),
        );
    }
}

pub(crate) fn title(what: &str, shape: &Shape) {
    println!(
        "{what}: {} rooms, {} sockets each, {} changes/s",
        shape.rooms, shape.sockets_per_room, shape.changes_per_second
    );
}

/// From just before the UPDATE is sent until the frame has been read.
pub(crate) fn latency(figures: &[Figures]) {
    figures.iter().for_each(Figures::print_latency);
}

/// CPU per delivery, and how many times the cost of the last of `figures` that is.
pub(crate) fn fan_out(figures: &[Figures]) {
    latency(figures);
    let Some(base) = figures.last().map(Figures::cpu) else {
        return;
    };
    for figures in figures {
        let cpu = figures.cpu();
        let ratios: Vec<f64> = cpu
            .iter()
            .zip(&base)
            .map(|(cpu, base)| cpu / base)
            .collect();
        println!(
            "  {:<12} server CPU per delivery {:>6.2} µs ({:.2} to {:.2})   {:.2} times a bare write ({:.2} to {:.2})",
            figures.name,
            quantile(&cpu, 0.5),
            quantile(&cpu, 0.0),
            quantile(&cpu, 1.0),
            quantile(&ratios, 0.5),
            quantile(&ratios, 0.0),
            quantile(&ratios, 1.0),
        );
    }
}

/// How much longer the second take than the first, and what the daemon needs, in KiB: before all of
/// it, at the end of each round of the second, and after.
pub(crate) fn beside(figures: &[Figures; 2], before: u64, rounds: &[u64], after: u64) {
    latency(figures);
    let [alone, beside] = figures.each_ref().map(Figures::p99);
    let ratios: Vec<f64> = alone.iter().zip(&beside).map(|(a, b)| b / a).collect();
    println!(
        "  p99 beside clients that never read: {:.2} times that without them ({:.2} to {:.2} round by round)",
        quantile(&beside, 0.5) / quantile(&alone, 0.5),
        quantile(&ratios, 0.0),
        quantile(&ratios, 1.0),
    );
    println!(
        "  RSS of pgbell {before} KiB before, {rounds:?} KiB after each round beside them, {after} KiB in the end"
    );
}

/// What clients that come back at once were answered, in which time, with how many looks at the log.
pub(crate) fn storm(clients: usize, took: Duration, answers: &BTreeMap<String, usize>, looks: u64) {
    println!(
        "  {clients} clients back in {:.2} s ({:.0}/s), {looks} looks at the log, rooms {answers:?}",
        took.as_secs_f64(),
        clients as f64 / took.as_secs_f64(),
    );
}

/// How long clients took to connect, how many others were cut off meanwhile and why, and the daemon's memory
/// in KiB at the end of each round.
pub(crate) struct Knocks {
    name: &'static str,
    rounds: Vec<Vec<Duration>>,
    resident: Vec<u64>,
    cut: BTreeMap<String, i64>,
}

impl Knocks {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            rounds: Vec::new(),
            resident: Vec::new(),
            cut: BTreeMap::new(),
        }
    }

    pub(crate) fn add(&mut self, calls: Vec<Duration>, resident: u64) {
        self.rounds.push(calls);
        self.resident.push(resident);
    }

    pub(crate) fn cut_before(&mut self, metrics: &str) {
        self.count(metrics, -1);
    }

    pub(crate) fn cut_after(&mut self, metrics: &str) {
        self.count(metrics, 1);
    }

    fn count(&mut self, metrics: &str, sign: i64) {
        for line in metrics.lines() {
            let found = line.strip_prefix("pgbell_cut_connections_total{reason=\"");
            let Some((reason, count)) = found.and_then(|found| found.split_once("\"} ")) else {
                continue;
            };
            *self.cut.entry(reason.to_owned()).or_default() +=
                sign * count.parse::<i64>().unwrap_or(0);
        }
    }

    fn quantile(&self, nth: f64) -> f64 {
        let all: Vec<f64> = self.rounds.concat().into_iter().map(micros).collect();
        quantile(&all, nth)
    }

    fn p99s(&self) -> Vec<String> {
        let p99 = |calls: &Vec<Duration>| {
            let calls: Vec<f64> = calls.iter().copied().map(micros).collect();
            millis(quantile(&calls, 0.99))
        };
        self.rounds.iter().map(p99).collect()
    }

    fn print(&self) {
        println!(
            "  {:<22} connect p50 {:>8}   p99 {:>9}   max {:>9}   p99 by round {}   {} calls   RSS {:?} KiB   cut {:?}",
            self.name,
            millis(self.quantile(0.5)),
            millis(self.quantile(0.99)),
            millis(self.quantile(1.0)),
            self.p99s().join(", "),
            self.rounds.iter().map(Vec::len).sum::<usize>(),
            self.resident,
            self.cut,
        );
    }
}

/// Of peace, and beside each attack.
pub(crate) fn knocks(peace: &Knocks, beside: &[Knocks], before: u64, after: u64) {
    peace.print();
    beside.iter().for_each(Knocks::print);
    println!("  RSS of pgbell {before} KiB before, {after} KiB in the end");
}

pub(crate) fn memory(connections: usize, kib: f64) {
    println!("memory: {connections} idle connections, each in a room of its own");
    println!("  pgbell       {kib:.2} KiB of RSS per connection");
}

fn quantile(values: &[f64], quantile: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1) as f64;
    let (low, high) = ((last * quantile).floor(), (last * quantile).ceil());
    let at = |place: f64| sorted.get(place as usize).copied().unwrap_or(f64::NAN);
    f64::midpoint(at(low), at(high))
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn millis(micros: f64) -> String {
    format!("{:.2} ms", micros / 1000.0)
}
