use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, Effective, Error, Flag, Sources};

/// Where configuration comes from, for commands that work on a database.
#[derive(Args, Debug)]
pub(super) struct Database {
    /// Database to use, postgres://user:password@host/name
    #[arg(long, value_name = "URL")]
    pub(super) database_url: Option<String>,
    /// Configuration file; otherwise pgbell.toml in the working directory, if there is one
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

impl Database {
    /// The configuration under these and further flags.
    pub(super) fn load(self, more: impl IntoIterator<Item = Flag>) -> Result<Effective, Error> {
        let url = self.database_url.map(|value| Flag {
            name: "--database-url",
            key: "database.url",
            value,
        });
        Sources::of_process(self.config, url.into_iter().chain(more).collect()).load()
    }

    /// The configuration, which must name a database.
    pub(super) fn require(self) -> Result<Config, Error> {
        self.load([])?.with_database()
    }
}
