//! The fuzz targets on any toolchain: seeds, and mutations of seeds. `FUZZ_SEED=n` begins with the input that
//! a failure names; `make soak` goes on for minutes, and `cargo fuzz` lets coverage guide the way.

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "elsewhere it is a library")]
mod targets;

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use targets::TARGETS;

/// Time for each target in `make test`.
const SHORT: Duration = Duration::from_secs(1);
/// Longest input: messages of clients are a few hundred bytes.
const LONGEST: usize = 4096;
/// What is put in between: where parsers change their minds.
const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "\\",
    ":",
    ",",
    ".",
    ";",
    "*",
    "$$",
    "$1",
    "/*",
    "*/",
    "--",
    "\0",
    "\n",
    "\u{feff}",
    "é",
    "\u{202e}",
    "\u{e000}",
    "=",
    "&",
    "%",
    "%2C",
    "@",
    "/",
    "?",
    "-1",
    "0",
    "18446744073709551615",
    "1e999",
    "null",
    "true",
    "type",
    "rooms",
    "since",
    "sub",
    "exp",
    "create trigger ",
    "begin",
    "E'\\",
    "U&\"",
];

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(name);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{name} has no seeds");
    files
        .iter()
        .map(|file| fs::read(file).expect("a seed"))
        .collect()
}

/// The input of this number: always the same one.
fn input(seeds: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut random = Rng::with_seed(number);
    let mut bytes = random.choice(seeds).cloned().unwrap_or_default();
    for _ in 0..random.usize(1..8) {
        mutate(&mut bytes, seeds, &mut random);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn mutate(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Rng) {
    let at = random.usize(..=bytes.len());
    let end = (at + random.usize(..=16)).min(bytes.len());
    match random.u8(..9) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
        1 if at < bytes.len() => bytes[at] = random.u8(..),
        2 => bytes.insert(at, random.u8(b' '..=b'~')),
        3 => drop(bytes.drain(at..end)),
        4 => bytes.truncate(at),
        5 => {
            let part = bytes[at..end].repeat(random.usize(1..40));
            bytes.splice(at..at, part);
        }
        6 => {
            let other = random.choice(seeds).map_or(&[][..], Vec::as_slice);
            bytes.splice(at.., other[random.usize(..=other.len())..].iter().copied());
        }
        _ => {
            let word = random.choice(WORDS).copied().unwrap_or_default();
            bytes.splice(at..at, word.bytes());
        }
    }
}

/// Runs one input; what fails is told so that it can be run again, and become a seed.
fn attempt(name: &str, bytes: &[u8], which: &str) {
    if catch_unwind(AssertUnwindSafe(|| targets::run(name, bytes))).is_err() {
        panic!("{name} fails with {which}: {}", bytes.escape_ascii());
    }
}

/// Inputs of one target until `time` is over; how many there were.
fn fuzz(name: &str, first: u64, time: Duration) -> u64 {
    let seeds = seeds(name);
    for (place, seed) in seeds.iter().enumerate() {
        attempt(name, seed, &format!("its seed {place}"));
    }
    let begun = Instant::now();
    let mut number = first;
    while begun.elapsed() < time {
        let bytes = input(&seeds, number);
        attempt(name, &bytes, &format!("FUZZ_SEED={number}"));
        number = number.wrapping_add(1);
    }
    number.wrapping_sub(first)
}

fn fuzz_all(time: Duration) {
    let first = env::var("FUZZ_SEED").map(|seed| seed.parse().expect("FUZZ_SEED is a number"));
    let first = first.unwrap_or_else(|_| fastrand::u64(..));
    println!("FUZZ_SEED={first}");
    let failed: Vec<_> = thread::scope(|scope| {
        let run = |(name, _): &(&'static str, _)| {
            let name = *name;
            scope.spawn(move || println!("{name}: {} inputs", fuzz(name, first, time)))
        };
        let threads: Vec<_> = TARGETS.iter().map(run).collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().err())
            .collect()
    });
    let words = failed
        .iter()
        .map(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default());
    assert!(
        failed.is_empty(),
        "{}",
        words.collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn no_input_breaks_a_parser_that_meets_the_outside() {
    fuzz_all(SHORT);
}

#[test]
#[ignore = "takes the minutes that it is given"]
fn soak() {
    let minutes =
        env::var("FUZZ_MINUTES").map(|minutes| minutes.parse().expect("FUZZ_MINUTES is a number"));
    fuzz_all(Duration::from_secs(60 * minutes.unwrap_or(1)));
}
