//! Connections of the tools: logged in as the daemon logs in, and then handed to sqlx.
//!
//! sqlx takes no connection from others, and its own know no channel binding and believe every public
//! authority besides the one that is named. So it connects to a socket of ours, in a directory that
//! nobody else may enter, and is greeted there with what the server said.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
};

use sqlx::{
    ConnectOptions, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{UnixListener, UnixStream},
    select,
};

use super::Error;
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
    let failed = |error: io::Error| Error::Unreachable {
        reason: format!(
            "cannot use a socket in {}: {error}",
            std::env::temp_dir().display()
        ),
    };
    let directory = Directory::make().map_err(failed)?;
    let listener = UnixListener::bind(directory.0.join(".s.PGSQL.5432")).map_err(failed)?;
    let options = PgConnectOptions::new_without_pgpass()
        .socket(&directory.0)
        .port(5432)
        .username("pgbell")
        .ssl_mode(PgSslMode::Disable)
        .disable_statement_logging();
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
struct Directory(PathBuf);

impl Directory {
    fn make() -> io::Result<Self> {
        let name = format!("pgbell-{}-{:016x}", std::process::id(), fastrand::u64(..));
        let path = std::env::temp_dir().join(name);
        // Fails if it is there already.
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // It holds one socket; what cannot be removed does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}
