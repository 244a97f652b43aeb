//! Demo: a throw-away Postgres, a shop in it, its traffic, and the daemon that watches it.

mod binaries;
mod database;
mod info;
pub mod postgres;
mod shop;
mod traffic;

use std::io;

use tokio::select;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{self, App},
    capture::Secret,
    config::Config,
    install,
};
use database::Database;

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
    /// The welcome could not be printed.
    #[error("cannot print")]
    Print(#[from] io::Error),
}

/// Runs shop and daemon until `stop` is cancelled.
///
/// Without `database_url` everything happens on a [`ThrowawayPostgres`] and leaves nothing behind.
/// With it the shop goes into that database and stays there. Once the daemon listens, `welcome`
/// gets what somebody at a terminal wants to know.
pub async fn run(
    config: Config,
    database_url: Option<String>,
    traffic: Traffic,
    stop: CancellationToken,
    welcome: impl FnOnce(&str) -> io::Result<()>,
) -> Result<(), Error> {
    let opening = async {
        let database = Database::open(database_url).await?;
        let opened = shop::open(&database.url()).await;
        Ok::<_, Error>((database, opened))
    };
    let (database, opened) = select! {
        outcome = opening => outcome?,
        () = stop.cancelled() => return Ok(()),
    };
    let outcome = match opened {
        Ok(()) => watch(&database, config, traffic, stop, welcome).await,
        Err(error) => Err(error),
    };
    database.close().await?;
    outcome
}

async fn watch(
    database: &Database,
    mut config: Config,
    traffic: Traffic,
    stop: CancellationToken,
    welcome: impl FnOnce(&str) -> io::Result<()>,
) -> Result<(), Error> {
    let url = database.url();
    config.database.url = Secret(url.clone());
    config.access.open = true;
    let page = info::page(database);
    let psql = page.psql.clone();
    let app = App::bind(config)?.with_demo(page);
    welcome(&info::welcome(&psql, app.local_addr()))?;
    select! {
        outcome = app.run(stop.cancelled_owned()) => {
            outcome?;
            Ok(())
        }
        never = traffic.run(&url) => match never {},
    }
}
