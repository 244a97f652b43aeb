//! The task that owns rooms and sessions.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, watch},
    task::yield_now,
    time::sleep_until,
};
use tokio_util::sync::CancellationToken;

use super::{
    Command, Frame, Outbox,
    asking::Asking,
    drain::Drain,
    frame::Shared,
    memory::{Memory, MemoryLimits},
    outbox::{Sent, TICK},
    recheck::Rechecks,
    registry::{Registry, SessionKey},
    replay::Replays,
    resume::Resumes,
};
use crate::{
    access::{Guard, Identity},
    change::ResyncReason,
    history::Questions,
    interest::Interest,
    invalidation::{CursorText, Flush, Invalidation},
    protocol::{CloseReason, ConnectionId, Limits, Rooms, ServerMessage},
    room::{Room, Target},
    status::{DatabaseState, DatabaseStatus},
    telemetry::Metrics,
};

/// Deliveries after which other tasks get a turn.
const TURN: usize = 256;

/// What the hub tells clients about itself.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What one connection may send.
    pub limits: Limits,
    /// Time between signs of life.
    pub heartbeat: Duration,
    /// How far clients spread their refetches after a resync.
    pub spread: Duration,
    /// Whether a position proves anything: not where changes are stored nowhere.
    pub provable: bool,
    /// How long what was told is remembered.
    pub resume_window: Duration,
    /// Most changes that are remembered, and as many rooms that nobody is in.
    pub resume_entries: usize,
    /// Most rooms for which clients wait for the log.
    pub resume_waiting: usize,
    /// Most entities told again one by one, per room.
    pub replay: usize,
    /// Time for sending everybody away, and how far clients spread their return.
    pub drain: Duration,
}

/// Rooms, sessions, and the position they are told of.
#[derive(Debug)]
pub struct Hub {
    pub(super) settings: Settings,
    pub(super) registry: Registry<Arc<Outbox>>,
    /// What was told lately.
    pub(super) memory: Memory,
    /// What was answered since the last change.
    pub(super) replays: Replays,
    /// Those who wait for the log.
    pub(super) resumes: Resumes,
    /// `None` until the database has been reached for the first time.
    pub(super) cursor: Option<CursorText>,
    /// Sessions that came before that.
    early: Vec<Command>,
    /// Since when the database is lost, if it is.
    lost_since: Option<Timestamp>,
    /// Who is still to be sent away, once the daemon stops.
    drain: Option<Drain>,
    /// Who may be where.
    pub(super) guard: Guard,
    /// Rooms whose members were asked about again a moment ago.
    pub(super) rechecks: Rechecks,
    /// Sessions about which the database is being asked.
    pub(super) asking: Asking,
    pub(super) metrics: Metrics,
}

impl Hub {
    /// Nobody is here yet.
    pub fn new(
        settings: Settings,
        interest: Interest,
        questions: Questions,
        guard: Guard,
        metrics: Metrics,
    ) -> Self {
        let limits = MemoryLimits {
            window: settings.resume_window,
            entries: settings.resume_entries,
            entities_per_room: settings.replay,
        };
        let mut memory = Memory::new(limits, interest);
        memory.enter(&Room::of_access());
        Self {
            settings,
            registry: Registry::new(),
            memory,
            replays: Replays::default(),
            resumes: Resumes::new(questions, settings.resume_waiting),
            cursor: None,
            early: Vec::new(),
            lost_since: None,
            drain: None,
            guard,
            rechecks: Rechecks::default(),
            asking: Asking::new(),
            metrics,
        }
    }

    /// Serves sessions. From `drain` on everybody is sent away, each at a time of its own and served
    /// until then, after what was flushed before is delivered. Runs until it is aborted.
    pub async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut flushes: mpsc::Receiver<Flush>,
        mut status: watch::Receiver<DatabaseStatus>,
        drain: CancellationToken,
    ) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(command) = commands.recv() => self.obey(command),
                Some(flush) = flushes.recv() => self.deliver(flush).await,
                (asked, answer) = self.resumes.answered() => self.conclude(asked, answer),
                Ok(()) = status.changed() => {
                    let now = status.borrow_and_update().clone();
                    self.tell_database(&now);
                }
                _ = ticks.tick() => self.tick(),
                () = drain.cancelled(), if self.drain.is_none() => {
                    while let Ok(flush) = flushes.try_recv() {
                        self.deliver(flush).await;
                    }
                    self.begin_drain();
                }
                () = turn(self.drain.as_ref()) => self.say_goodbye(),
                () = self.rechecks.due() => self.recheck_due(),
                found = self.asking.found() => self.heed_found(found),
            }
        }
    }

    fn obey(&mut self, command: Command) {
        self.forget_unheard();
        match (command, self.cursor.clone()) {
            (Command::Join { outbox, .. }, _) if self.drain.is_some() => {
                send_away(&outbox, self.settings.drain);
            }
            (command @ Command::Join { .. }, None) => self.early.push(command),
            (Command::Join { key, .. }, Some(_)) if key.is_closed() => {}
            (
                Command::Join {
                    connection,
                    identity,
                    outbox,
                    key,
                },
                Some(cursor),
            ) => {
                self.welcome(&connection, identity, outbox, cursor, key);
            }
            (Command::Identify { key, id, identity }, _) => self.identify(key, id, identity),
            (Command::Heed { rooms, heeded }, _) => {
                self.listen_to(&rooms);
                // Whoever asked may have left.
                let _ = heeded.send(());
            }
            (Command::Leave { key }, _) => self.leave(key),
            (Command::Request { key, id, request }, _) => self.answer(key, id, request),
        }
        self.measure();
    }

    fn leave(&mut self, key: SessionKey) {
        self.resumes.leave(key);
        self.asking.stop(key);
        for room in self.registry.leave(key) {
            self.memory.leave(&room, Instant::now());
        }
    }

    fn welcome(
        &mut self,
        connection: &ConnectionId,
        identity: Option<Identity>,
        outbox: Arc<Outbox>,
        cursor: CursorText,
        key: tokio::sync::oneshot::Sender<SessionKey>,
    ) {
        let joined = self.registry.join(outbox.clone());
        if key.send(joined).is_err() {
            // The session gave up waiting.
            self.leave(joined);
            return;
        }
        if let Some(identity) = &identity {
            if self.guard.is_revoked(identity) {
                return outbox.cut(CloseReason::Revoked);
            }
            self.registry.identify(joined, identity.clone());
        }
        let user = identity.as_ref().map(|identity| &**identity.user());
        let welcome = ServerMessage::Welcome {
            protocol: 1,
            connection,
            cursor,
            heartbeat_ms: self.settings.heartbeat.as_millis() as u64,
            server_time: Timestamp::now(),
            user,
            limits: self.settings.limits,
        };
        outbox.send(Frame::message(&welcome), Instant::now());
        if let Some(since) = self.lost_since {
            outbox.send(
                Frame::message(&ServerMessage::Stale { since }),
                Instant::now(),
            );
        }
    }

    async fn deliver(&mut self, flush: Flush) {
        self.replays.clear();
        self.memory.advance(&flush.reached, Instant::now());
        // Before anything else is told: nobody is told what they may not see any more.
        self.heed_access(&flush);
        for (target, reason) in &flush.resyncs {
            self.resync(target, *reason, &flush.cursor).await;
            self.memory.record_resync(target, *reason);
        }
        let heard = |told: &Invalidation| self.registry.members(&told.room).next().is_some();
        let last = flush.invalidations.iter().rposition(heard);
        for (index, told) in flush.invalidations.into_iter().enumerate() {
            // Whoever is told the last of them has been told all of them.
            let is_last = Some(index) == last;
            let cursor = if is_last { &flush.then } else { &flush.cursor };
            let told = Arc::new(told);
            self.invalidate(&told, cursor).await;
            self.watch(&told);
            // A copy only where somebody reads so slowly that it waits.
            let Invalidation { room, changes } = Arc::unwrap_or_clone(told);
            self.memory.record(&room, changes);
            if index % TURN == TURN - 1 {
                yield_now().await;
            }
        }
        self.cursor = Some(flush.then);
        for early in std::mem::take(&mut self.early) {
            self.obey(early);
        }
        self.measure();
    }

    async fn invalidate(&self, told: &Arc<Invalidation>, cursor: &CursorText) {
        if self.registry.members(&told.room).next().is_none() {
            return;
        }
        let frame = Frame::invalidate(told.clone(), cursor.clone());
        self.send_all(frame, self.registry.members(&told.room))
            .await;
    }

    async fn resync(&self, target: &Target, reason: ResyncReason, cursor: &CursorText) {
        let spread_ms = self.settings.spread.as_millis() as u64;
        let frame = |rooms| Frame::resync(rooms, reason, cursor.clone(), spread_ms);
        if *target == Target::every() {
            let every = self.registry.sessions();
            return self.send_all(frame(Rooms::Every), every).await;
        }
        for room in self.registry.covered(target) {
            let named = frame(Rooms::Named(vec![room.clone()]));
            self.send_all(named, self.registry.members(&room)).await;
        }
    }

    async fn send_all(&self, frame: Frame, members: impl Iterator<Item = &Arc<Outbox>>) {
        let (frame, now) = (Shared::new(frame), Instant::now());
        let mut delivered = 0;
        for (index, outbox) in members.enumerate() {
            match outbox.send_shared(&frame, now) {
                Sent::Delivered => delivered += 1,
                Sent::Folded(folding) => {
                    delivered += 1;
                    folding.count(&self.metrics);
                }
                Sent::Ended => {}
            }
            if index % TURN == TURN - 1 {
                yield_now().await;
            }
        }
        self.metrics.frames.inc();
        self.metrics.deliveries.inc_by(delivered);
        self.metrics
            .delivered_bytes
            .inc_by(delivered * frame.frame.bytes.len() as u64);
    }

    /// Tells everybody that the database was lost, or is back.
    fn tell_database(&mut self, status: &DatabaseStatus) {
        let lost = (status.state == DatabaseState::Lost).then_some(status.since);
        let was_lost = std::mem::replace(&mut self.lost_since, lost);
        let message = match (was_lost, lost, self.cursor.clone()) {
            (None, Some(since), _) => ServerMessage::Stale { since },
            (Some(_), None, Some(cursor)) => ServerMessage::Fresh { cursor },
            _ => return,
        };
        let (frame, now) = (Shared::new(Frame::message(&message)), Instant::now());
        for outbox in self.registry.sessions() {
            outbox.send_shared(&frame, now);
        }
    }

    fn tick(&mut self) {
        // Sessions that gave up waiting let go of their sockets.
        self.early
            .retain(|early| !matches!(early, Command::Join { key, .. } if key.is_closed()));
        let Some(cursor) = self.cursor.clone() else {
            return;
        };
        let server_time = Timestamp::now();
        let heartbeat = Shared::new(Frame::message(&ServerMessage::Heartbeat {
            cursor,
            server_time,
        }));
        let (ping, now) = (Frame::ping(), Instant::now());
        self.registry
            .sessions()
            .for_each(|outbox| outbox.tick(now, &heartbeat, &ping));
    }

    fn begin_drain(&mut self) {
        let sessions = self.registry.keys();
        self.drain = Some(Drain::new(sessions, self.settings.drain, Instant::now()));
        for early in self.early.drain(..) {
            if let Command::Join { outbox, .. } = early {
                send_away(&outbox, self.settings.drain);
            }
        }
    }

    /// Sends away whose turn has come.
    fn say_goodbye(&mut self) {
        let now = Instant::now();
        while let Some(farewell) = self.drain.as_mut().and_then(|drain| drain.due(now)) {
            if let Some(outbox) = self.registry.session(farewell.key) {
                self.metrics.goodbyes.inc();
                outbox.send(
                    Frame::goodbye(CloseReason::Draining, farewell.retry_after),
                    now,
                );
                outbox.close(CloseReason::Draining);
            }
        }
    }

    fn measure(&self) {
        let (_, rooms, subscribers) = self.registry.size();
        self.metrics.rooms.set(rooms as i64);
        self.metrics.subscribers.set(subscribers as i64);
        let (changes, rooms) = self.memory.size();
        self.metrics.remembered_changes.set(changes as i64);
        self.metrics.remembered_rooms.set(rooms as i64);
    }
}

/// When somebody has to be sent away.
async fn turn(drain: Option<&Drain>) {
    match drain.and_then(Drain::next) {
        Some(next) => sleep_until(next.into()).await,
        None => std::future::pending().await,
    }
}

/// Says goodbye to somebody who comes while everybody leaves.
fn send_away(outbox: &Outbox, drain: Duration) {
    outbox.send(Frame::goodbye_within(drain), Instant::now());
    outbox.close(CloseReason::Draining);
}
