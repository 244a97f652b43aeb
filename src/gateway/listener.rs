//! Where connections come from: a socket of our own, or one that was handed over.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
};

use futures_util::FutureExt;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections that the system holds until we accept them.
const BACKLOG: u32 = 1024;

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    handed_over: bool,
}

impl Listener {
    /// Binds a socket, which closes with this process.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        let socket = if addr.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        Ok(Self {
            socket: socket.listen(BACKLOG)?,
            handed_over: false,
        })
    }

    /// Takes over a socket that somebody else keeps open, and will hand to our successor.
    ///
    /// # Errors
    /// When it does not listen.
    pub fn take_over(socket: std::net::TcpListener) -> io::Result<Self> {
        if !SockRef::from(&socket).is_listener()? {
            return Err(ErrorKind::InvalidInput.into());
        }
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: TcpListener::from_std(socket)?,
            handed_over: true,
        })
    }

    /// Where clients reach it.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Whether who comes from now on is the successor's.
    pub fn is_handed_over(&self) -> bool {
        self.handed_over
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, IpAddr)> {
        let (stream, peer) = self.socket.accept().await?;
        Ok((stream, peer.ip()))
    }

    /// A connection that waits already.
    pub(super) fn accept_waiting(&self) -> Option<(TcpStream, IpAddr)> {
        self.accept().now_or_never()?.ok()
    }
}
