mod apply;
mod new;

use clap::Subcommand;

use super::Failure;

/// `pgbell triggers`
#[derive(Debug, Subcommand)]
pub(super) enum Triggers {
    /// Writes a first trigger file for a table
    New(new::New),
    /// Runs trigger files in one transaction: all of them, or none
    Apply(apply::Apply),
}

impl Triggers {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::New(command) => command.run().await,
            Self::Apply(command) => command.run().await,
        }
    }
}
