use std::{io, path::PathBuf, time::Duration};

use jiff::Timestamp;
use tokio_rustls::rustls::{CertificateError, Error as RustlsError, pki_types::UnixTime};

use super::{Refusal, encryption::Roots};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is not one.
    #[error("the database URL is not valid")]
    Url(#[source] tokio_postgres::Error),
    /// What the URL says makes no sense together.
    #[error("the database URL {0}")]
    Unfit(String),
    /// A host of the URL has no address.
    #[error("cannot find the address of the database")]
    Lookup(#[source] io::Error),
    /// Nobody says what the address of a host is.
    #[error("no address of the database was found within {0:?}")]
    LookupTimeout(Duration),
    /// Nobody answers there.
    #[error("cannot connect to the database")]
    Unreached(#[source] io::Error),
    /// No encrypted connection as the URL wants it.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The connection ended before the login was over, or was no such.
    #[error("cannot log in to the database")]
    Broken(#[source] io::Error),
    /// The library could not log in.
    #[error("cannot connect to the database")]
    Login(#[source] tokio_postgres::Error),
    /// The server refused the login.
    #[error("cannot connect to the database")]
    Refused(#[source] Refusal),
    /// The server wants something that we do not have.
    #[error("cannot connect to the database: {0}")]
    Authentication(String),
}

/// Why there is no encrypted connection as the URL wants it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that the URL names cannot be read.
    #[error("cannot read {parameter} {}", path.display())]
    Unreadable {
        /// `sslrootcert`, `sslcert`, `sslkey`
        parameter: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that the URL names is not what it should be.
    #[error("{parameter} {} {problem}", path.display())]
    Unusable {
        /// `sslrootcert`, `sslcert`, `sslkey`
        parameter: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// `sslrootcert=system` on a system that believes nobody.
    #[error(
        "sslrootcert=system, and this system lists no certificate authorities: install its package \
         ca-certificates, or set SSL_CERT_FILE"
    )]
    NoSystemRoots,
    /// Certificate and key do not belong together, or cannot be used.
    #[error("sslcert and sslkey cannot be used together")]
    Identity(#[source] RustlsError),
    /// The URL names no host that a certificate could be for.
    #[error(
        "sslmode=verify-full needs the name of a host to compare with the certificate, and the URL names {0}"
    )]
    NoName(String),
    /// The server speaks in the clear only.
    #[error(
        "the database takes no encrypted connections, and the URL asks for one: set ssl = on there, \
         or give sslmode and channel_binding up here"
    )]
    NotOffered,
    /// The server answered the request for encryption with something else.
    #[error(
        "the database did not say whether it takes encrypted connections: is this a Postgres server?"
    )]
    NoAnswer,
    /// The server began no handshake without being asked.
    #[error(
        "the database does not take TLS without being asked: sslnegotiation=direct needs Postgres 17 \
         or newer"
    )]
    NotDirect,
    /// Nobody whom we believe has signed the server's certificate.
    #[error(
        "{} signed the certificate of the database: if it is the right server, add the \
         certificate of its authority to sslrootcert", nobody(.0)
    )]
    Untrusted(Option<PathBuf>),
    /// The certificate is for somebody else.
    #[error(
        "the certificate of the database is for {presented}, not for {expected}: connect by a name \
         that it is for, or have one made with this name as a subject alternative name"
    )]
    WrongName {
        /// As the URL says.
        expected: String,
        /// As the certificate says.
        presented: String,
    },
    /// The certificate is no longer valid.
    #[error(
        "the certificate of the database, or one above it, was valid until {0}: renew it on the server"
    )]
    Expired(Timestamp),
    /// The certificate is not valid yet.
    #[error(
        "the certificate of the database, or one above it, is valid from {0} on: are both clocks right?"
    )]
    NotYetValid(Timestamp),
    /// The certificate has another fault.
    #[error("the certificate of the database cannot be used: {0}")]
    Certificate(String),
    /// The server refused us.
    #[error(
        "the database refused the encrypted connection ({0}): does it ask for a client certificate \
         (sslcert, sslkey), or for one of another authority?"
    )]
    RefusedByServer(String),
    /// The handshake failed.
    #[error("cannot agree on encryption with the database")]
    Handshake(#[source] io::Error),
}

impl Error {
    /// A short name for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Url(_) | Self::Unfit(_) => "url",
            Self::LookupTimeout(_) => "connect_timeout",
            Self::Tls(_) => "tls",
            _ => "connect",
        }
    }

    /// What went wrong while the library logged in.
    pub(super) fn login(source: tokio_postgres::Error) -> Self {
        let cause = std::error::Error::source(&source);
        let refused = cause
            .and_then(|cause| cause.downcast_ref::<io::Error>())
            .and_then(refused_by_server);
        refused.map_or_else(|| Self::Login(source), Self::Tls)
    }

    /// The same, without the library.
    pub(super) fn broken(source: io::Error) -> Self {
        refused_by_server(&source).map_or_else(|| Self::Broken(source), Self::Tls)
    }
}

impl TlsError {
    /// What went wrong in a handshake that believes `roots`.
    pub(super) fn handshake(error: io::Error, roots: Option<&Roots>) -> Self {
        if let Some(refused) = refused_by_server(&error) {
            return refused;
        }
        let Some(RustlsError::InvalidCertificate(fault)) = tls(&error) else {
            return Self::Handshake(error);
        };
        match fault.clone() {
            CertificateError::UnknownIssuer => Self::Untrusted(match roots {
                Some(Roots::File(path)) => Some(path.clone()),
                Some(Roots::System) | None => None,
            }),
            CertificateError::NotValidForNameContext {
                expected,
                presented,
            } => Self::WrongName {
                expected: expected.to_str().into_owned(),
                presented: named(&presented),
            },
            CertificateError::ExpiredContext { not_after, .. } => Self::Expired(time(not_after)),
            CertificateError::NotValidYetContext { not_before, .. } => {
                Self::NotYetValid(time(not_before))
            }
            CertificateError::BadSignature => Self::Certificate(
                "BadSignature: whoever answers does not have its key, or it was not signed by whom \
                 it names"
                    .into(),
            ),
            CertificateError::Other(fault) => Self::Certificate(match fault.0.to_string().as_str() {
                "UnsupportedCertVersion" => "it is of version 1: have one of version 3 made".into(),
                "CaUsedAsEndEntity" => {
                    "it is that of an authority: name it in sslrootcert itself, or have one made \
                     for the server"
                        .into()
                }
                other => other.to_owned(),
            }),
            other => Self::Certificate(other.to_string()),
        }
    }
}

fn nobody(roots: &Option<PathBuf>) -> String {
    match roots {
        Some(path) => format!("nobody in sslrootcert {} has", path.display()),
        None => "nobody whom this system believes has".into(),
    }
}

/// With TLS 1.3 a server refuses a client's certificate when the handshake is over for the client.
fn refused_by_server(error: &io::Error) -> Option<TlsError> {
    match tls(error) {
        Some(RustlsError::AlertReceived(alert)) => {
            Some(TlsError::RefusedByServer(format!("{alert:?}")))
        }
        _ => None,
    }
}

fn tls(error: &io::Error) -> Option<&RustlsError> {
    error.get_ref()?.downcast_ref()
}

/// The library shows names as `DnsName("db.internal")`.
fn named(presented: &[String]) -> String {
    if presented.is_empty() {
        return "nobody (a common name without subject alternative names does not count)".into();
    }
    let bare = presented.iter().map(|name| {
        let inside = name
            .split_once('(')
            .and_then(|(_, rest)| rest.strip_suffix(')'));
        inside.unwrap_or(name).trim_matches('"').to_owned()
    });
    bare.collect::<Vec<_>>().join(", ")
}

fn time(time: UnixTime) -> Timestamp {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}
