mod apply;

use clap::Subcommand;

use super::Failure;

/// `pgbell triggers`
#[derive(Debug, Subcommand)]
pub(super) enum Triggers {
    /// Runs trigger files in one transaction: all of them, or none
    Apply(apply::Apply),
}

impl Triggers {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Apply(command) => command.run().await,
        }
    }
}
