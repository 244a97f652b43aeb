use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use super::{Failure, output, signals::until_stopped};
use crate::{
    config::{Flag, Sources, masked},
    demo,
};

/// `pgbell demo`
#[derive(Args, Debug)]
pub(super) struct Demo {
    /// Address and port of the daemon; port 0 picks a free one [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Address and port of the storefront [default: the daemon's, one port further]
    #[arg(long, value_name = "ADDR")]
    shop: Option<SocketAddr>,
    /// The built page of the storefront [default: examples/storefront/dist]
    #[arg(long, value_name = "DIR")]
    storefront: Option<PathBuf>,
    /// The daemon's socket as pages are told it, so that a proxy can stand between
    #[arg(long, value_name = "URL")]
    ws: Option<String>,
    /// Statements per second of the shop's traffic; 0 for silence
    #[arg(long, default_value_t = 8.0, value_name = "PER_SECOND")]
    rate: f64,
    /// Makes the traffic repeatable
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Demo {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let is_socket = |url: &String| url.starts_with("ws://") || url.starts_with("wss://");
        if !self.ws.as_ref().is_none_or(is_socket) {
            return Err(Failure::wrong("--ws has to begin with ws:// or wss://"));
        }
        let listen = self.listen.map(|value| Flag {
            name: "--listen",
            key: "gateway.listen",
            value,
        });
        let config = Sources::of_process(None, listen.into_iter().collect())
            .load()?
            .config;
        let traffic = demo::Traffic {
            rate: self.rate,
            seed: self.seed,
        };
        // Only this variable, which is hard to set by accident for a demo: a pgbell.toml in the working
        // directory may well name the database of a real shop.
        let database_url = std::env::var("DATABASE_URL")
            .ok()
            .filter(|url| !url.is_empty());
        match &database_url {
            Some(url) => eprintln!("putting a shop into {}", masked(url)),
            None => eprintln!("starting a throw-away Postgres"),
        }
        let demo = demo::Demo {
            config,
            database_url,
            traffic,
            storefront: demo::storefront::Settings {
                listen: self.shop,
                folder: self.storefront,
                ws: self.ws,
            },
        };
        let outcome = until_stopped(async |stop| demo.run(stop, output::text).await).await;
        match outcome.map_err(|error| Failure::problem("cannot watch for signals", &error))? {
            Some(outcome) => Ok(outcome?),
            None => Err(Failure::plain("stopped at once")),
        }
    }
}
