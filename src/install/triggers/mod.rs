//! Trigger files: SQL that administrators own and edit, and the tools to put them into a database.
//!
//! Each verb has its module; those that read a database do so in one transaction, and only `apply`
//! and `remove` commit it.
//!
//! | verb | where | core |
//! |---|---|---|
//! | `new` | `starter` | `plan`: what a table's columns mean; pure, like all of it but `shape` |
//! | `check` | `check` | `file`: rules for what a file says, pure; `trial`: what the server says of it; `installed`: what is there |
//! | `apply`, `diff` | `apply`, `diff` | `examine`: how files and database differ; its `compare` is pure |
//! | `remove` | `remove` | `uses`: what nothing needs any more, pure |
//! | `trace` | `trace` | `silence`: why nothing would be told, pure |
//!
//! What they share, from text to database:
//!
//! - `script` splits a file into statements and says what each makes; `parts` has those of several
//!   files. Pure.
//! - `finding` is what `apply` and `diff` tell of one object. Pure.
//! - `table` and `installed` read the catalogue.
//! - `shadow` is a copy of a table to try triggers on, `rounds` what is done to it, `locate` the
//!   line of a file that the server then complains about. `manners` and `savepoint` see to it that
//!   nothing remains.
//! - `locks` are taken all at once, before anything is made.
//! - `record` has what was applied recorded, for daemons to look after.

mod apply;
mod check;
mod diff;
mod examine;
mod finding;
mod installed;
mod locate;
mod locks;
mod manners;
mod parts;
mod record;
mod remove;
mod rounds;
mod savepoint;
pub mod script;
pub(in crate::install) mod shadow;
mod starter;
pub(in crate::install) mod table;
pub mod trace;

pub use apply::{apply, apply_script, difference_script};
pub use check::{Against, Code, Problem, Report, Severity, Vocabulary, check, vocabulary};
pub use diff::diff;
pub use finding::{Action, Finding, State, Subject};
pub use remove::{Removal, Target, remove, remove_script};
pub use starter::{Options as StarterOptions, new_file};
