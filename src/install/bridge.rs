//! Connections of the tools: logged in as the daemon logs in, and then handed to sqlx.
//!
//! sqlx takes no connection from others, and its own know no channel binding and believe every public
//! authority besides the one that is named. So it connects to a socket of ours, in a directory that
//! nobody else may enter, and is greeted there with what the server said.
//! A [`Bridge`] does that for a pool: each connection to its socket is one to the database.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    time::Duration,
};

use sqlx::{
    ConnectOptions, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{UnixListener, UnixStream},
    select,
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};

use super::Error;

/// Bound on connecting and logging in, for each address of the URL.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
use crate::database::{Address, LoggedIn, Place, log_in};

/// What sqlx reads values by.
const SETTINGS: [(&str, &str); 5] = [
    ("application_name", "pgbell install"),
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, MDY"),
    ("TimeZone", "UTC"),
    ("extra_float_digits", "2"),
];

/// Connects to one place of `address` and logs in.
pub(super) async fn connect(address: &Address, place: &Place) -> Result<PgConnection, Error> {
    let logged_in = log_in(address, place, &SETTINGS).await;
    let logged_in = logged_in.map_err(|error| Error::unreachable(&error))?;
    let (directory, listener) = socket()?;
    let options = directory.options().disable_statement_logging();
    let bridging = async {
        let (near, _) = listener.accept().await?;
        tokio::spawn(bridge(near, logged_in));
        std::future::pending::<io::Result<()>>().await
    };
    select! {
        Err(error) = bridging => Err(failed(error)),
        connected = options.connect() => connected.map_err(|source| Error::connect(&source)),
    }
}

fn socket() -> Result<(Directory, UnixListener), Error> {
    let directory = Directory::make().map_err(failed)?;
    let listener = UnixListener::bind(directory.0.join(".s.PGSQL.5432")).map_err(failed)?;
    Ok((directory, listener))
}

fn failed(error: io::Error) -> Error {
    let place = std::env::temp_dir();
    Error::Unreachable {
        reason: format!("cannot use a socket in {}: {error}", place.display()),
    }
}

/// A socket whose connections lead to a database. Ends, with its socket, when dropped; connections go
/// on.
#[derive(Debug)]
pub struct Bridge {
    directory: Directory,
    _accepting: AbortOnDropHandle<()>,
}

/// Time until the next attempt to accept a connection after one that failed, for want of files perhaps.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

impl Bridge {
    /// Connects to the database when somebody connects to the socket, with these settings.
    pub fn open(
        url: &str,
        settings: &'static [(&'static str, &'static str)],
    ) -> Result<Self, Error> {
        let address = Address::parse(url).map_err(|error| Error::unreachable(&error))?;
        let (directory, listener) = socket()?;
        let accepting = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((near, _)) => drop(tokio::spawn(lead(near, address.clone(), settings))),
                    Err(_) => sleep(AFTER_FAILURE).await,
                }
            }
        });
        Ok(Self {
            directory,
            _accepting: AbortOnDropHandle::new(accepting),
        })
    }

    /// How to connect to the socket.
    pub fn options(&self) -> PgConnectOptions {
        self.directory.options()
    }
}

/// Whoever waits for a connection that does not come about is told by its end.
async fn lead(near: UnixStream, address: Address, settings: &[(&str, &str)]) {
    let settings = [&SETTINGS[1..], settings].concat();
    match reach(&address, &settings).await {
        Ok(logged_in) => {
            // Either side may end it.
            if let Err(error) = bridge(near, logged_in).await {
                debug!(%error, "a connection to the database ended");
            }
        }
        Err(error) => warn!(%error, "no connection to the database"),
    }
}

/// Logs in at the first place that lets us in, or says what became of the last.
async fn reach(address: &Address, settings: &[(&str, &str)]) -> Result<LoggedIn, Error> {
    let mut outcome = Err(Error::Unreachable {
        reason: "its name has no address".into(),
    });
    for host in address.hosts() {
        let places = host.places(CONNECT_TIMEOUT).await;
        let places = places.unwrap_or_else(|error| {
            outcome = Err(Error::unreachable(&error));
            Vec::new()
        });
        for place in places {
            let login = Box::pin(log_in(address, &place, settings));
            outcome = match timeout(CONNECT_TIMEOUT, login).await {
                Ok(Ok(logged_in)) => return Ok(logged_in),
                Ok(Err(error)) => Err(Error::unreachable(&error)),
                Err(_) => Err(Error::Unreachable {
                    reason: format!("no answer within {CONNECT_TIMEOUT:?}"),
                }),
            };
        }
    }
    outcome
}

/// Lasts as long as either side.
async fn bridge(mut near: UnixStream, logged_in: LoggedIn) -> io::Result<()> {
    let LoggedIn {
        stream: mut far,
        greeting,
    } = logged_in;
    // Who it is and what it wants has been said in its place.
    let length = usize::try_from(near.read_u32().await?).unwrap_or(usize::MAX);
    let mut startup = (&mut near).take(length.saturating_sub(4) as u64);
    tokio::io::copy(&mut startup, &mut tokio::io::sink()).await?;
    near.write_all(&greeting).await?;
    copy_bidirectional(&mut near, &mut far).await.map(drop)
}

/// A directory for this user alone, which goes with this value.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn make() -> io::Result<Self> {
        let name = format!("pgbell-{}-{:016x}", std::process::id(), fastrand::u64(..));
        let path = std::env::temp_dir().join(name);
        // Fails if it is there already.
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// How sqlx connects to the socket in it.
    fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.0)
            .port(5432)
            .username("pgbell")
            .ssl_mode(PgSslMode::Disable)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // It holds one socket; what cannot be removed does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}
