use clap::Args;
use listenfd::ListenFd;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::{info, warn};

use super::{Failure, database::Database, signals::until_stopped};
use crate::{
    app::{App, Drained},
    capture::check_url,
    config::{Config, Flag, masked},
    gateway::Listener,
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
        if !config.access.open {
            let line = "access.open = false: sessions of this version do not ask the rules yet";
            return Err(Failure::wrong(line));
        }
        check_url(&config.database).map_err(|error| Failure::usage("database.url", &error))?;
        announce(&config);
        raise_open_files();
        let handed_over = handed_over()?;
        let outcome = until_stopped(async |stop| {
            let app = match handed_over {
                Some(listener) => App::on(listener, config)?,
                None => App::bind(config)?,
            };
            let address = app.local_addr();
            info!(%address, "listening on http://{address}");
            app.run(stop.cancelled_owned()).await
        })
        .await;
        let outcome =
            outcome.map_err(|error| Failure::problem("cannot watch for signals", &error))?;
        let Some(outcome) = outcome else {
            return Err(Failure::plain("stopped at once; clients were cut off"));
        };
        let Drained { told, left } = outcome?;
        info!(told, left, "stopped in order");
        Ok(())
    }
}

/// The socket that whoever started us keeps open (`LISTEN_FDS`, as systemd says it), if any.
fn handed_over() -> Result<Option<Listener>, Failure> {
    let mut sockets = ListenFd::from_env();
    if sockets.len() > 1 {
        let problem = format!(
            "LISTEN_FDS hands over {} sockets; one is served",
            sockets.len()
        );
        return Err(Failure::plain(problem));
    }
    let taken = sockets
        .take_tcp_listener(0)
        .and_then(|socket| socket.map(Listener::take_over).transpose());
    let listener = taken.map_err(|error| {
        Failure::problem(
            "what LISTEN_FDS hands over is no listening TCP socket",
            &error,
        )
    })?;
    if listener.is_some() {
        info!("serving the socket that was handed over; gateway.listen has no effect");
    }
    Ok(listener)
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
