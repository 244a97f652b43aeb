//! A client's connection: a socket, and TLS over it where that ends here.
//!
//! Without TLS, everything goes straight to the socket. With it, what is written is encrypted by whoever
//! writes, into a buffer of at most [`RECORDS`], and counts as written when the socket has taken it: so
//! whoever waits for a socket with room, waits for one with TLS in the same way.

use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    net::Shutdown,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready},
    net::TcpStream,
};
use tokio_rustls::rustls::ServerConnection;

/// Most bytes that are encrypted and not on the socket yet.
const RECORDS: usize = 64 * 1024;
/// Looks at the socket for one read: what TLS says to itself must not keep a reader for ever.
const LOOKS: usize = 16;

/// A client's connection.
#[derive(Debug)]
pub(super) struct Stream {
    socket: TcpStream,
    tls: Option<Box<Mutex<Tls>>>,
}

impl Stream {
    pub(super) fn plain(socket: TcpStream) -> Self {
        Self { socket, tls: None }
    }

    /// A connection on which both sides have agreed about keys.
    pub(super) fn encrypted(socket: TcpStream, mut session: ServerConnection) -> Self {
        session.set_buffer_limit(Some(RECORDS));
        let tls = Tls {
            session,
            held_back: 0,
        };
        Self {
            socket,
            tls: Some(Box::new(Mutex::new(tls))),
        }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Waits until there may be something to do. What is encrypted has been read off the socket by whoever
    /// read until nothing was left.
    pub(super) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.socket.ready(interest).await
    }

    /// Reads what is there, or says [`ErrorKind::WouldBlock`]. [`ErrorKind::Interrupted`]: others should
    /// have a turn before it is read on.
    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.tls {
            None => self.socket.try_read(buffer),
            Some(tls) => lock(tls).read(&self.socket, buffer),
        }
    }

    /// Writes what fits, or says [`ErrorKind::WouldBlock`]. Who is told that a part was written has to go on
    /// with the rest of it.
    pub(super) fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match (&self.tls, parts) {
            (None, [part]) => self.socket.try_write(part),
            (None, parts) => self.socket.try_write_vectored(parts),
            (Some(tls), parts) => lock(tls).write(&self.socket, parts),
        }
    }

    /// Says that nothing more will be said.
    pub(super) fn say_no_more(&self) -> io::Result<()> {
        if let Some(tls) = &self.tls {
            lock(tls).end(&self.socket)?;
        }
        SockRef::from(&self.socket).shutdown(Shutdown::Write)
    }
}

/// Keys, and what is encrypted and waits for the socket.
#[derive(Debug)]
struct Tls {
    session: ServerConnection,
    /// Bytes that are encrypted, and were not counted as written: the last one of what was, until all of it
    /// is on the socket.
    held_back: usize,
}

fn lock(tls: &Mutex<Tls>) -> MutexGuard<'_, Tls> {
    tls.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tls {
    fn read(&mut self, socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        for _ in 0..LOOKS {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Browsers hang up without a farewell.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            self.session.read_tls(&mut Raw(socket))?;
            let processed = self.session.process_new_packets();
            self.try_flush(socket)?;
            processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        }
        Err(ErrorKind::Interrupted.into())
    }

    fn write(&mut self, socket: &TcpStream, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.flush(socket)?;
        let counted = std::mem::take(&mut self.held_back);
        let mut parts = parts.to_vec();
        let mut rest = &mut parts[..];
        IoSlice::advance_slices(&mut rest, counted);
        let written = counted + self.session.writer().write_vectored(rest)?;
        if self.try_flush(socket)? || written == 0 {
            return Ok(written);
        }
        self.held_back = 1;
        match written - self.held_back {
            0 => Err(ErrorKind::WouldBlock.into()),
            written => Ok(written),
        }
    }

    fn end(&mut self, socket: &TcpStream) -> io::Result<()> {
        self.session.send_close_notify();
        self.try_flush(socket).map(drop)
    }

    /// Whether everything that is encrypted is on the socket now.
    fn try_flush(&mut self, socket: &TcpStream) -> io::Result<bool> {
        match self.flush(socket) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn flush(&mut self, socket: &TcpStream) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut Raw(socket))?;
        }
        Ok(())
    }
}

/// The socket as TLS sees it.
struct Raw<'a>(&'a TcpStream);

impl Read for Raw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As long as HTTP is spoken.
impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.tls.is_none() {
            return Pin::new(&mut self.socket).poll_read(context, buffer);
        }
        loop {
            match self.try_read(buffer.initialize_unfilled()) {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(self.socket.poll_read_ready(context))?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.try_write(parts) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(self.socket.poll_write_ready(context))?;
                }
                done => return Poll::Ready(done),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// What is not on the socket yet was not counted as written.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(tls) = &self.tls {
            lock(tls).end(&self.socket)?;
        }
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
