use std::path::PathBuf;

use clap::Args;

use super::{Failure, files, report};
use crate::{
    catalogue::Catalogue,
    cli::{database::Database, output},
    install::triggers::{self, Against, Report, Severity},
};

/// `pgbell triggers check`
#[derive(Args, Debug)]
pub(in crate::cli) struct Check {
    /// Trigger files [default: sql/triggers/*.sql of the working directory]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    database: Database,
    /// Take warnings for errors
    #[arg(long)]
    strict: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        let files = files::read_or_default(&self.files)?;
        let config = self.database.load([])?.config;
        let url = Some(config.database.url.reveal()).filter(|url| !url.is_empty());
        let catalogue = Catalogue::new(&config.catalogue);
        let against = Against {
            url,
            catalogue: &catalogue,
            everything: self.files.is_empty(),
        };
        let mut found = triggers::check(&files, against).await?;
        if self.strict {
            found
                .problems
                .iter_mut()
                .for_each(|problem| problem.severity = Severity::Error);
        }
        match self.json {
            true => json(&found)?,
            false => print(&found, files.len())?,
        }
        match found.count(Severity::Error) {
            0 => Ok(()),
            _ => Err(Failure::found()),
        }
    }
}

fn json(found: &Report) -> Result<(), Failure> {
    report::json(&serde_json::json!({
        "ok": found.count(Severity::Error) == 0,
        "errors": found.count(Severity::Error),
        "warnings": found.count(Severity::Warning),
        "findings": found.problems,
        "unchecked": found.unchecked,
    }))
}

fn print(found: &Report, files: usize) -> Result<(), Failure> {
    for problem in &found.problems {
        output::line(&problem.to_string())?;
    }
    for note in &found.unchecked {
        eprintln!("pgbell: not checked: {note}");
    }
    let number = |count: usize, what| output::counted(count as u64, what);
    let (errors, warnings) = (found.count(Severity::Error), found.count(Severity::Warning));
    Ok(output::line(&format!(
        "{}: {}, {}",
        number(files, "file"),
        number(errors, "error"),
        number(warnings, "warning")
    ))?)
}
