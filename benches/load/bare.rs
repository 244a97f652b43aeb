//! The least that telling a socket can cost: one `write` per socket, from one thread, and nothing
//! else. A process of its own, so that its CPU time is counted as the daemon's is.

use std::{
    env,
    io::{self, BufRead, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{crowd::Target, process::Process};

/// Before the size of the frames to write, on the command line of the child.
pub(crate) const ARGUMENT: &str = "--bare-write";

const OPENING: &[u8] = b"{";

/// The child, as the parent sees it.
pub(crate) struct BareWrite {
    process: Process,
    addr: String,
}

impl BareWrite {
    /// A child that writes frames of `bytes` bytes.
    pub(crate) fn start(bytes: usize) -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command
            .args([ARGUMENT, &bytes.to_string()])
            .stdout(Stdio::piped());
        let mut process = Process::start(&mut command)?;
        let addr = process.word_after("listening on ")?;
        Ok(Self { process, addr })
    }
}

impl Target for BareWrite {
    fn process(&self) -> &Process {
        &self.process
    }

    fn opening(&self) -> &'static [u8] {
        OPENING
    }

    fn connect(&self, room: usize) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(&self.addr)?;
        stream.write_all(&[u8::try_from(room).map_err(io::Error::other)?])?;
        // The answer says that the socket is in the room.
        stream.read_exact(&mut [0])?;
        Ok(stream)
    }

    fn change(&mut self, room: usize) -> io::Result<()> {
        writeln!(self.process.stdin()?, "{room}")
    }
}

type Rooms = Arc<Mutex<Vec<Vec<TcpStream>>>>;

/// The child's main: for every line on stdin, writes one frame to every socket of that room.
pub(crate) fn serve(bytes: usize) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("listening on {}", listener.local_addr()?);
    let rooms = Rooms::default();
    let filled = rooms.clone();
    std::thread::spawn(move || accept(&listener, &filled));
    let frame = frame(bytes);
    for line in io::stdin().lock().lines() {
        let room: usize = line?.parse().map_err(io::Error::other)?;
        let rooms = rooms.lock().unwrap_or_else(PoisonError::into_inner);
        for mut socket in rooms.get(room).into_iter().flatten() {
            socket.write_all(&frame)?;
        }
    }
    Ok(())
}

/// A connection begins with the number of its room.
fn accept(listener: &TcpListener, rooms: &Rooms) -> io::Result<()> {
    crate::process::raise_open_files();
    loop {
        let (mut socket, _) = listener.accept()?;
        socket.set_nodelay(true)?;
        let mut room = [0];
        socket.read_exact(&mut room)?;
        let room = usize::from(room[0]);
        let mut rooms = rooms.lock().unwrap_or_else(PoisonError::into_inner);
        if rooms.len() <= room {
            rooms.resize_with(room + 1, Vec::new);
        }
        socket.write_all(&[0])?;
        rooms[room].push(socket);
    }
}

/// A frame that the reader counts.
fn frame(bytes: usize) -> Vec<u8> {
    let payload = u16::try_from(bytes - 4).expect("frames are small");
    let mut frame = vec![0x81, 126];
    frame.extend(payload.to_be_bytes());
    frame.extend(OPENING);
    frame.resize(bytes, b' ');
    frame
}
