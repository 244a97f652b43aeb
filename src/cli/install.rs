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
        let installed = install::install(url).await?;
        eprintln!("installed in {}", masked(url));
        if !installed.told_of_ddl {
            eprintln!(
                "note: without a superuser there is no event trigger that tells daemons of DDL; they look at the \
                 triggers every minute instead"
            );
        }
        Ok(())
    }
}
