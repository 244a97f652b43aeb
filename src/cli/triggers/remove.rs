use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, files, report};
use crate::{
    cli::{database::Database, output},
    install::triggers::{self, Target},
};

/// `pgbell triggers remove`
#[derive(Args, Debug)]
pub(in crate::cli) struct Remove {
    /// Tables, as in public.products, or trigger files
    #[arg(required = true, value_name = "TABLE|FILE")]
    targets: Vec<PathBuf>,
    #[command(flatten)]
    database: Database,
    /// Print the transaction instead of running it
    #[arg(long)]
    print: bool,
    /// Print one JSON document that says what was removed
    #[arg(long, conflicts_with = "print")]
    json: bool,
}

impl Remove {
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        let targets: Vec<_> = self
            .targets
            .iter()
            .map(|given| target(given))
            .collect::<Result<_, _>>()?;
        let config = self.database.require()?;
        let url = config.database.url.reveal();
        if self.print {
            return Ok(output::text(
                &triggers::remove_script(url, &targets).await?,
            )?);
        }
        let removals = triggers::remove(url, &targets).await?;
        if self.json {
            return report::json(&serde_json::json!({ "removed": removals }));
        }
        for removal in &removals {
            output::line(&format!("removed {}", removal.what))?;
        }
        if removals.is_empty() {
            eprintln!("pgbell: nothing to remove: no trigger of pgbell is there");
        }
        Ok(())
    }
}

/// What looks like a file is one: no table is called `….sql` or has a slash in its name.
fn target(given: &Path) -> Result<Target, Failure> {
    let text = given.display().to_string();
    let is_file = given.exists() || text.ends_with(".sql") || text.contains('/');
    Ok(match is_file {
        true => Target::File(files::read_one(given)?),
        false => Target::Table(text),
    })
}
