mod render;

use std::{fs, path::PathBuf};

use clap::Args;

use super::{Failure, database::Database, output};
use crate::{catalogue::Catalogue, install::triggers};

/// `pgbell types`
#[derive(Args, Debug)]
pub(super) struct Types {
    #[command(flatten)]
    database: Database,
    /// Write to this file instead of stdout, such as src/pgbell.d.ts
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Types {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let config = self.database.load([])?.config;
        let own = Catalogue::default();
        let known = Catalogue::new(&config.catalogue);
        let mut names = triggers::Vocabulary::default();
        match config.database.url.reveal() {
            "" => eprintln!("pgbell: no database: only what pgbell.toml declares is written"),
            url => names = triggers::vocabulary(url, &known).await?,
        }
        names.events.extend(config.catalogue.events);
        names.rooms.extend(config.catalogue.rooms);
        let text = render::augmentation(&own, &names.rooms, &names.events);
        match self.out {
            None => output::text(&text)?,
            Some(path) => fs::write(&path, text).map_err(|error| {
                Failure::problem(&format!("cannot write {}", path.display()), &error)
            })?,
        }
        Ok(())
    }
}
