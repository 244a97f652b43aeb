mod apply;
mod trace;

use clap::Subcommand;

use super::Failure;

/// `pgbell triggers`
#[derive(Debug, Subcommand)]
pub(super) enum Triggers {
    /// Runs trigger files in one transaction: all of them, or none
    Apply(apply::Apply),
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
            Self::Apply(command) => command.run().await,
            Self::Trace(command) => command.run().await,
        }
    }
}
