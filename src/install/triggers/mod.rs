//! Trigger files: SQL that administrators own and edit, and the tools to put them into a database.

mod apply;
mod compare;
mod diff;
mod examine;
mod finding;
mod functions;
mod installed;
mod locate;
mod needs;
mod parts;
mod probe;
mod remove;
mod savepoint;
pub mod script;
pub(in crate::install) mod shadow;
pub(in crate::install) mod table;
mod uses;

pub use apply::{apply, apply_script, difference_script};
pub use diff::diff;
pub use finding::{Action, Finding, State, Subject};
pub use remove::{Removal, Target, remove, remove_script};
