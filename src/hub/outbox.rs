//! What waits for one connection: written at once while it drains, bounded when it does not.
//!
//! The sender writes to the socket itself, without waking anyone, as long as nothing waits. Only a
//! socket that is full leaves a queue behind, which the connection's own task drains, and folds when
//! much waits. When the queue is full all the same, what it says about rooms is folded by the sender,
//! and where that is not enough told as a resync: a slow client loses nothing, costs bounded memory,
//! and never makes a fast one wait.

use std::{
    borrow::Borrow,
    collections::VecDeque,
    io::{self, ErrorKind, IoSlice},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::Notify;

use super::{
    event::{Form, Id, event},
    folding::{Folding, Space, fold},
    frame::{About, Frame, Shared},
};
use crate::protocol::CloseReason;

/// Most frames written by one system call.
const MAX_PARTS: usize = 16;
/// Parts of an outbox's bounds: from half of them on the connection's task folds; what still fills
/// them all is brought down to three quarters, so that there is room for many frames and not for one.
const PARTS: usize = 8;
const HALF: usize = 4;
const MOST: usize = 6;
const ALL: usize = 8;
/// Time between looks at who wants a sign of life, or shows none.
pub(crate) const TICK: Duration = Duration::from_secs(1);
/// How much longer than the heartbeat a client may be silent.
const PONG_GRACE: Duration = Duration::from_secs(10);

/// The writing half of a connection that never blocks.
pub trait Wire: Send + Sync {
    /// Writes what fits, or says [`ErrorKind::WouldBlock`].
    fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize>;

    /// What the other side reads.
    fn form(&self) -> Form {
        Form::WebSocket
    }
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
    form: Form,
    limits: OutboxLimits,
    state: Mutex<State>,
    /// Told when the connection's task has something to do.
    woken: Notify,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Frame>,
    /// Bytes of the first frame that are written.
    written: usize,
    /// Bytes that wait.
    bytes: usize,
    /// Frames queued since it was folded.
    unfolded: usize,
    /// Since when the connection accepts nothing.
    stalled: Option<Instant>,
    sent: Instant,
    heard: Instant,
    pinged: Instant,
    end: Option<CloseReason>,
    /// Whether the client was told how its rooms stand. Only for [`Form::Events`].
    answered: bool,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sent {
    /// Written, or it waits as it is.
    Delivered,
    /// The queue was full, so that its content now waits in another form.
    Folded(Folding),
    /// Nothing goes to this connection any more.
    Ended,
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
            form: wire.form(),
            wire,
            limits,
            state: Mutex::new(State {
                queue: VecDeque::new(),
                written: 0,
                bytes: 0,
                unfolded: 0,
                stalled: None,
                sent: now,
                heard: now,
                pinged: now,
                end: None,
                answered: false,
            }),
            woken: Notify::new(),
        }
    }

    /// Sends a frame, now or when the connection drains.
    pub(crate) fn send(&self, frame: impl Borrow<Frame>, now: Instant) -> Sent {
        let (frame, state) = (frame.borrow(), self.lock());
        match self.form {
            Form::WebSocket => self.put(state, frame, now),
            Form::Events => self.put_event(state, frame, || event(frame, Id::Told), now),
        }
    }

    /// The same for a frame that many are sent.
    pub(super) fn send_shared(&self, shared: &Shared, now: Instant) -> Sent {
        let state = self.lock();
        match self.form {
            Form::WebSocket => self.put(state, &shared.frame, now),
            Form::Events => self.put_event(state, &shared.frame, || shared.event().clone(), now),
        }
    }

    /// Sends bytes that are no message: what belongs to the connection alone.
    pub(crate) fn send_raw(&self, bytes: Bytes, now: Instant) {
        self.put(self.lock(), &Frame::encoded(bytes), now);
    }

    /// Until a client was told how its rooms stand it is in none, and comes back with its own position.
    fn put_event(
        &self,
        mut state: MutexGuard<'_, State>,
        frame: &Frame,
        event_with_id: impl FnOnce() -> Frame,
        now: Instant,
    ) -> Sent {
        match frame.about {
            About::Membership => state.answered = true,
            _ if state.answered => {}
            About::Session | About::Revoked => {
                return self.put(state, &event(frame, Id::Withheld), now);
            }
            About::Changes { .. } | About::Resync(..) => return Sent::Delivered,
        }
        self.put(state, &event_with_id(), now)
    }

    fn put(&self, mut state: MutexGuard<'_, State>, frame: &Frame, now: Instant) -> Sent {
        if state.end.is_some() {
            return Sent::Ended;
        }
        if !state.queue.is_empty() {
            let sent = state.enqueue(frame.clone(), self.form, &self.limits);
            let wants_folding = state.wants_folding(&self.limits);
            drop(state);
            if wants_folding {
                self.woken.notify_one();
            }
            if sent == Sent::Ended {
                // Replies are all that is left: answers to a client that asks and does not listen.
                self.close(CloseReason::SlowConsumer);
            }
            return sent;
        }
        match self.wire.try_write(&[IoSlice::new(&frame.bytes)]) {
            Ok(written) if written == frame.bytes.len() => {
                state.sent = now;
                return Sent::Delivered;
            }
            Ok(written) => state.written = written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => state.end = Some(CloseReason::Normal),
        }
        state.bytes = frame.bytes.len() - state.written;
        state.stalled = Some(now);
        state.queue.push_back(frame.clone());
        drop(state);
        self.woken.notify_one();
        Sent::Delivered
    }

    /// Folds what waits, if that is much. The connection's own task does this in time, so that the
    /// sender, whom everybody waits for, need not.
    pub(crate) fn fold(&self) -> Option<Folding> {
        let mut state = self.lock();
        let wanted = state.wants_folding(&self.limits);
        wanted.then(|| state.fold(self.form, &self.limits, ALL))
    }

    /// Ends the connection, after what already waits if the client reads it.
    pub fn close(&self, reason: CloseReason) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.end = Some(reason);
            if let Some(frame) = self.form.farewell(reason) {
                state.bytes += frame.bytes.len();
                state.queue.push_back(frame);
            }
        }
        drop(state);
        self.woken.notify_one();
    }

    /// Ends the connection without anything that waits, but what is on its way already.
    pub(super) fn cut(&self, reason: CloseReason) {
        let mut state = self.lock();
        if state.end.is_none() {
            let begun = state.begun();
            state.queue.truncate(begun);
            let left = state.queue.front().map_or(0, |frame| frame.bytes.len());
            state.bytes = left - state.written;
        }
        drop(state);
        self.close(reason);
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
            // There is room because the client has taken what was in the way: as good as a pong.
            state.heard = now;
        }
    }

    /// Called every [`TICK`]: a sign of life where one is due, an end where one would be overdue
    /// before the next tick. A client of server-sent events has no way to answer.
    pub(super) fn tick(&self, now: Instant, heartbeat: &Shared, ping: &Frame) {
        let state = self.lock();
        let since = |then: Instant| now.saturating_duration_since(then);
        // Of deadlines so near that every tick comes too close, the tick after them has to do.
        let overdue = |then, allowed: Duration| since(then) + TICK > allowed.max(2 * TICK);
        let stalled = state.stalled;
        let slow = stalled.is_some_and(|stalled| overdue(stalled, self.limits.write_deadline));
        let answers = self.form == Form::WebSocket;
        let silent = answers && overdue(state.heard, self.limits.heartbeat + PONG_GRACE);
        let quiet = state.queue.is_empty() && since(state.sent) >= self.limits.heartbeat;
        let unproven =
            answers && state.queue.is_empty() && since(state.pinged) >= self.limits.heartbeat;
        drop(state);
        if slow {
            self.close(CloseReason::SlowConsumer);
        } else if silent {
            self.close(CloseReason::NoPong);
        }
        if quiet {
            self.send_shared(heartbeat, now);
        }
        if unproven {
            self.lock().pinged = now;
            self.send(ping, now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Queues a frame behind others.
    fn enqueue(&mut self, frame: Frame, form: Form, limits: &OutboxLimits) -> Sent {
        self.bytes += frame.bytes.len();
        self.queue.push_back(frame);
        self.unfolded += 1;
        if !self.is_over(limits, ALL) {
            return Sent::Delivered;
        }
        let outcome = self.fold(form, limits, MOST);
        if self.is_over(limits, ALL) {
            return Sent::Ended;
        }
        Sent::Folded(outcome)
    }

    /// Whether there is much to fold, and enough of it new.
    fn wants_folding(&self, limits: &OutboxLimits) -> bool {
        self.unfolded > limits.frames / PARTS && self.is_over(limits, HALF)
    }

    /// Whether more waits than this part of the bounds, besides the frame that is on its way.
    fn is_over(&self, limits: &OutboxLimits, part: usize) -> bool {
        let begun = self.begun();
        let on_its_way = self.queue.range(..begun).map(|frame| frame.bytes.len());
        let bytes = (self.bytes + self.written).saturating_sub(on_its_way.sum());
        let waits = self.queue.len() - begun;
        waits > limits.frames * part / PARTS || bytes > limits.bytes / PARTS * part
    }

    /// How many frames at the front are partly written: one or none.
    fn begun(&self) -> usize {
        usize::from(self.written > 0)
    }

    /// Folds what waits, down to this part of the bounds if need be.
    fn fold(&mut self, form: Form, limits: &OutboxLimits, part: usize) -> Folding {
        let rest = self.queue.split_off(self.begun());
        let space = Space {
            frames: limits.frames * part / PARTS,
            bytes: limits.bytes / PARTS * part,
            spread_ms: limits.spread.as_millis() as u64,
            form,
        };
        let (frames, outcome) = fold(rest, space);
        self.queue.extend(frames);
        self.unfolded = 0;
        let bytes = self.queue.iter().map(|frame| frame.bytes.len());
        self.bytes = bytes.sum::<usize>() - self.written;
        outcome
    }

    fn parts(&self) -> Vec<IoSlice<'_>> {
        let frames = self.queue.iter().take(MAX_PARTS).enumerate();
        frames
            .map(|(index, frame)| {
                let written = if index == 0 { self.written } else { 0 };
                IoSlice::new(&frame.bytes[written..])
            })
            .collect()
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes = self.bytes.saturating_sub(written);
        written += std::mem::take(&mut self.written);
        while let Some(first) = self.queue.front() {
            if written < first.bytes.len() {
                self.written = written;
                return;
            }
            written -= first.bytes.len();
            self.queue.pop_front();
        }
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
#[path = "outbox_model_tests.rs"]
mod model_tests;
#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
