//! The command line: one file per command.
//!
//! Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 failed or a problem found,
//! 2 wrong usage or configuration, 3 database or daemon out of reach.

mod config;
mod database;
mod demo;
mod failure;
mod install;
mod log;
mod output;
mod serve;
mod signals;
mod sub;
mod token;
mod triggers;
mod types;
mod uninstall;

use std::{process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

use failure::Failure;

/// Blocking name lookups may outlive the command; nobody waits longer than this for them.
const LAST_WAIT: Duration = Duration::from_millis(100);

/// Tells browsers which rows of a Postgres database they must fetch again.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    /// How logs on stderr look; PGBELL_LOG filters them, as in PGBELL_LOG=debug
    #[arg(long, global = true, env = "PGBELL_LOG_FORMAT", default_value = "text")]
    log_format: log::Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the daemon
    Serve(serve::Serve),
    /// Puts schema pgbell into a database, or brings it up to date
    Install(install::Install),
    /// Takes schema pgbell, its triggers, rights and roles out of a database
    Uninstall(uninstall::Uninstall),
    /// Works with trigger files
    #[command(subcommand)]
    Triggers(triggers::Triggers),
    /// Runs everything on a throw-away Postgres: a shop, its traffic and the daemon
    Demo(demo::Demo),
    /// Joins rooms and prints what changes in them
    Sub(sub::Sub),
    /// Makes tokens for development, and explains why one is accepted or refused
    #[command(subcommand)]
    Token(token::Token),
    /// Writes TypeScript types of the events and rooms of an installation
    Types(types::Types),
    /// Prints the effective configuration and where each value comes from
    Config(config::Show),
}

impl Command {
    async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Serve(command) => command.run().await,
            Self::Install(command) => command.run().await,
            Self::Uninstall(command) => command.run().await,
            Self::Triggers(command) => command.run().await,
            Self::Demo(command) => command.run().await,
            Self::Sub(command) => command.run().await,
            Self::Token(command) => command.run().await,
            Self::Types(command) => command.run().await,
            Self::Config(command) => command.run(),
        }
    }

    /// Whether logs are what the command is about: then their last line says how it ended.
    fn is_daemon(&self) -> bool {
        matches!(self, Self::Serve(_) | Self::Demo(_))
    }
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let Cli {
        log_format,
        command,
    } = Cli::parse();
    let is_daemon = command.is_daemon();
    let filter = if is_daemon { log::DAEMON } else { log::COMMAND };
    let outcome = log::start(log_format, filter).and_then(|()| block_on(command));
    let Err(failure) = outcome else {
        return ExitCode::SUCCESS;
    };
    match failure.to_string() {
        silent if silent.is_empty() => {}
        line if is_daemon && !failure.is_usage() => tracing::error!("{line}"),
        line => eprintln!("pgbell: {line}"),
    }
    failure.code()
}

fn block_on(command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::problem("cannot start", &error))?;
    let outcome = runtime.block_on(command.run());
    runtime.shutdown_timeout(LAST_WAIT);
    outcome
}
