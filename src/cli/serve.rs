use clap::Args;
use listenfd::ListenFd;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use super::{Failure, database::Database, signals::until_stopped};
use crate::{
    app::{App, Drained},
    capture::check_url,
    config::{Config, Flag, masked},
    gateway::{Certificates, Listener},
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
        let exposure =
            check_url(&config.database).map_err(|error| Failure::usage("database.url", &error))?;
        announce(&config);
        if let Some(exposure) = exposure {
            warn!(
                "the connection to the database leaves this machine, and {exposure}: add \
                 sslmode=verify-full and sslrootcert to database.url"
            );
        }
        raise_open_files();
        let handed_over = handed_over()?;
        let outcome = until_stopped(async |stop| {
            let app = match handed_over {
                Some(listener) => App::on(listener, config)?,
                None => App::bind(config)?,
            };
            let address = app.local_addr();
            let certificates = app.certificates();
            let scheme = certificates.as_ref().map_or("http", |_| "https");
            tokio::spawn(renew(certificates));
            info!(%address, "listening on {scheme}://{address}");
            if let Some(address) = app.operator_addr() {
                info!(%address, "the operator's paths are on http://{address}");
            }
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

/// Reads certificate and key again with each SIGHUP, which ends nothing where there are none.
async fn renew(certificates: Option<Certificates>) {
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => return warn!(%error, "cannot watch for SIGHUP: TLS files are not read again"),
    };
    while hangups.recv().await.is_some() {
        let Some(certificates) = &certificates else {
            info!("nothing is read again on SIGHUP: gateway.tls is not set");
            continue;
        };
        match certificates.reload() {
            Ok(()) => info!("the TLS files were read again"),
            Err(error) => warn!(%error, "the TLS files cannot be used; those before stay in use"),
        }
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
    } else if config.access.rooms.is_empty() {
        warn!(
            "nobody can join any room: write access.rooms, or set access.open = true for development"
        );
    }
    if !config.access.open && config.gateway.origins.is_empty() {
        warn!("no page of a browser may connect: list those that may in gateway.origins");
    }
    let admin = &config.gateway.admin;
    let is_reachable = admin.listen.is_some_and(|addr| !addr.ip().is_loopback());
    if is_reachable && admin.token.reveal().is_empty() {
        warn!(
            "gateway.admin.listen can be reached from elsewhere, and gateway.admin.token is not set"
        );
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
