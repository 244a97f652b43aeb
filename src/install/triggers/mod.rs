//! Trigger files: SQL that administrators own and edit, and the tools to put them into a database.

mod apply;
mod check;
mod compare;
mod diff;
mod examine;
mod finding;
mod functions;
mod installed;
mod locate;
mod locks;
mod needs;
mod parts;
mod probe;
mod record;
mod remove;
mod savepoint;
pub mod script;
pub(in crate::install) mod shadow;
mod shape;
mod starter;
pub(in crate::install) mod table;
pub mod trace;
mod uses;

pub use apply::{apply, apply_script, difference_script};
pub use check::{Against, Code, Problem, Report, Severity, check};
pub use diff::diff;
pub use finding::{Action, Finding, State, Subject};
pub use remove::{Removal, Target, remove, remove_script};
pub use starter::{Options as StarterOptions, new_file};
