use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter,
    filter::{FilterFn, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::Failure;

/// Statements of the installer are no news, and its server's notices are about objects that exist.
pub(super) const DAEMON: &str = "info,sqlx=warn";

/// A command that prints data logs only what went wrong.
pub(super) const COMMAND: &str = "warn";

/// Libraries that see tokens and what they claim, and write all they see at their finer levels: whatever
/// PGBELL_LOG says, they do not.
const CONFIDANTS: [&str; 4] = [
    "tungstenite=warn",
    "tokio_tungstenite=warn",
    "tokio_postgres=info",
    "hyper=info",
];

/// How a log line looks.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// One object per line, for machines.
    Json,
}

/// Sends logs to stderr from here on, as much as `default` unless PGBELL_LOG says otherwise.
pub(super) fn start(format: Format, default: &str) -> Result<(), Failure> {
    let filter = std::env::var("PGBELL_LOG").unwrap_or_default();
    let filter = match filter.as_str() {
        "" => default,
        filter => filter,
    };
    let mut filter =
        EnvFilter::try_new(filter).map_err(|error| Failure::usage("PGBELL_LOG", &error))?;
    for quiet in CONFIDANTS {
        filter = filter.add_directive(
            quiet
                .parse()
                .map_err(|error| Failure::usage("PGBELL_LOG", &error))?,
        );
    }
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match format {
        Format::Text => subscriber
            .with_ansi(wants_colour())
            .with_target(false)
            .finish()
            .with(discreet())
            .init(),
        Format::Json => subscriber
            .json()
            .flatten_event(true)
            .finish()
            .with(discreet())
            .init(),
    }
    Ok(())
}

/// Leaves out what libraries tell in detail, whatever PGBELL_LOG says: frames with the tokens in them,
/// statements with their parameters.
fn discreet() -> FilterFn {
    filter_fn(|event: &Metadata<'_>| {
        *event.level() <= Level::INFO || event.target().starts_with("pgbell")
    })
}

fn wants_colour() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && io::stderr().is_terminal()
}
