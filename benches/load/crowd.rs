//! Sockets in rooms, and rounds of changes that all of them are told of.

use std::{
    collections::HashMap,
    io,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use crate::{
    process::Process,
    reader::{Arrival, Reader},
};

/// After the last change, frames are waited for this long.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server that tells the sockets of a room about changes.
pub(crate) trait Target {
    /// Whose CPU time counts.
    fn process(&self) -> &Process;

    /// How its frames that tell of a change begin, behind their header.
    fn opening(&self) -> &'static [u8];

    /// A socket that is in room number `room` already.
    fn connect(&self, room: usize) -> io::Result<TcpStream>;

    /// Makes one change that the room is told of; done when it is committed.
    fn change(&mut self, room: usize) -> io::Result<()>;
}

/// How many sockets, in how many rooms, with how many changes in all rooms together.
pub(crate) struct Shape {
    pub(crate) rooms: usize,
    pub(crate) sockets_per_room: usize,
    pub(crate) changes_per_second: u32,
}

/// The sockets of one target.
pub(crate) struct Crowd<'a> {
    shape: &'a Shape,
    reader: Reader,
}

/// What one round showed.
pub(crate) struct Round {
    /// Frames that should have arrived, and the sizes of those that did.
    pub(crate) expected: usize,
    pub(crate) delivered: usize,
    pub(crate) bytes: usize,
    /// CPU time of the server, in all of the round.
    pub(crate) cpu: Duration,
    /// From just before the change is sent until its frame has been read.
    pub(crate) latencies: Vec<Duration>,
    /// From just before the change is sent until it is committed.
    pub(crate) commits: Vec<Duration>,
}

impl Round {
    /// Mean size of the frames.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.bytes / self.delivered.max(1)
    }
}

impl<'a> Crowd<'a> {
    pub(crate) fn gather(shape: &'a Shape, target: &dyn Target) -> io::Result<Self> {
        let mut reader = Reader::new(target.opening())?;
        for room in 0..shape.rooms {
            for _ in 0..shape.sockets_per_room {
                reader.add(target.connect(room)?)?;
            }
        }
        Ok(Self { shape, reader })
    }

    /// Changes rooms in turn for `lasting`, and reads what the sockets are told.
    pub(crate) fn round(
        &mut self,
        target: &mut dyn Target,
        lasting: Duration,
    ) -> io::Result<Round> {
        let shape = self.shape;
        let pause = Duration::from_secs(1) / shape.changes_per_second;
        let changes = lasting.div_duration_f64(pause) as usize;
        let expected = changes * shape.sockets_per_room;
        let deadline = Instant::now() + lasting + PATIENCE;
        let reader = &mut self.reader;

        let cpu = target.process().cpu()?;
        let (sent, arrivals) = thread::scope(|scope| {
            let reading = scope.spawn(|| reader.read(expected, deadline));
            let sent = send(target, shape.rooms, changes, pause);
            (sent, reading.join().expect("the reader does not panic"))
        });
        let cpu = target.process().cpu()? - cpu;

        let (sent, arrivals) = (sent?, arrivals?);
        Ok(Round {
            expected,
            delivered: arrivals.len(),
            bytes: arrivals.iter().map(|arrival| arrival.bytes).sum(),
            cpu,
            latencies: latencies(shape, &sent, &arrivals),
            commits: sent.iter().map(|sent| sent.took).collect(),
        })
    }
}

struct Sent {
    at: Instant,
    took: Duration,
}

/// A change that was due while the one before it still ran counts from when it was due: a slow
/// server does not slow down its own measurement.
fn send(
    target: &mut dyn Target,
    rooms: usize,
    changes: usize,
    pause: Duration,
) -> io::Result<Vec<Sent>> {
    let mut due = Instant::now();
    let mut sent = Vec::with_capacity(changes);
    for change in 0..changes {
        due += pause;
        let early = due.saturating_duration_since(Instant::now());
        thread::sleep(early);
        let at = if early.is_zero() { due } else { Instant::now() };
        target.change(change % rooms)?;
        let took = at.elapsed();
        sent.push(Sent { at, took });
    }
    Ok(sent)
}

/// The n-th frame of a socket tells of the n-th change of its room. In a round with fewer frames
/// than expected, changes were folded, and the frames after that come out too slow.
fn latencies(shape: &Shape, sent: &[Sent], arrivals: &[Arrival]) -> Vec<Duration> {
    let mut seen: HashMap<usize, usize> = HashMap::new();
    let latency = |arrival: &Arrival| {
        let nth = seen.entry(arrival.socket).or_default();
        let change = *nth * shape.rooms + arrival.socket / shape.sockets_per_room;
        *nth += 1;
        Some(arrival.at.saturating_duration_since(sent.get(change)?.at))
    };
    arrivals.iter().filter_map(latency).collect()
}
