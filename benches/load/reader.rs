//! Reads the frames of thousands of sockets on one thread, with as little work per frame as it can.

use std::{
    io::{self, ErrorKind, Read},
    net::TcpStream,
    time::{Duration, Instant},
};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// Longest sleep, so that a deadline is not missed by more.
const NAP: Duration = Duration::from_millis(100);

/// A frame that tells of a change.
pub(crate) struct Arrival {
    pub(crate) socket: usize,
    pub(crate) at: Instant,
    /// With its header.
    pub(crate) bytes: usize,
}

pub(crate) struct Reader {
    epoll: Epoll,
    sockets: Vec<Socket>,
    events: Vec<EpollEvent>,
    buffer: Vec<u8>,
    /// How frames that tell of a change begin. Others are signs of life.
    opening: &'static [u8],
}

struct Socket {
    stream: TcpStream,
    /// The beginning of a frame whose end has not come yet.
    begun: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(opening: &'static [u8]) -> io::Result<Self> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            sockets: Vec::new(),
            events: vec![EpollEvent::empty(); 1024],
            buffer: vec![0; 64 * 1024],
            opening,
        })
    }

    pub(crate) fn add(&mut self, stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        let token = self.sockets.len() as u64;
        let readable = EpollEvent::new(EpollFlags::EPOLLIN, token);
        self.epoll.add(&stream, readable)?;
        let begun = Vec::new();
        self.sockets.push(Socket { stream, begun });
        Ok(())
    }

    /// Reads until as many frames have arrived as are `expected`, or time is up.
    pub(crate) fn read(&mut self, expected: usize, deadline: Instant) -> io::Result<Vec<Arrival>> {
        let mut arrivals = Vec::with_capacity(expected);
        let nap = EpollTimeout::try_from(NAP).map_err(io::Error::other)?;
        while arrivals.len() < expected && Instant::now() < deadline {
            let ready = self.epoll.wait(&mut self.events, nap)?;
            for event in &self.events[..ready] {
                let socket = event.data() as usize;
                let read = self.sockets[socket].stream.read(&mut self.buffer);
                let at = Instant::now();
                let read = match read {
                    Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Ok(read) => read,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error),
                };
                self.sockets[socket].take(&self.buffer[..read], |frame, header| {
                    if frame[header..].starts_with(self.opening) {
                        let bytes = frame.len();
                        arrivals.push(Arrival { socket, at, bytes });
                    }
                });
            }
        }
        Ok(arrivals)
    }
}

impl Socket {
    fn take(&mut self, read: &[u8], mut each: impl FnMut(&[u8], usize)) {
        let begun = std::mem::take(&mut self.begun);
        let joined;
        let mut rest = if begun.is_empty() {
            read
        } else {
            joined = [&begun, read].concat();
            &joined
        };
        while let Some((header, length)) = frame_length(rest) {
            let Some((frame, behind)) = rest.split_at_checked(length) else {
                break;
            };
            each(frame, header);
            rest = behind;
        }
        self.begun = rest.to_vec();
    }
}

/// Length of a server's frame's header and of all of it, once the header is there.
fn frame_length(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.get(1)? {
        126 => {
            let length = bytes.get(2..4)?.try_into().ok()?;
            Some((4, 4 + usize::from(u16::from_be_bytes(length))))
        }
        127 => {
            let length = bytes.get(2..10)?.try_into().ok()?;
            Some((10, 10 + u64::from_be_bytes(length) as usize))
        }
        short => Some((2, 2 + usize::from(short))),
    }
}
