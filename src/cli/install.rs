use clap::Args;

use super::{Failure, database::Database, output};
use crate::{config::masked, install};

/// `pgbell install`
#[derive(Args, Debug)]
pub(super) struct Install {
    #[command(flatten)]
    database: Database,
    /// Print the SQL for a new installation instead of running it
    #[arg(long)]
    print: bool,
}

impl Install {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if self.print {
            return Ok(output::text(&install::install_script())?);
        }
        let config = self.database.require()?;
        let url = config.database.url.reveal();
        install::install(url).await?;
        eprintln!("installed in {}", masked(url));
        Ok(())
    }
}
