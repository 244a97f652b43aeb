//! Demo: a throw-away Postgres, a shop in it, its traffic and its storefront, and the daemon that watches it.

mod binaries;
mod daemon;
mod database;
mod info;
pub mod postgres;
mod shop;
pub mod storefront;
mod traffic;

use std::{io, net::SocketAddr};

use tokio::select;
use tokio_util::sync::CancellationToken;

use crate::{app, config::Config, gateway::AdminConfig, install, secret::Secret};
use daemon::Daemon;
use database::Database;
use storefront::Storefront;

pub use postgres::ThrowawayPostgres;
pub use traffic::Traffic;

/// Why the demo did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No throw-away Postgres.
    #[error(transparent)]
    Postgres(#[from] postgres::Error),
    /// The given database has tables of somebody else's by the names that the shop needs.
    #[error("the database has tables of its own that the shop would use: {0}; give an empty one")]
    Occupied(String),
    /// The shop's database is out of reach.
    #[error("cannot reach the database")]
    Unreachable(#[source] sqlx::Error),
    /// pgbell or the shop could not be installed.
    #[error(transparent)]
    Install(#[from] install::Error),
    /// The daemon did not start, or ended.
    #[error(transparent)]
    App(#[from] app::Error),
    /// The storefront's address is taken or not ours.
    #[error("cannot open the storefront on {addr}; --shop names another address")]
    Listen {
        /// What was asked for.
        addr: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// The welcome could not be printed.
    #[error("cannot print")]
    Print(#[from] io::Error),
}

/// What a demo is made of.
#[derive(Debug)]
pub struct Demo {
    /// The daemon's configuration.
    pub config: Config,
    /// Where the shop goes, and stays. Without it everything happens on a [`ThrowawayPostgres`] and
    /// leaves nothing behind.
    pub database_url: Option<String>,
    /// How busy the shop is.
    pub traffic: Traffic,
    /// Where its storefront is.
    pub storefront: storefront::Settings,
}

impl Demo {
    /// Runs shop, storefront and daemon until `stop` is cancelled. Once they listen, `welcome` gets
    /// what somebody at a terminal wants to know.
    pub async fn run(
        mut self,
        stop: CancellationToken,
        welcome: impl FnOnce(&str) -> io::Result<()>,
    ) -> Result<(), Error> {
        let given = self.database_url.take();
        let opening = async {
            let database = Database::open(given).await?;
            let opened = shop::open(&database.url()).await;
            Ok::<_, Error>((database, opened))
        };
        let (database, opened) = select! {
            outcome = opening => outcome?,
            () = stop.cancelled() => return Ok(()),
        };
        let outcome = match opened {
            Ok(()) => Box::pin(self.watch(&database, stop, welcome)).await,
            Err(error) => Err(error),
        };
        database.close().await?;
        outcome
    }

    async fn watch(
        self,
        database: &Database,
        stop: CancellationToken,
        welcome: impl FnOnce(&str) -> io::Result<()>,
    ) -> Result<(), Error> {
        let (url, mut config) = (database.url(), self.config);
        config.database.url = Secret::new(url.clone());
        // What the welcome says: nobody logs in to a demo.
        config.access.open = true;
        config.gateway.origins.clear();
        config.gateway.admin = AdminConfig::default();
        let page = info::page(database);
        let psql = page.psql.clone();
        let (daemon, handle) = Daemon::bind(config, page)?;
        let addr = handle.addr();
        let storefront = Storefront::bind(self.storefront, &url, handle).await?;
        welcome(&info::welcome(&psql, storefront.addr(), addr))?;
        select! {
            outcome = daemon.run(stop) => Ok(outcome?),
            never = storefront.serve() => match never {},
            never = self.traffic.run(&url) => match never {},
        }
    }
}
