use clap::Args;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::{info, warn};

use super::{Failure, database::Database, signals::until_stopped};
use crate::{
    app::App,
    capture::check_url,
    config::{Config, Flag, masked},
};

/// `pgbell serve`
#[derive(Args, Debug)]
pub(super) struct Serve {
    #[command(flatten)]
    database: Database,
    /// Address and port to listen on; port 0 picks a free one [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let listen = self.listen.map(|value| Flag {
            name: "--listen",
            key: "gateway.listen",
            value,
        });
        let config = self.database.load(listen)?.with_database()?;
        check_url(&config.database).map_err(|error| Failure::usage("database.url", &error))?;
        announce(&config);
        raise_open_files();
        let outcome = until_stopped(async |stop| {
            let app = App::bind(config)?;
            let address = app.local_addr();
            info!(%address, "listening on http://{address}");
            app.run(stop.cancelled_owned()).await
        })
        .await;
        match outcome.map_err(|error| Failure::problem("cannot watch for signals", &error))? {
            Some(outcome) => outcome?,
            None => return Err(Failure::plain("stopped at once; clients were cut off")),
        }
        info!("stopped in order");
        Ok(())
    }
}

fn announce(config: &Config) {
    info!(
        version = env!("CARGO_PKG_VERSION"),
        database = masked(config.database.url.reveal()),
        transport = config.database.transport.as_str(),
        "pgbell"
    );
    if config.access.open {
        warn!("access.open is true: every room is open to everybody");
    }
}

/// Every connection is an open file; the soft limit of many systems is 1024.
fn raise_open_files() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map(|()| hard));
    match raised {
        Ok(open_files) => info!(open_files, "raised the limit of open files"),
        Err(error) => warn!(%error, "cannot raise the limit of open files"),
    }
}
