//! Fetches one document by HTTP: the only place that knows a client. No redirects, no proxies, no
//! cookies; one connection per fetch, since there is one every ten minutes.

use std::{io, net::IpAddr, path::Path, pin::pin, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request, StatusCode, Uri,
    client::conn::http1,
    header::{ACCEPT, HOST, USER_AGENT},
    rt::{Read, Write},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, select, time::timeout};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use crate::https;

/// Bound on a fetch, from the lookup of the name to the last byte.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// Largest document.
const MAX_SIZE: usize = 256 * 1024;

/// Largest head of an answer.
const MAX_HEAD: usize = 16 * 1024;

/// Where a document is, and how to get there.
#[derive(Debug)]
pub(super) struct Source {
    uri: Uri,
    host: String,
    port: u16,
    tls: Option<Tls>,
}

struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tls").field(&self.name).finish()
    }
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("no answer within {}s", TIMEOUT.as_secs())]
    Timeout,
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("no TLS: {0}")]
    Tls(io::Error),
    #[error("HTTP failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("the answer is {0}, not 200 OK")]
    Status(StatusCode),
    #[error("the answer was cut short or is larger than {} KiB", MAX_SIZE / 1024)]
    Body,
}

impl Source {
    /// The source at `url`; what is wrong comes with the key it is wrong of.
    pub(super) fn new(url: &str, ca_file: Option<&Path>) -> Result<Self, (&'static str, String)> {
        let wrong = |reason: &str| ("url", reason.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong("is no URL"))?;
        let authority = uri
            .authority()
            .ok_or_else(|| wrong("is no URL with a host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong(
                "has a user or password, which would be printed; it is fetched without",
            ));
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let tls = match uri.scheme_str() {
            Some("https") => Some(Tls::new(&host, ca_file)?),
            Some("http") if is_here(&host) => None,
            Some("http") => {
                return Err(wrong(
                    "is not encrypted: only https, or http on this machine",
                ));
            }
            _ => return Err(wrong("is neither https nor http")),
        };
        let usual_port = if tls.is_some() { 443 } else { 80 };
        Ok(Self {
            port: authority.port_u16().unwrap_or(usual_port),
            host,
            tls,
            uri,
        })
    }

    pub(super) async fn fetch(&self) -> Result<Bytes, Error> {
        let outcome = timeout(TIMEOUT, self.connect_and_get()).await;
        outcome.map_err(|_| Error::Timeout)?
    }

    async fn connect_and_get(&self) -> Result<Bytes, Error> {
        let address = (self.host.as_str(), self.port);
        let stream = TcpStream::connect(address).await.map_err(Error::Connect)?;
        match &self.tls {
            None => self.get(TokioIo::new(stream)).await,
            Some(tls) => {
                let stream = tls.connector.connect(tls.name.clone(), stream).await;
                self.get(TokioIo::new(stream.map_err(Error::Tls)?)).await
            }
        }
    }

    async fn get(&self, io: impl Read + Write + Unpin) -> Result<Bytes, Error> {
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake::<_, Empty<Bytes>>(io)
            .await?;
        let mut exchange = pin!(async {
            let answer = sender.send_request(self.request()).await?;
            if answer.status() != StatusCode::OK {
                return Err(Error::Status(answer.status()));
            }
            let body = Limited::new(answer.into_body(), MAX_SIZE).collect().await;
            Ok(body.map_err(|_| Error::Body)?.to_bytes())
        });
        select! {
            outcome = &mut exchange => return outcome,
            _ = connection => {}
        }
        // The connection is through, which may mean that everything has arrived.
        exchange.await
    }

    fn request(&self) -> Request<Empty<Bytes>> {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let host = self
            .uri
            .authority()
            .map_or("", |authority| authority.as_str());
        Request::get(path)
            .header(HOST, host)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("pgbell/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .expect("parts of a URL are fit for a request")
    }
}

impl Tls {
    fn new(host: &str, ca_file: Option<&Path>) -> Result<Self, (&'static str, String)> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            (
                "url",
                format!("has no host that a certificate can name: {host:?}"),
            )
        })?;
        let connector = https::connector(ca_file).map_err(|problem| ("ca_file", problem))?;
        Ok(Self { connector, name })
    }
}

/// Whether the host is this machine.
fn is_here(host: &str) -> bool {
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}
