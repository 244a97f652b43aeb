mod check;
mod new;

use clap::Subcommand;

use super::Failure;

/// `pgbell token`
#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Makes a token that the configuration accepts, for development
    New(new::New),
    /// Says, rule by rule, why a token is accepted or refused; exit code 1 if it is refused
    Check(check::Check),
}

impl Token {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::New(command) => command.run(),
            Self::Check(command) => command.run().await,
        }
    }
}
