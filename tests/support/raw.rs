//! A WebSocket byte by byte, for clients that break the rules.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::soon;

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;
/// The bit of a frame that ends its message.
pub(crate) const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub(crate) struct Raw {
    stream: TcpStream,
    /// The answer to the handshake.
    pub(crate) head: String,
}

impl Raw {
    /// A handshake with these header lines besides those it must have.
    pub(crate) async fn open(addr: SocketAddr, path: &str, headers: &str) -> Self {
        let stream = TcpStream::connect(addr).await.expect("a connection");
        let head = String::new();
        let mut raw = Self { stream, head };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: pgbell\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        raw.say(request.as_bytes()).await;
        while !raw.head.ends_with("\r\n\r\n") {
            let byte = soon("a head", raw.stream.read_u8()).await;
            raw.head.push(byte.expect("a head").into());
        }
        raw
    }

    /// Sends bytes, unless the other side has left already.
    pub(crate) async fn say(&mut self, bytes: &[u8]) {
        let sent = soon("bytes to be taken", self.stream.write_all(bytes)).await;
        drop(sent);
    }

    /// Says that nothing more comes.
    pub(crate) async fn fall_silent(&mut self) {
        let ended = soon("an end", self.stream.shutdown()).await;
        drop(ended);
    }

    /// Opcode and payload of the next frame; `None` at the end of the stream.
    pub(crate) async fn hear(&mut self) -> Option<(u8, Vec<u8>)> {
        soon("a frame", self.frame()).await.ok()
    }

    async fn frame(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let first = self.stream.read_u8().await?;
        assert_eq!(first & 0xf0, FIN, "one frame, no reserved bit");
        let length = match self.stream.read_u8().await? {
            126 => u64::from(self.stream.read_u16().await?),
            127 => self.stream.read_u64().await?,
            length => u64::from(length),
        };
        let length = usize::try_from(length).expect("a length that fits");
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).await?;
        Ok((first & 0x0f, payload))
    }

    /// The payload of the next frame of this kind.
    pub(crate) async fn next(&mut self, opcode: u8) -> Vec<u8> {
        loop {
            let (found, payload) = self.hear().await.expect("a frame before the end");
            if found == opcode {
                return payload;
            }
        }
    }

    /// The code of the close frame that comes, and behind which the stream ends.
    pub(crate) async fn closed(&mut self) -> u16 {
        let payload = self.next(CLOSE).await;
        assert_eq!(
            self.hear().await,
            None,
            "nothing comes behind a close frame"
        );
        match payload.as_slice() {
            [high, low, ..] => u16::from_be_bytes([*high, *low]),
            _ => 1005,
        }
    }
}

/// A masked frame; `first` is its first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ ..126 => bytes.push(MASKED | length as u8),
        length @ ..0x1_0000 => {
            bytes.push(MASKED | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(MASKED | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    let masked = payload.iter().zip(MASK.iter().cycle());
    bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
    bytes
}

/// A frame that ends here, although it says that so many bytes follow.
pub(crate) fn announced(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first, MASKED | 127];
    bytes.extend(length.to_be_bytes());
    bytes.extend(MASK);
    bytes
}
