mod clock;
mod connection;
pub(super) mod message;
pub(super) mod print;
mod subscriber;
mod totals;

use std::{mem, path::PathBuf, time::Duration};

use clap::Args;
use tokio::{select, time::sleep};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_util::sync::CancellationToken;

use super::{Failure, failure::one_line, signals::until_stopped};
use crate::{backoff::Backoff, https, room::Room};
use connection::End;
use subscriber::{Stop, Subscriber};

/// `pgbell sub`
#[derive(Args, Debug)]
pub(super) struct Sub {
    /// Rooms to join, such as product:1
    #[arg(required = true, value_name = "ROOM")]
    rooms: Vec<Room>,
    /// The daemon's socket
    #[arg(long, default_value = "ws://127.0.0.1:8787/ws")]
    url: String,
    /// Also print what happened after this cursor
    #[arg(long, value_name = "CURSOR")]
    since: Option<String>,
    /// Who to be: a token, as pgbell token new prints one
    #[arg(
        long,
        value_name = "TOKEN",
        env = "PGBELL_TOKEN",
        hide_env_values = true
    )]
    token: Option<Token>,
    /// Authorities to believe at a wss:// address, in PEM, instead of those that browsers know
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Print one object per line
    #[arg(long)]
    json: bool,
    /// Stop after this many changes
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

/// A token that is shown to nobody.
#[derive(Clone)]
pub(super) struct Token(HeaderValue);

impl std::str::FromStr for Token {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let header = HeaderValue::try_from(format!("Bearer {}", text.trim()));
        let mut header = header.map_err(|_| "this is no token")?;
        header.set_sensitive(true);
        Ok(Self(header))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(redacted)")
    }
}

impl Sub {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let tls = https::connector(self.ca_file.as_deref());
        let tls = tls.map_err(|problem| Failure::wrong(format!("--ca-file: {problem}")))?;
        let mut subscriber = Subscriber::new(self, tls);
        let outcome = until_stopped(async |stop| {
            let outcome = stay(&mut subscriber, &stop).await;
            if outcome.is_ok() || subscriber.totals.received > 0 {
                eprintln!("{}", subscriber.totals);
            }
            outcome
        })
        .await;
        let outcome = outcome.map_err(|error| Failure::problem("cannot watch for signals", &error));
        outcome?.unwrap_or(Ok(()))
    }
}

/// Connects again and again until there is a reason not to.
async fn stay(subscriber: &mut Subscriber, stop: &CancellationToken) -> Result<(), Failure> {
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
    let mut ever_welcome = false;
    loop {
        let stopped = select! {
            stopped = subscriber.connect() => stopped,
            () = stop.cancelled() => return Ok(()),
        };
        if mem::take(&mut subscriber.is_welcome) {
            ever_welcome = true;
            backoff.reset();
        }
        let end = match stopped {
            Stop::Enough => return Ok(()),
            Stop::Output(error) => return Err(error.into()),
            Stop::Ended(end) => end,
        };
        match end {
            End::Refused { .. } => return Err(Failure::problem(&subscriber.url, &end)),
            _ if !ever_welcome => return Err(Failure::unreachable(&subscriber.url, &end)),
            _ => {}
        }
        let wait = subscriber.retry_after.take();
        let wait = wait.unwrap_or_else(|| backoff.next(fastrand::f64()));
        eprintln!("{}; coming back in {} ms", one_line(&end), wait.as_millis());
        select! {
            () = sleep(wait) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
