//! The oracle: whether a daemon kept its promise, found out from outside.
//!
//! A seed draws transactions, faults and whims of clients. When the faults have stopped, everything
//! that was committed must have been told to everybody whom it concerned, and nothing else to anybody.
//!
//! - `scenario` is what a seed decides, `workload` and `shop` what writers write, `faults` what breaks.
//! - `writer` notes what was committed (`truth`), `client` what it was told (`journal`).
//! - `judge` compares the two. `play` puts writers and clients on a `stage`; `run` is one run with its
//!   report, `recovery` a series of kills with their times.
//!
//! The same seed makes the same plans; when exactly things meet is up to the machine.

pub(crate) mod client;
pub(crate) mod faults;
pub(crate) mod journal;
pub(crate) mod judge;
pub(crate) mod play;
pub(crate) mod recovery;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod scenario;
pub(crate) mod shop;
pub(crate) mod stage;
pub(crate) mod subscriber;
pub(crate) mod tally;
pub(crate) mod truth;
pub(crate) mod workload;
pub(crate) mod writer;
