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
