//! A socket to the server, encrypted as the URL wants it.

use std::{
    future::{Ready as Done, ready},
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpStream, UnixStream},
    task::spawn_blocking,
};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_rustls::{TlsConnector, client, rustls::pki_types::ServerName};

use super::{
    Address, Error, Place, TlsError,
    address::Endpoint,
    certificate,
    encryption::{Demand, Encryption, Verify},
    trust,
};

/// A silent peer is found in 10 + 3 * 3 s, as is one that stops acknowledging.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
const KEEPALIVE_RETRIES: u32 = 3;
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(19);

/// A connection to a server.
#[derive(Debug)]
pub enum Stream {
    /// In the clear.
    Tcp(TcpStream),
    /// Within the machine.
    Unix(UnixStream),
    /// Encrypted.
    Tls(Box<client::TlsStream<TcpStream>>),
}

/// Connects to a place and encrypts what follows, as far as the URL wants it.
pub(super) async fn open(address: &Address, place: &Place) -> Result<Stream, Error> {
    let stream = match &place.endpoint {
        // Postgres speaks no TLS there, and libpq ignores sslmode.
        Endpoint::Unix(path) => {
            let stream = UnixStream::connect(path).await;
            Stream::Unix(stream.map_err(Error::Unreached)?)
        }
        Endpoint::Tcp(to) => {
            let stream = TcpStream::connect(to).await.map_err(Error::Unreached)?;
            keep_alive(&stream).map_err(Error::Unreached)?;
            encrypt(&address.encryption, place, stream).await?
        }
    };
    if address.requires_channel_binding() && !matches!(stream, Stream::Tls(_)) {
        return Err(TlsError::NotOffered.into());
    }
    Ok(stream)
}

fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}

async fn encrypt(
    encryption: &Encryption,
    place: &Place,
    mut stream: TcpStream,
) -> Result<Stream, Error> {
    if encryption.demand == Demand::Never {
        return Ok(Stream::Tcp(stream));
    }
    // Before the server is asked, so that it is not left waiting for a file.
    let read = match encryption.names_files() {
        true => {
            let files = encryption.clone();
            let read = spawn_blocking(move || trust::read(&files)).await;
            Some(read.map_err(|error| TlsError::Handshake(error.into()))??)
        }
        false => None,
    };
    let name = server_name(encryption, place)?;
    if !encryption.is_direct && !offers(&mut stream).await? {
        return match encryption.demand {
            Demand::Always => Err(TlsError::NotOffered.into()),
            Demand::Offered | Demand::Never => Ok(Stream::Tcp(stream)),
        };
    }
    let config = read.map_or_else(|| trust::read(encryption), Ok)?;
    let connector = TlsConnector::from(Arc::new(config));
    let encrypted = connector.connect(name, stream).await;
    let encrypted = match encrypted {
        // A server that takes a handshake for a packet that it does not know hangs up.
        Err(error)
            if encryption.is_direct
                && error
                    .get_ref()
                    .is_none_or(|e| !e.is::<tokio_rustls::rustls::Error>()) =>
        {
            return Err(TlsError::NotDirect.into());
        }
        Err(error) => {
            let roots = match &encryption.verify {
                Verify::Nothing => None,
                Verify::Chain(roots) | Verify::ChainAndName(roots) => Some(roots),
            };
            return Err(TlsError::handshake(error, roots).into());
        }
        Ok(encrypted) => encrypted,
    };
    // Else somebody could lead us to a server of another protocol with the same certificate.
    if encryption.is_direct && encrypted.get_ref().1.alpn_protocol() != Some(trust::PROTOCOL) {
        return Err(TlsError::NotDirect.into());
    }
    Ok(Stream::Tls(Box::new(encrypted)))
}

/// Asks in the clear whether the server speaks TLS. Nothing behind its answer is read: it would have
/// been sent by somebody in between.
async fn offers(stream: &mut TcpStream) -> Result<bool, Error> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await.map_err(Error::broken)?;
    match stream.read_u8().await.map_err(Error::broken)? {
        b'S' => Ok(true),
        b'N' => Ok(false),
        // Also an error message, which nobody has vouched for.
        _ => Err(TlsError::NoAnswer.into()),
    }
}

/// What the certificate is compared with, and what the server is told that we look for.
fn server_name(encryption: &Encryption, place: &Place) -> Result<ServerName<'static>, TlsError> {
    let named = place.server_name.as_deref();
    let name = named.and_then(|name| ServerName::try_from(name.to_owned()).ok());
    let is_compared = matches!(encryption.verify, Verify::ChainAndName(_));
    match (name, &place.endpoint) {
        (Some(name), _) => Ok(name),
        (None, Endpoint::Tcp(address)) if !is_compared => Ok(address.ip().into()),
        (None, _) => Err(TlsError::NoName(named.unwrap_or("none").to_owned())),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl Stream {
    /// What binds a login to the server's certificate.
    pub(super) fn binding(&self) -> Option<Vec<u8>> {
        let Self::Tls(stream) = self else {
            return None;
        };
        let (_, session) = stream.get_ref();
        certificate::binding(session.peer_certificates()?.first()?)
    }
}

impl TlsStream for Stream {
    fn channel_binding(&self) -> ChannelBinding {
        self.binding()
            .map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

/// Tells the library that there is nothing left to encrypt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready;

impl TlsConnect<Stream> for Ready {
    type Stream = Stream;
    type Error = io::Error;
    type Future = Done<io::Result<Stream>>;

    fn connect(self, stream: Stream) -> Self::Future {
        ready(Ok(stream))
    }
}
