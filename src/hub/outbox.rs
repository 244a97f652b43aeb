//! What waits for one connection: written at once while it drains, bounded when it does not.
//!
//! The sender writes to the socket itself, without waking anyone, as long as nothing waits. Only a
//! socket that is full leaves a queue behind, which the connection's own task drains. When the queue
//! is full too, everything it says about rooms is replaced by one resync of those rooms: a slow
//! client loses nothing, costs bounded memory, and never makes a fast one wait.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, IoSlice},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use indexmap::IndexSet;
use tokio::sync::Notify;

use super::frame::{About, Frame};
use crate::{
    change::ResyncReason,
    invalidation::CursorText,
    protocol::{CloseReason, Rooms, ServerMessage},
    room::Room,
};

/// Most frames written by one system call.
const MAX_PARTS: usize = 16;

/// The writing half of a connection that never blocks.
pub trait Wire: Send + Sync {
    /// Writes what fits, or says [`ErrorKind::WouldBlock`].
    fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// Bounds and times of every outbox.
#[derive(Clone, Copy, Debug)]
pub struct OutboxLimits {
    /// Most frames that wait.
    pub frames: usize,
    /// Most bytes that wait.
    pub bytes: usize,
    /// Longest time without a byte accepted while something waits.
    pub write_deadline: Duration,
    /// Time between signs of life.
    pub heartbeat: Duration,
    /// How far clients spread their refetches after a resync.
    pub spread: Duration,
}

/// What waits for one connection.
pub struct Outbox {
    wire: Box<dyn Wire>,
    limits: OutboxLimits,
    state: Mutex<State>,
    /// Told when the connection's task has something to do.
    woken: Notify,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Waiting>,
    /// Bytes of the first frame that are written.
    written: usize,
    /// Bytes that wait.
    bytes: usize,
    /// Since when the connection accepts nothing.
    stalled: Option<Instant>,
    sent: Instant,
    heard: Instant,
    pinged: Instant,
    end: Option<CloseReason>,
}

#[derive(Debug)]
enum Waiting {
    Frame(Frame),
    /// A resync in place of frames that were dropped; encoded when its turn comes.
    Resync(Dropped),
}

#[derive(Debug)]
struct Dropped {
    rooms: Option<IndexSet<Room>>,
    cursor: CursorText,
}

/// How a connection's queue stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// Nothing waits.
    Drained,
    /// Something waits for the socket to become writable.
    Blocked,
}

impl Outbox {
    /// An empty outbox of a connection that was just made.
    pub fn new(wire: Box<dyn Wire>, limits: OutboxLimits, now: Instant) -> Self {
        Self {
            wire,
            limits,
            state: Mutex::new(State {
                queue: VecDeque::new(),
                written: 0,
                bytes: 0,
                stalled: None,
                sent: now,
                heard: now,
                pinged: now,
                end: None,
            }),
            woken: Notify::new(),
        }
    }

    /// Sends a frame, now or when the connection drains. Returns false if the frame was folded into
    /// a resync, or the connection is ending.
    pub(crate) fn send(&self, frame: Frame, now: Instant) -> bool {
        let mut state = self.lock();
        if state.end.is_some() {
            return false;
        }
        if !state.queue.is_empty() {
            let queued = state.enqueue(frame, &self.limits);
            let over = state.is_full(&self.limits) && !queued;
            drop(state);
            if over {
                // Replies are all that is left: answers to a client that asks and does not listen.
                self.close(CloseReason::SlowConsumer);
            }
            return queued;
        }
        match self.wire.try_write(&[IoSlice::new(&frame.bytes)]) {
            Ok(written) if written == frame.bytes.len() => {
                state.sent = now;
                return true;
            }
            Ok(written) => state.written = written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => state.end = Some(CloseReason::Normal),
        }
        state.bytes = frame.bytes.len() - state.written;
        state.stalled = Some(now);
        state.queue.push_back(Waiting::Frame(frame));
        drop(state);
        self.woken.notify_one();
        true
    }

    /// Ends the connection, after what already waits if the client reads it.
    pub fn close(&self, reason: CloseReason) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.end = Some(reason);
            let frame = Frame::close(reason);
            state.bytes += frame.bytes.len();
            state.queue.push_back(Waiting::Frame(frame));
        }
        drop(state);
        self.woken.notify_one();
    }

    /// Notes that the client closes first; nothing more is sent but its farewell in `bytes`.
    pub fn closed_by_peer(&self) {
        self.lock().end.get_or_insert(CloseReason::Normal);
    }

    /// Why the connection ends, if it does.
    pub fn ending(&self) -> Option<CloseReason> {
        self.lock().end
    }

    /// Notes that the client was heard.
    pub fn heard(&self, now: Instant) {
        self.lock().heard = now;
    }

    /// Waits until [`Outbox::drain`] has something to do, or the connection ends.
    pub async fn woken(&self) {
        self.woken.notified().await;
    }

    /// Writes what waits, as far as the socket takes it.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn drain(&self, now: Instant) -> io::Result<Progress> {
        let mut state = self.lock();
        loop {
            state.encode_resync(&self.limits);
            if state.queue.is_empty() {
                state.stalled = None;
                return Ok(Progress::Drained);
            }
            let written = match self.wire.try_write(&state.parts()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Progress::Blocked);
                }
                Err(error) => return Err(error),
            };
            state.advance(written);
            state.sent = now;
            state.stalled = Some(now);
        }
    }

    /// Once a second or so: a sign of life where one is due, an end where one is overdue.
    pub(crate) fn tick(&self, now: Instant, heartbeat: &Frame, ping: &Frame) {
        /// How much longer than the heartbeat a client may be silent.
        const PONG_GRACE: Duration = Duration::from_secs(10);
        let state = self.lock();
        let since = |then: Instant| now.saturating_duration_since(then);
        let slow = state
            .stalled
            .is_some_and(|stalled| since(stalled) > self.limits.write_deadline);
        let silent = since(state.heard) > self.limits.heartbeat + PONG_GRACE;
        let quiet = state.queue.is_empty() && since(state.sent) >= self.limits.heartbeat;
        let unproven = state.queue.is_empty() && since(state.pinged) >= self.limits.heartbeat;
        drop(state);
        if slow {
            self.close(CloseReason::SlowConsumer);
        } else if silent {
            self.close(CloseReason::NoPong);
        }
        if quiet {
            self.send(heartbeat.clone(), now);
        }
        if unproven {
            self.lock().pinged = now;
            self.send(ping.clone(), now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Queues a frame behind others. Returns false if it was folded into a resync.
    fn enqueue(&mut self, frame: Frame, limits: &OutboxLimits) -> bool {
        if !self.is_full(limits) {
            self.bytes += frame.bytes.len();
            self.queue.push_back(Waiting::Frame(frame));
            return true;
        }
        self.fold(frame);
        false
    }

    fn is_full(&self, limits: &OutboxLimits) -> bool {
        self.queue.len() >= limits.frames || self.bytes >= limits.bytes
    }

    /// Replaces everything that tells about rooms by one resync in the place of the first.
    fn fold(&mut self, last: Frame) {
        let begun = usize::from(self.written > 0);
        let rest = self.queue.split_off(begun);
        let mut dropped: Option<(usize, Dropped)> = None;
        for waiting in rest.into_iter().chain([Waiting::Frame(last)]) {
            let place = self.queue.len();
            match Dropped::new(waiting) {
                Err(frame) => self.queue.push_back(Waiting::Frame(frame)),
                Ok(more) => match &mut dropped {
                    Some((_, dropped)) => dropped.absorb(more),
                    None => dropped = Some((place, more)),
                },
            }
        }
        if let Some((place, dropped)) = dropped {
            self.queue.insert(place, Waiting::Resync(dropped));
        }
        self.bytes = self
            .queue
            .iter()
            .map(Waiting::len)
            .sum::<usize>()
            .saturating_sub(self.written);
    }

    /// Gives the resync its bytes when it comes within reach of the next write.
    fn encode_resync(&mut self, limits: &OutboxLimits) {
        for waiting in self.queue.iter_mut().take(MAX_PARTS) {
            if let Waiting::Resync(dropped) = waiting {
                let frame = dropped.encode(limits);
                self.bytes += frame.bytes.len();
                *waiting = Waiting::Frame(frame);
            }
        }
    }

    fn parts(&self) -> Vec<IoSlice<'_>> {
        let frames = self.queue.iter().take(MAX_PARTS).filter_map(Waiting::frame);
        let skip = |(index, frame): (usize, &'_ Frame)| {
            if index == 0 { self.written } else { 0 }.min(frame.bytes.len())
        };
        frames
            .enumerate()
            .map(|(index, frame)| IoSlice::new(&frame.bytes[skip((index, frame))..]))
            .collect()
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes = self.bytes.saturating_sub(written);
        written += std::mem::take(&mut self.written);
        while let Some(first) = self.queue.front() {
            if written < first.len() {
                self.written = written;
                return;
            }
            written -= first.len();
            self.queue.pop_front();
        }
    }
}

impl Waiting {
    fn frame(&self) -> Option<&Frame> {
        match self {
            Self::Frame(frame) => Some(frame),
            Self::Resync(_) => None,
        }
    }

    fn len(&self) -> usize {
        self.frame().map_or(0, |frame| frame.bytes.len())
    }
}

impl Dropped {
    /// What dropping `waiting` loses; the frame itself if it must arrive.
    fn new(waiting: Waiting) -> Result<Self, Frame> {
        let frame = match waiting {
            Waiting::Resync(dropped) => return Ok(dropped),
            Waiting::Frame(frame) => frame,
        };
        let (rooms, cursor) = match &frame.about {
            About::Session => return Err(frame),
            About::Room(room, cursor) => (Some([room.clone()].into()), cursor.clone()),
            About::EveryRoom(cursor) => (None, cursor.clone()),
        };
        Ok(Self { rooms, cursor })
    }

    /// Later losses: their position covers the earlier ones, which the same resync makes good.
    fn absorb(&mut self, later: Self) {
        self.cursor = later.cursor;
        match (&mut self.rooms, later.rooms) {
            (Some(rooms), Some(more)) => rooms.extend(more),
            (every, _) => *every = None,
        }
    }

    fn encode(&mut self, limits: &OutboxLimits) -> Frame {
        let rooms = match self.rooms.take() {
            Some(rooms) => Rooms::Named(rooms.into_iter().collect()),
            None => Rooms::Every,
        };
        Frame::message(&ServerMessage::Resync {
            rooms,
            reason: ResyncReason::SlowConsumer,
            cursor: self.cursor.clone(),
            spread_ms: limits.spread.as_millis() as u64,
        })
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
