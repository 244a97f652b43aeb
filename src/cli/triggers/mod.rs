mod apply;
mod check;
mod diff;
mod files;
mod new;
mod remove;
mod report;
mod trace;

use clap::Subcommand;

use super::Failure;

/// `pgbell triggers`
#[derive(Debug, Subcommand)]
pub(super) enum Triggers {
    /// Writes a first trigger file for a table
    New(new::New),
    /// Checks trigger files, and what is installed; exit code 1 if something is wrong
    Check(check::Check),
    /// Applies what is different in trigger files: all of it, or nothing
    Apply(apply::Apply),
    /// Shows how the database differs from trigger files; exit code 1 if it does
    Diff(diff::Diff),
    /// Takes the triggers of tables or files out, with what only they needed
    Remove(remove::Remove),
    /// Runs a statement, rolls it back, and shows what clients would have been sent
    ///
    /// The statement runs for real, in a transaction that is always rolled back. Shown are the log rows
    /// that the triggers wrote, the messages that clients would be sent, the moments that time will
    /// bring, and the time that the triggers took. Until the trace ends it holds the locks that the
    /// statement takes: of the rows it changes, and for TRUNCATE of the whole table.
    ///
    /// A rollback does not take back everything: sequences stay advanced, rows that were written leave
    /// dead versions behind, and what a function does outside of the transaction (dblink, files,
    /// another server) is done.
    Trace(trace::Trace),
}

impl Triggers {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::New(command) => command.run().await,
            Self::Check(command) => command.run().await,
            Self::Apply(command) => command.run().await,
            Self::Diff(command) => command.run().await,
            Self::Remove(command) => command.run().await,
            Self::Trace(command) => command.run().await,
        }
    }
}
