use std::path::PathBuf;

use clap::Args;

use super::{Failure, files, report};
use crate::{
    cli::database::Database,
    install::triggers::{self, Finding},
};

/// `pgbell triggers diff`
#[derive(Args, Debug)]
pub(in crate::cli) struct Diff {
    /// Trigger files [default: sql/triggers/*.sql of the working directory]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    database: Database,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        let files = files::read_or_default(&self.files)?;
        let config = self.database.require()?;
        let findings = triggers::diff(config.database.url.reveal(), &files).await?;
        let differs = findings.iter().any(Finding::differs);
        match self.json {
            true => report::json(&serde_json::json!({ "differs": differs, "objects": findings }))?,
            false => report::differences(&findings)?,
        }
        match differs {
            true => Err(Failure::found()),
            false => Ok(()),
        }
    }
}
