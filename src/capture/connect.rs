//! Connections that end early rather than hang.

use std::{str::FromStr, time::Duration};

use tokio::{task::JoinHandle, time::timeout};
use tokio_postgres::{
    Client, Connection, NoTls, Socket,
    config::{Config, SslMode, TargetSessionAttrs},
    tls::NoTlsStream,
};

use super::{DatabaseConfig, Error};

/// A connection whose driver runs beside it and stops with it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: Client,
    driver: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Connects for statements; `settings` is SQL that prepares the session.
pub(super) async fn session(config: &DatabaseConfig, settings: &str) -> Result<Session, Error> {
    let (client, connection) = raw(config).await?;
    // A failure of the connection reaches whoever waits for a statement.
    let driver = tokio::spawn(async move { drop(connection.await) });
    let session = Session { client, driver };
    let limit = config.statement_timeout.as_millis();
    let settings =
        format!("set statement_timeout = {limit}; set lock_timeout = {limit}; {settings}");
    session
        .client
        .batch_execute(&settings)
        .await
        .map_err(Error::query("prepare a session"))?;
    Ok(session)
}

/// Connects and leaves the driving to the caller.
pub(super) async fn raw(
    config: &DatabaseConfig,
) -> Result<(Client, Connection<Socket, NoTlsStream>), Error> {
    let target = parse(config)?;
    // The library's own bound covers only the TCP handshake; a server that accepts and never
    // answers would hold us for ever.
    timeout(config.connect_timeout, target.connect(NoTls))
        .await
        .map_err(|_| Error::ConnectTimeout(config.connect_timeout))?
        .map_err(Error::Connect)
}

/// Whether the URL can be used at all; nothing is connected to.
///
/// # Errors
/// When it is malformed, names an unknown parameter, or asks for encryption.
pub fn check_url(config: &DatabaseConfig) -> Result<(), Error> {
    match parse(config)?.get_ssl_mode() {
        SslMode::Require => Err(Error::Encryption),
        _ => Ok(()),
    }
}

fn parse(config: &DatabaseConfig) -> Result<Config, Error> {
    let mut target = Config::from_str(config.url.reveal()).map_err(Error::Url)?;
    target
        .application_name("pgbell")
        .target_session_attrs(TargetSessionAttrs::ReadWrite)
        .connect_timeout(config.connect_timeout)
        // A silent peer is found in 10 + 3 * 3 s, as is one that stops acknowledging.
        .keepalives_idle(Duration::from_secs(10))
        .keepalives_interval(Duration::from_secs(3))
        .keepalives_retries(3)
        .tcp_user_timeout(Duration::from_secs(19));
    Ok(target)
}
