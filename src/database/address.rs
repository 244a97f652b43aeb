//! A database URL, as libpq reads it.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use percent_encoding::percent_decode_str;
use tokio::{net::lookup_host, time::timeout};
use tokio_postgres::config::{self, ChannelBinding, Config, SslNegotiation};

use super::{
    Error,
    encryption::{Encryption, Exposure},
};

const DEFAULT_PORT: u16 = 5432;

/// Parameters that the library does not know, or knows too little of.
const OURS: [&str; 4] = ["sslmode", "sslrootcert", "sslcert", "sslkey"];

/// What a URL says.
#[derive(Clone)]
pub struct Address {
    hosts: Vec<Host>,
    pub(super) login: Config,
    pub(super) encryption: Encryption,
}

/// Shows no password.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

/// One host of a URL.
#[derive(Clone, Debug)]
pub struct Host {
    /// For an operator: `db1:5432`.
    pub name: String,
    host: Option<config::Host>,
    address: Option<IpAddr>,
    port: u16,
}

/// One address of a host.
#[derive(Clone, Debug)]
pub struct Place {
    pub(super) endpoint: Endpoint,
    /// What the server's certificate has to be for.
    pub(super) server_name: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Endpoint {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Address {
    /// Reads a URL; nothing is looked up, read or connected to.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let (rest, ours) = taken_apart(url);
        let login = Config::from_str(&rest).map_err(Error::Url)?;
        let hosts = hosts(&login).map_err(Error::Unfit)?;
        let is_direct = login.get_ssl_negotiation() == SslNegotiation::Direct;
        let encryption = Encryption::parse(&ours, is_direct).map_err(Error::Unfit)?;
        Ok(Self {
            hosts,
            login,
            encryption,
        })
    }

    /// The hosts in their order.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// What somebody on the network between us and the database could do, if there is one.
    pub fn exposure(&self) -> Option<Exposure> {
        let is_remote = self.hosts.iter().any(Host::is_remote);
        self.encryption.exposure().filter(|_| is_remote)
    }

    pub(super) fn requires_channel_binding(&self) -> bool {
        self.login.get_channel_binding() == ChannelBinding::Require
    }

    /// What the library needs for logging in over a stream that is encrypted already.
    pub(super) fn login_of_library(&self, application: &str) -> Config {
        let mut login = Config::new();
        if let Some(user) = self.login.get_user() {
            login.user(user);
        }
        if let Some(password) = self.login.get_password() {
            login.password(password);
        }
        if let Some(dbname) = self.login.get_dbname() {
            login.dbname(dbname);
        }
        if let Some(options) = self.login.get_options() {
            login.options(options);
        }
        login
            .application_name(application)
            .channel_binding(self.login.get_channel_binding())
            // So that it asks the server for nothing, and the stream for its channel binding.
            .ssl_mode(config::SslMode::Require)
            .ssl_negotiation(SslNegotiation::Direct);
        login
    }
}

impl Host {
    /// Where the host can be reached.
    pub async fn places(&self, bound: Duration) -> Result<Vec<Place>, Error> {
        let tcp = |address| Place {
            endpoint: Endpoint::Tcp(SocketAddr::new(address, self.port)),
            server_name: match &self.host {
                Some(config::Host::Tcp(name)) => Some(name.clone()),
                _ => None,
            },
        };
        match (&self.host, self.address) {
            (_, Some(address)) => Ok(vec![tcp(address)]),
            (Some(config::Host::Tcp(name)), None) => {
                let found = timeout(bound, lookup_host((name.as_str(), self.port))).await;
                let found = found.map_err(|_| Error::LookupTimeout(bound))?;
                let found = found.map_err(Error::Lookup)?;
                Ok(found.map(|address| tcp(address.ip())).collect())
            }
            (Some(config::Host::Unix(directory)), None) => {
                let socket = directory.join(format!(".s.PGSQL.{}", self.port));
                let place = Place {
                    endpoint: Endpoint::Unix(socket),
                    server_name: None,
                };
                Ok(vec![place])
            }
            (None, None) => Ok(Vec::new()),
        }
    }

    /// Whether a network lies between, as far as can be told without looking anything up.
    fn is_remote(&self) -> bool {
        match (&self.host, self.address) {
            (_, Some(address)) => !address.is_loopback(),
            (Some(config::Host::Tcp(name)), None) => match name.parse::<IpAddr>() {
                Ok(address) => !address.is_loopback(),
                Err(_) => name != "localhost" && !name.ends_with(".localhost"),
            },
            (Some(config::Host::Unix(_)) | None, None) => false,
        }
    }
}

/// The URL without our parameters, and these.
fn taken_apart(url: &str) -> (String, Vec<(String, String)>) {
    // A password may contain a question mark.
    let login = url.find('@').map_or(0, |at| at + 1);
    let Some(question) = url[login..].find('?').map(|at| login + at) else {
        return (url.to_owned(), Vec::new());
    };
    let (head, query) = (&url[..question], &url[question + 1..]);
    let (mut others, mut ours) = (Vec::new(), Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some((key, value)) if OURS.contains(&key) => {
                let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
                ours.push((key.to_owned(), value));
            }
            _ => others.push(pair),
        }
    }
    (format!("{head}?{}", others.join("&")), ours)
}

/// As libpq reads them: hosts, addresses or both in step; one port for all or one each.
fn hosts(all: &Config) -> Result<Vec<Host>, String> {
    let hosts: Vec<_> = all.get_hosts().iter().flat_map(apart).collect();
    let (addresses, ports) = (all.get_hostaddrs(), all.get_ports());
    let count = hosts.len().max(addresses.len());
    if count == 0 {
        return Err("names no host".into());
    }
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return Err("does not name one hostaddr for each host".into());
    }
    if ports.len() > 1 && ports.len() != count {
        return Err("does not name one port for each host".into());
    }
    let host = |number: usize| {
        let port = ports.get(number).or(ports.first()).copied();
        let port = port.unwrap_or(DEFAULT_PORT);
        let (host, address) = (hosts.get(number).cloned(), addresses.get(number).copied());
        let name = match (&host, address) {
            (Some(config::Host::Tcp(name)), _) => format!("{name}:{port}"),
            (Some(config::Host::Unix(path)), _) => format!("{}:{port}", path.display()),
            (None, address) => address.map_or(String::new(), |address| format!("{address}:{port}")),
        };
        Host {
            name,
            host,
            address,
            port,
        }
    };
    Ok((0..count).map(host).collect())
}

/// The library takes `?host=a,b` of a URL for one name.
fn apart(host: &config::Host) -> Vec<config::Host> {
    match host {
        config::Host::Tcp(names) => names
            .split(',')
            .map(|name| config::Host::Tcp(name.to_owned()))
            .collect(),
        path => vec![path.clone()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(url: &str) -> Result<Vec<String>, Error> {
        let address = Address::parse(url)?;
        let names = address.hosts().iter().map(|host| host.name.clone());
        Ok(names.collect())
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

    #[test]
    fn parameters_of_encryption_are_taken_out_and_nothing_else_is() {
        for (url, rest, ours) in [
            ("postgres://h/d", "postgres://h/d", ""),
            (
                "postgres://u:sslmode=a?b@h/d?sslmode=require&user=x&sslkey=%2Fa%20b",
                "postgres://u:sslmode=a?b@h/d?user=x",
                "sslmode=require sslkey=/a b",
            ),
            (
                "postgres:///d?host=/run/pg&sslmode=disable",
                "postgres:///d?host=/run/pg",
                "sslmode=disable",
            ),
        ] {
            let (left, taken) = taken_apart(url);
            let taken: Vec<_> = taken.iter().map(|(k, v)| format!("{k}={v}")).collect();
            assert_eq!((left.as_str(), taken.join(" ").as_str()), (rest, ours));
        }
    }

    #[test]
    fn an_unknown_parameter_is_named_and_a_password_is_not() {
        let url = "postgres://u:hunter2@h/d?sslcrl=x";
        let error = Address::parse(url).expect_err("unknown");
        let told = format!("{error} {error:?}");
        assert!(
            told.contains("sslcrl") && !told.contains("hunter2"),
            "{told}"
        );
        let address = Address::parse("postgres://u:hunter2@h/d").expect("a URL");
        assert!(!format!("{address:?}").contains("hunter2"));
    }

    #[test]
    fn what_leaves_the_machine_unverified_is_exposed() {
        use Exposure::{Impersonation, Plaintext, PlaintextPerhaps};
        for (url, exposure) in [
            ("postgres://db/d", Some(PlaintextPerhaps)),
            ("postgres://db/d?sslmode=disable", Some(Plaintext)),
            ("postgres://db/d?sslmode=require", Some(Impersonation)),
            ("postgres://db/d?sslmode=verify-ca&sslrootcert=/ca", None),
            ("postgres://db/d?sslrootcert=system", None),
            (
                "postgres://127.0.0.1,localhost,[::1]/d?sslmode=disable",
                None,
            ),
            ("postgres://localhost,db/d?sslmode=disable", Some(Plaintext)),
            (
                "postgres://localhost/d?hostaddr=10.0.0.1",
                Some(PlaintextPerhaps),
            ),
            ("postgres:///d?host=/run/postgresql", None),
        ] {
            let address = Address::parse(url).expect(url);
            assert_eq!(address.exposure(), exposure, "{url}");
        }
    }
}
