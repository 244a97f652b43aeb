use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::{
    cli::{database::Database, output},
    install::{SqlFile, triggers},
};

/// `pgbell triggers apply`
#[derive(Args, Debug)]
pub(in crate::cli) struct Apply {
    /// Files such as sql/triggers/products.sql, in order
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    database: Database,
    /// Print the transaction instead of running it
    #[arg(long)]
    print: bool,
}

impl Apply {
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        let files = self.read()?;
        if self.print {
            return Ok(output::text(&triggers::apply_script(&files))?);
        }
        let config = self.database.require()?;
        triggers::apply(config.database.url.reveal(), &files).await?;
        for file in &files {
            eprintln!("applied {}", file.name());
        }
        Ok(())
    }

    fn read(&self) -> Result<Vec<SqlFile>, Failure> {
        let read = |path: &PathBuf| {
            SqlFile::read(path)
                .map_err(|error| Failure::usage(&format!("cannot read {}", path.display()), &error))
        };
        self.files.iter().map(read).collect()
    }
}
