use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::Args;

use super::{Failure, report};
use crate::{
    catalogue::Catalogue,
    cli::{database::Database, output},
    install::triggers::{self, StarterOptions},
};

/// `pgbell triggers new`
#[derive(Args, Debug)]
pub(in crate::cli) struct New {
    /// The table to watch, such as reviews or sales."Order Items"
    #[arg(value_name = "TABLE")]
    table: String,
    /// Write to this file, which must not exist yet, instead of stdout; its folder is made
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write over the file
    #[arg(long, requires = "output")]
    force: bool,
    /// What clients call one of what the table holds; otherwise its name in the singular
    #[arg(long, value_name = "NAME")]
    entity: Option<String>,
    /// Row triggers for a table that logical replication writes to
    #[arg(long)]
    row_level: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: Database,
}

impl New {
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        if let Some(path) = self
            .output
            .as_deref()
            .filter(|path| path.exists() && !self.force)
        {
            return Err(taken(path));
        }
        let config = self.database.require()?;
        let options = StarterOptions {
            entity: self.entity,
            row_level: self.row_level,
        };
        let catalogue = Catalogue::new(&config.catalogue);
        let url = config.database.url.reveal();
        let text = triggers::new_file(url, &self.table, &options, &catalogue).await?;
        if let Some(path) = &self.output {
            write(path, &text, self.force).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => taken(path),
                _ => Failure::problem(&format!("cannot write {}", path.display()), &error),
            })?;
        }
        match (self.json, self.output) {
            (true, file) => report::json(
                &serde_json::json!({ "table": self.table, "file": file, "sql": text }),
            )?,
            (false, None) => output::text(&text)?,
            (false, Some(path)) => {
                let path = path.display();
                eprintln!("wrote {path}; edit it, then: pgbell triggers check {path}");
            }
        }
        Ok(())
    }
}

fn taken(path: &Path) -> Failure {
    Failure::plain(format!("{} exists; --force writes over it", path.display()))
}

fn write(path: &Path, text: &str, force: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    match force {
        true => options.write(true).create(true).truncate(true),
        false => options.write(true).create_new(true),
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    options.open(path)?.write_all(text.as_bytes())
}
