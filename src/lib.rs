//! pgbell: from a committed row to an open socket.
//!
//! Triggers write what changed into a log in Postgres; a daemon reads the log and tells WebSocket
//! clients which entities of their rooms they must fetch again. A client is told of every committed
//! change of its rooms, or told to [`resync`](change::ResyncReason); it is never left stale without
//! being told.
//!
//! # Bird's-eye view
//!
//! ```text
//!  UPDATE …; COMMIT                            sql/triggers/*.sql, migrations/, sql/core/
//!      │  pgbell.change, the log; NOTIFY, the bell
//!      ▼
//!  capture ──Captured──► coalesce ──Flush──► hub ──Frame──► gateway ──► sockets
//!  listener, log reader  window per room,    rooms and      HTTP and
//!  doorbell, upkeep      folding by entity   outboxes       WebSocket, SSE
//! ```
//!
//! Each stage is a folder and a task. Stages speak through plain values on bounded channels, which
//! [`app`] makes. When one cannot go on, the one before it waits; in the end the log waits.
//!
//! # Where to start
//!
//! - What a change is, from row to wire: [`change`], [`invalidation`], [`protocol`].
//! - How nothing is lost: [`cursor`], then `capture/log.rs` and `capture/session.rs`.
//! - When writers must ring: `capture/doorbell.rs`.
//! - When a room is told: `coalesce/window.rs`.
//! - How triggers that have drifted are found: `sql/core/drift.sql`, then `capture/drift/`.
//! - What is asked of whoever comes: `gateway/edge/`.
//! - What a slow client costs: `hub/outbox.rs`, then `hub/folding.rs`.
//! - How clients are sent away: `hub/drain.rs`.
//! - What clients that come back are told: `hub/memory/`, then `hub/resume.rs` and
//!   `capture/history.rs`.
//! - What a statement would tell, asked of the same code: `cli/triggers/trace/`.
//! - Who may join which room: `access/token.rs`, then `access/pattern.rs` and `access/rules.rs`; in sessions:
//!   `gateway/rights.rs`, and `hub/control.rs` for rights that are taken away.
//! - How it all starts and stops: [`app`].
//! - What others read of the wire: `description/`, which is for tests only.
//! - All of it at work: `tests/writers.rs`, which reads as a list of promises; and judged from
//!   outside, under faults: `tests/oracle.rs`.
//!
//! The reasons are in `docs/architecture.md`, the daemon's bounds and their outcomes in
//! `docs/operating.md`.
//!
//! # Floors
//!
//! A module imports only from floors below its own, and neighbours do not know each other.
//!
//! | floor | modules | what they know |
//! |---|---|---|
//! | 9 | [`cli`] | clap; one file per command |
//! | 8 | [`demo`] | a throw-away Postgres, a shop, its traffic, its storefront (axum) |
//! | 7 | [`app`] | every stage; makes channels and owns the stages' tasks |
//! | 6 | [`config`] | figment, and the `Config` of each stage |
//! | 5 | [`gateway`] | axum and sockets; speaks to the hub |
//! | 4 | [`capture`] | tokio-postgres |
//! | 4 | [`coalesce`], [`hub`] | nothing outside |
//! | 4 | [`install`] | sqlx |
//! | 3 | [`protocol`] | the wire, and JSON |
//! | 2 | [`invalidation`] | how changes fold |
//! | 2 | [`history`] | what clients missed, as asked and answered |
//! | 1 | [`access`] | signatures, a client for published keys, tokio-postgres; who may join which room |
//! | 1 | [`change`], [`interest`], [`catalogue`] | a row of the log, as read; which rooms somebody is in; events and rooms by name |
//! | 0 | [`database`] | the way to Postgres: URL, sockets, rustls, login |
//! | 0 | [`https`] | TLS to servers of the web: whom to believe |
//! | 0 | [`cursor`], [`room`], [`secret`], [`status`], [`telemetry`], [`backoff`], [`sabotage`] | values, counters |
//!
//! # Invariants
//!
//! Held by `tests/floors.rs`:
//!
//! - No stage imports another: `capture`, `coalesce` and `hub` do not know that the others exist, and
//!   `gateway` knows the hub alone.
//! - No SQL driver outside `database`, `capture`, `access`, `install` and `demo`; no axum outside `gateway` and
//!   `demo`; no figment outside `config`; no clap outside `cli`; no JWT outside `access`; no TLS outside `access`,
//!   `database` and `gateway`.
//! - No clock and no await in what decides: `window`, `doorbell`, `registry`, `folding`, `drain`,
//!   `epoch`, `invalidation`, `cursor`, `token`, `jwks`, `rules`. They take `now`; their drivers wait.
//!
//! Held by the tests that `docs/architecture.md` names, where a test can hold them:
//!
//! - No change is dropped for want of memory: past a bound, what was to be told becomes a resync.
//! - No cursor on the wire passes a change that still waits in a window.
//! - No read of the log skips a commit, and none waits for a running transaction.
//! - No connection that listens is ever in a transaction, or waits for anything downstream.
//! - Nobody is told of a room without the right to be there: what takes rights away is heeded first.
//! - No client can make another one wait: the hub writes what a socket takes at once, and no more.
//! - No log row can fail a business write: nothing that an author fills is checked in the database.
//!   What is odd is read in the way that tells clients more.
//! - No secret in a log, an error or the output of `pgbell config`.

pub mod access;
pub mod app;
pub mod backoff;
pub mod capture;
pub mod catalogue;
pub mod change;
pub mod cli;
pub mod coalesce;
pub mod config;
pub mod cursor;
pub mod database;
pub mod demo;
pub mod gateway;
pub mod history;
pub mod https;
pub mod hub;
pub mod install;
pub mod interest;
pub mod invalidation;
pub mod protocol;
pub mod room;
pub mod sabotage;
pub mod secret;
pub mod status;
pub mod telemetry;

#[cfg(test)]
mod description;
