use clap::Args;

use super::{Failure, database::Database, output};
use crate::{config::masked, install};

/// `pgbell uninstall`
#[derive(Args, Debug)]
pub(super) struct Uninstall {
    #[command(flatten)]
    database: Database,
    /// Print the SQL instead of running it
    #[arg(long)]
    print: bool,
}

impl Uninstall {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if self.print {
            return Ok(output::text(&install::uninstall_script())?);
        }
        let config = self.database.require()?;
        let url = config.database.url.reveal();
        install::uninstall(url).await?;
        eprintln!("removed from {}", masked(url));
        Ok(())
    }
}
