//! Which server: the one host of the URL that can be written to.
//!
//! All connections of a session go to the address that was found first. Each asking the URL anew
//! could listen to one server and read from another, and would pay for a dead first host each time.

use std::{net::IpAddr, str::FromStr, time::Duration};

use tokio::{net::lookup_host, time::timeout};
use tokio_postgres::config::{Config, Host, SslMode};

use super::{DatabaseConfig, Error, connect::Session, probe};

/// Most addresses that are tried for one session.
const MOST_ADDRESSES: usize = 16;

/// Whether the URL can be used at all; nothing is connected to.
///
/// # Errors
/// When it is malformed, names an unknown parameter or no host, or asks for encryption.
pub fn check_url(config: &DatabaseConfig) -> Result<(), Error> {
    let all = parse(config)?;
    hosts(&all)?;
    match all.get_ssl_mode() {
        SslMode::Require => Err(Error::Encryption),
        _ => Ok(()),
    }
}

/// A server that can be written to, by its address.
#[derive(Debug)]
pub(super) struct Server {
    config: DatabaseConfig,
    target: Config,
    /// Tells it from another server that answers at the same address later.
    started: String,
}

impl Server {
    /// Goes through the addresses of the URL in their order, and returns the first server that can
    /// be written to together with the connection that showed it.
    pub(super) async fn find(config: &DatabaseConfig) -> Result<(Self, Session), Error> {
        let all = parse(config)?;
        let mut refused = Vec::new();
        let mut tried = 0;
        for host in hosts(&all)? {
            let addresses = match host.addresses(config.connect_timeout).await {
                Ok(addresses) => addresses,
                Err(error) => {
                    refused.push((host.name.clone(), error));
                    continue;
                }
            };
            for address in addresses.into_iter().take(MOST_ADDRESSES - tried) {
                tried += 1;
                let target = host.target(&all, address, config.connect_timeout);
                match try_one(config, target).await {
                    Ok(found) => return Ok(found),
                    // It can be written to: no other host is the primary.
                    Err(Error::NotInstalled) => return Err(Error::NotInstalled),
                    Err(error) => refused.push((host.name.clone(), error)),
                }
            }
        }
        Err(Error::none_of(refused))
    }

    /// One more connection to the same server.
    pub(super) async fn session(&self) -> Result<Session, Error> {
        self.listener(|_| {}).await
    }

    /// One more connection to the same server, which hears notifications.
    pub(super) async fn listener(
        &self,
        hear: impl FnMut(Option<&str>) + Send + 'static,
    ) -> Result<Session, Error> {
        let session = Session::open(&self.config, &self.target, hear).await?;
        if probe::primary(&session).await? == self.started {
            Ok(session)
        } else {
            Err(Error::Elsewhere)
        }
    }
}

async fn try_one(config: &DatabaseConfig, target: Config) -> Result<(Server, Session), Error> {
    let session = Session::open(config, &target, |_| {}).await?;
    let started = probe::primary(&session).await?;
    let server = Server {
        config: config.clone(),
        target,
        started,
    };
    Ok((server, session))
}

fn parse(config: &DatabaseConfig) -> Result<Config, Error> {
    Config::from_str(config.url.reveal()).map_err(Error::Url)
}

/// One host of the URL.
#[derive(Debug)]
struct Candidate {
    /// For an operator: `db1:5432`.
    name: String,
    host: Option<Host>,
    address: Option<IpAddr>,
    port: u16,
}

/// As libpq reads them: hosts, addresses or both in step; one port for all or one each.
fn hosts(all: &Config) -> Result<Vec<Candidate>, Error> {
    let hosts: Vec<_> = all.get_hosts().iter().flat_map(apart).collect();
    let (addresses, ports) = (all.get_hostaddrs(), all.get_ports());
    let count = hosts.len().max(addresses.len());
    if count == 0 {
        return Err(Error::Hosts("names no host"));
    }
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return Err(Error::Hosts("does not name one hostaddr for each host"));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(Error::Hosts("does not name one port for each host"));
    }
    let candidate = |number: usize| {
        let port = ports.get(number).or(ports.first()).copied();
        let port = port.unwrap_or(5432);
        let (host, address) = (hosts.get(number).cloned(), addresses.get(number).copied());
        let name = match (&host, address) {
            (Some(Host::Tcp(name)), _) => format!("{name}:{port}"),
            (Some(Host::Unix(path)), _) => format!("{}:{port}", path.display()),
            (None, address) => address.map_or(String::new(), |address| format!("{address}:{port}")),
        };
        Candidate {
            name,
            host,
            address,
            port,
        }
    };
    Ok((0..count).map(candidate).collect())
}

/// The library takes `?host=a,b` of a URL for one name.
fn apart(host: &Host) -> Vec<Host> {
    match host {
        Host::Tcp(names) => names
            .split(',')
            .map(|name| Host::Tcp(name.to_owned()))
            .collect(),
        path => vec![path.clone()],
    }
}

impl Candidate {
    /// Where the host can be reached; `None` for a socket in the file system.
    async fn addresses(&self, bound: Duration) -> Result<Vec<Option<IpAddr>>, Error> {
        let name = match (&self.host, self.address) {
            (_, Some(address)) => return Ok(vec![Some(address)]),
            (Some(Host::Tcp(name)), None) => name,
            (Some(Host::Unix(_)) | None, None) => return Ok(vec![None]),
        };
        let found = timeout(bound, lookup_host((name.as_str(), self.port))).await;
        let found = found.map_err(|_| Error::ConnectTimeout(bound))?;
        let found = found.map_err(Error::Lookup)?;
        Ok(found.map(|address| Some(address.ip())).collect())
    }

    /// What of `all` is about this host at this address.
    fn target(&self, all: &Config, address: Option<IpAddr>, bound: Duration) -> Config {
        let mut target = Config::new();
        match &self.host {
            Some(Host::Tcp(name)) => drop(target.host(name)),
            Some(Host::Unix(path)) => drop(target.host_path(path)),
            None => {}
        }
        if let Some(address) = address {
            target.hostaddr(address);
        }
        if let Some(user) = all.get_user() {
            target.user(user);
        }
        if let Some(password) = all.get_password() {
            target.password(password);
        }
        if let Some(dbname) = all.get_dbname() {
            target.dbname(dbname);
        }
        if let Some(options) = all.get_options() {
            target.options(options);
        }
        target
            .port(self.port)
            .ssl_mode(all.get_ssl_mode())
            .channel_binding(all.get_channel_binding())
            .application_name("pgbell")
            .connect_timeout(bound)
            // A silent peer is found in 10 + 3 * 3 s, as is one that stops acknowledging.
            .keepalives_idle(Duration::from_secs(10))
            .keepalives_interval(Duration::from_secs(3))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(19));
        target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(url: &str) -> Result<Vec<String>, Error> {
        let found = hosts(&Config::from_str(url).expect("a URL"))?;
        Ok(found.into_iter().map(|host| host.name).collect())
    }

    #[test]
    fn hosts_are_named_in_their_order_however_they_are_written() {
        for (url, expected) in [
            (
                "postgres://a:1,b:2/shop?target_session_attrs=read-write",
                "a:1 b:2",
            ),
            ("postgres:///shop?host=a,b&port=1,2", "a:1 b:2"),
            ("host=a,b port=7 dbname=shop", "a:7 b:7"),
            ("postgres:///shop?host=/run/pg&port=1", "/run/pg:1"),
            ("hostaddr=10.0.0.1,10.0.0.2", "10.0.0.1:5432 10.0.0.2:5432"),
        ] {
            assert_eq!(names(url).expect(url).join(" "), expected);
        }
        for url in [
            "postgres:///shop",
            "host=a,b,c port=1,2",
            "host=a,b hostaddr=10.0.0.1",
        ] {
            assert!(names(url).is_err(), "{url}");
        }
    }
}
