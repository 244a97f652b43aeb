//! One connection: joins the rooms and hands on what the daemon says until it ends.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        self, Message as Frame,
        client::IntoClientRequest,
        error::UrlError,
        http::{HeaderValue, Uri},
    },
};

use super::Token;
use super::message::{Message, Request, SUBPROTOCOL};

/// A daemon that has not said anything yet may take this long.
const PATIENCE: Duration = Duration::from_secs(35);

/// What the protocol adds to `heartbeat_ms` before a silence means that the connection is dead.
const HEARTBEAT_GRACE: Duration = Duration::from_secs(10);

/// How a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    /// The daemon does not want this client back (close codes 4000 to 4099), or not with this token (4200).
    #[error("refused with {code} {reason}")]
    Refused { code: u16, reason: String },
    /// Coming back may help.
    #[error("closed with {code} {reason}")]
    Closed { code: u16, reason: String },
    #[error("nothing heard for {0:?}")]
    Silent(Duration),
    #[error("connection failed")]
    WebSocket(#[from] Box<tungstenite::Error>),
    #[error("ended without a word")]
    Cut,
}

/// What messages travel on, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

pub(super) struct Connection {
    socket: WebSocketStream<Box<dyn Stream>>,
    patience: Duration,
}

impl Connection {
    /// Connects, by `tls` to a `wss://` address.
    pub(super) async fn open(
        url: &str,
        tls: &TlsConnector,
        token: Option<&Token>,
    ) -> Result<Self, End> {
        let mut request = url.into_client_request().map_err(Box::new)?;
        let subprotocol = HeaderValue::from_static(SUBPROTOCOL);
        request
            .headers_mut()
            .insert("sec-websocket-protocol", subprotocol);
        if let Some(Token(header)) = token {
            request
                .headers_mut()
                .insert("authorization", header.clone());
        }
        let connecting = async {
            let stream = reach(request.uri(), tls).await?;
            client_async(request, stream).await
        };
        let connected = timeout(PATIENCE, connecting).await;
        let (socket, _) = connected
            .map_err(|_| End::Silent(PATIENCE))?
            .map_err(Box::new)?;
        Ok(Self {
            socket,
            patience: PATIENCE,
        })
    }

    pub(super) async fn send(&mut self, request: &Request<'_>) -> Result<(), End> {
        let json = serde_json::to_string(request).unwrap_or_default();
        let sent = self.socket.send(Frame::text(json)).await;
        Ok(sent.map_err(Box::new)?)
    }

    /// The next message, as text and as far as it is understood.
    pub(super) async fn next(&mut self) -> Result<(String, Message), End> {
        loop {
            let received = timeout(self.patience, self.socket.next()).await;
            let frame = received.map_err(|_| End::Silent(self.patience))?;
            match frame.ok_or(End::Cut)?.map_err(Box::new)? {
                Frame::Text(text) => {
                    let message = serde_json::from_str(&text).unwrap_or(Message::Unknown);
                    if let Message::Welcome { heartbeat_ms, .. } = message {
                        self.patience = Duration::from_millis(heartbeat_ms) + HEARTBEAT_GRACE;
                    }
                    return Ok((text.to_string(), message));
                }
                Frame::Close(Some(close)) => return Err(closed(close.code.into(), &close.reason)),
                Frame::Close(None) => return Err(End::Cut),
                _ => {}
            }
        }
    }

    /// Says goodbye; whether it arrives makes no difference.
    pub(super) async fn close(mut self) {
        let _ = timeout(Duration::from_secs(1), self.socket.close(None)).await;
    }
}

async fn reach(uri: &Uri, tls: &TlsConnector) -> Result<Box<dyn Stream>, tungstenite::Error> {
    let host = uri.host().ok_or(UrlError::NoHostName)?;
    let host = host.trim_matches(['[', ']']);
    let usual = match uri.scheme_str() {
        Some("ws") => 80,
        Some("wss") => 443,
        _ => return Err(UrlError::UnsupportedUrlScheme.into()),
    };
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(usual))).await?;
    if usual == 80 {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|_| UrlError::NoHostName)?;
    Ok(Box::new(tls.connect(name, stream).await?))
}

fn closed(code: u16, reason: &str) -> End {
    let reason = reason.to_owned();
    match code {
        // There will be no newer token.
        4000..4100 | 4200 => End::Refused { code, reason },
        _ => End::Closed { code, reason },
    }
}
