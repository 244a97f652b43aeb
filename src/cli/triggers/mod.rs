mod apply;
mod diff;
mod files;
mod remove;
mod report;

use clap::Subcommand;

use super::Failure;

/// `pgbell triggers`
#[derive(Debug, Subcommand)]
pub(super) enum Triggers {
    /// Applies what is different in trigger files: all of it, or nothing
    Apply(apply::Apply),
    /// Shows how the database differs from trigger files; exit code 1 if it does
    Diff(diff::Diff),
    /// Takes the triggers of tables or files out, with what only they needed
    Remove(remove::Remove),
}

impl Triggers {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Apply(command) => command.run().await,
            Self::Diff(command) => command.run().await,
            Self::Remove(command) => command.run().await,
        }
    }
}
