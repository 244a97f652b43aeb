use std::path::PathBuf;

use clap::Args;

use super::{Failure, files, report};
use crate::{
    cli::{database::Database, output},
    install::triggers,
};

/// `pgbell triggers apply`
#[derive(Args, Debug)]
pub(in crate::cli) struct Apply {
    /// Files such as sql/triggers/products.sql, in order
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    database: Database,
    /// Print the SQL of the difference instead of running it; without a database, of whole files
    #[arg(long)]
    print: bool,
    /// Print one JSON document that says what was done
    #[arg(long, conflicts_with = "print")]
    json: bool,
}

impl Apply {
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        let files = files::read(&self.files)?;
        if self.print {
            let sql = match self.database.load([])?.with_database() {
                Ok(config) => {
                    triggers::difference_script(config.database.url.reveal(), &files).await?
                }
                Err(_no_database) => triggers::apply_script(&files)?,
            };
            return Ok(output::text(&sql)?);
        }
        let config = self.database.require()?;
        let findings = triggers::apply(config.database.url.reveal(), &files).await?;
        match self.json {
            true => report::actions_json(&findings),
            false => report::actions(&findings),
        }
    }
}
