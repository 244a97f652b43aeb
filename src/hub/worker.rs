//! The task that owns rooms and sessions.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Number;
use tokio::{
    sync::{mpsc, watch},
    task::yield_now,
};
use tokio_util::sync::CancellationToken;

use super::{
    Command, Frame, Outbox, Request,
    frame::About,
    registry::{Registry, SessionKey},
};
use crate::{
    change::ResyncReason,
    interest::Interest,
    invalidation::{CursorText, Flush, Invalidation},
    protocol::{
        CloseReason, ConnectionId, ErrorCode, Limits, RoomStatus, Rooms, ServerMessage, Standing,
    },
    room::{Room, Target},
    status::{DatabaseState, DatabaseStatus},
    telemetry::{Metrics, Reason},
};

/// Deliveries after which other tasks get a turn.
const TURN: usize = 256;
/// Time between looks at who wants a sign of life.
const TICK: Duration = Duration::from_secs(1);

/// What the hub tells clients about itself.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What one connection may send.
    pub limits: Limits,
    /// Time between signs of life.
    pub heartbeat: Duration,
    /// How far clients spread their refetches after a resync.
    pub spread: Duration,
    /// How far clients spread their return after a shutdown.
    pub drain: Duration,
}

/// Rooms, sessions, and the position they are told of.
#[derive(Debug)]
pub struct Hub {
    settings: Settings,
    registry: Registry<Arc<Outbox>>,
    /// `None` until the database has been reached for the first time.
    cursor: Option<CursorText>,
    /// Sessions that came before that.
    early: Vec<Command>,
    /// Since when the database is lost, if it is.
    lost_since: Option<Timestamp>,
    metrics: Metrics,
}

impl Hub {
    /// Nobody is here yet.
    pub fn new(settings: Settings, interest: Interest, metrics: Metrics) -> Self {
        Self {
            settings,
            registry: Registry::new(interest),
            cursor: None,
            early: Vec::new(),
            lost_since: None,
            metrics,
        }
    }

    /// Serves sessions until `stop`, then says goodbye to all. What coalesce flushed before it
    /// stopped is delivered first.
    pub async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut flushes: mpsc::Receiver<Flush>,
        mut status: watch::Receiver<DatabaseStatus>,
        stop: CancellationToken,
    ) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(command) = commands.recv() => self.obey(command),
                Some(flush) = flushes.recv() => self.deliver(flush).await,
                Ok(()) = status.changed() => {
                    let now = status.borrow_and_update().clone();
                    self.tell_database(&now);
                }
                _ = ticks.tick() => self.tick(),
                () = stop.cancelled() => break,
            }
        }
        while let Some(flush) = flushes.recv().await {
            self.deliver(flush).await;
        }
        self.say_goodbye();
        // Sessions still have to take their leave, and those that come too late are sent away.
        while let Some(command) = commands.recv().await {
            match command {
                Command::Join { outbox, .. } => outbox.close(CloseReason::Draining),
                command => self.obey(command),
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match (command, self.cursor.clone()) {
            (command @ Command::Join { .. }, None) => self.early.push(command),
            (Command::Join { key, .. }, Some(_)) if key.is_closed() => {}
            (
                Command::Join {
                    connection,
                    outbox,
                    key,
                },
                Some(cursor),
            ) => {
                self.welcome(&connection, outbox, cursor, key);
            }
            (Command::Leave { key }, _) => drop(self.registry.leave(key)),
            (Command::Request { key, id, request }, cursor) => {
                self.answer(key, id, request, cursor.unwrap_or_default());
            }
        }
        self.measure();
    }

    fn welcome(
        &mut self,
        connection: &ConnectionId,
        outbox: Arc<Outbox>,
        cursor: CursorText,
        key: tokio::sync::oneshot::Sender<SessionKey>,
    ) {
        let joined = self.registry.join(outbox.clone());
        if key.send(joined).is_err() {
            // The session gave up waiting.
            self.registry.leave(joined);
            return;
        }
        let welcome = ServerMessage::Welcome {
            protocol: 1,
            connection,
            cursor,
            heartbeat_ms: self.settings.heartbeat.as_millis() as u64,
            server_time: Timestamp::now(),
            user: None,
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

    fn answer(
        &mut self,
        key: SessionKey,
        id: Option<Number>,
        request: Request,
        cursor: CursorText,
    ) {
        let reply = match request {
            Request::Subscribe { rooms, since } => {
                // Without a position there is nothing to have missed. With one, it would take the
                // log to prove that nothing was.
                let standing = if since.is_some() {
                    Standing::Resync
                } else {
                    Standing::Live
                };
                let rooms = rooms
                    .into_iter()
                    .map(|room| self.subscribe(key, room, standing))
                    .collect();
                ServerMessage::Subscribed { id, cursor, rooms }
            }
            Request::Unsubscribe { rooms } => {
                rooms
                    .iter()
                    .for_each(|room| self.registry.unsubscribe(key, room));
                ServerMessage::Unsubscribed { id, rooms }
            }
            Request::Sync { rooms } => {
                let joined: HashSet<&str> = self.registry.rooms_of(key).map(Room::as_str).collect();
                let rooms =
                    rooms.unwrap_or_else(|| joined.iter().copied().map(str::to_owned).collect());
                let rooms = rooms.into_iter().map(|room| stand(room, &joined)).collect();
                ServerMessage::Synced { id, cursor, rooms }
            }
        };
        if let Some(outbox) = self.registry.session(key) {
            outbox.send(Frame::message(&reply), Instant::now());
        }
    }

    fn subscribe(&mut self, key: SessionKey, name: String, standing: Standing) -> RoomStatus {
        let most = self.settings.limits.rooms;
        match name.parse::<Room>() {
            Err(invalid) => RoomStatus::denied(name, ErrorCode::BadRoom, invalid.to_string()),
            Ok(room) if self.registry.subscribe(key, &room, most) => {
                RoomStatus::joined(name, standing)
            }
            Ok(_) => {
                let message = format!("a connection may be in {most} rooms: leave some first");
                RoomStatus::denied(name, ErrorCode::LimitExceeded, message)
            }
        }
    }

    async fn deliver(&mut self, flush: Flush) {
        for (target, reason) in &flush.resyncs {
            self.resync(target, *reason, &flush.cursor).await;
        }
        for invalidation in &flush.invalidations {
            self.invalidate(invalidation, &flush.cursor).await;
        }
        self.cursor = Some(flush.then);
        for early in std::mem::take(&mut self.early) {
            self.obey(early);
        }
    }

    async fn invalidate(&self, Invalidation { room, changes }: &Invalidation, cursor: &CursorText) {
        if self.registry.members(room).next().is_none() {
            return;
        }
        let about = About::Room(room.clone(), cursor.clone());
        let cursor = cursor.clone();
        let message = ServerMessage::Invalidate {
            room,
            cursor,
            changes,
        };
        self.send_all(Frame::about(about, &message), self.registry.members(room))
            .await;
    }

    async fn resync(&self, target: &Target, reason: ResyncReason, cursor: &CursorText) {
        let message = |rooms| ServerMessage::Resync {
            rooms,
            reason,
            cursor: cursor.clone(),
            spread_ms: self.settings.spread.as_millis() as u64,
        };
        if *target == Target::every() {
            let frame = Frame::about(About::EveryRoom(cursor.clone()), &message(Rooms::Every));
            return self.send_all(frame, self.registry.sessions()).await;
        }
        for room in self.registry.covered(target) {
            let about = About::Room(room.clone(), cursor.clone());
            let frame = Frame::about(about, &message(Rooms::Named(vec![room.clone()])));
            self.send_all(frame, self.registry.members(&room)).await;
        }
    }

    async fn send_all(&self, frame: Frame, members: impl Iterator<Item = &Arc<Outbox>>) {
        let now = Instant::now();
        let (mut delivered, mut folded) = (0, 0);
        for (index, outbox) in members.enumerate() {
            if outbox.send(frame.clone(), now) {
                delivered += 1;
            } else {
                folded += 1;
            }
            if index % TURN == TURN - 1 {
                yield_now().await;
            }
        }
        self.metrics.frames.inc();
        self.metrics.deliveries.inc_by(delivered);
        self.metrics
            .delivered_bytes
            .inc_by(delivered * frame.bytes.len() as u64);
        if folded > 0 {
            let reason = Reason::new(ResyncReason::SlowConsumer.as_str());
            self.metrics.resyncs.get_or_create(&reason).inc_by(folded);
        }
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
        let (frame, now) = (Frame::message(&message), Instant::now());
        for outbox in self.registry.sessions() {
            outbox.send(frame.clone(), now);
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
        let heartbeat = Frame::message(&ServerMessage::Heartbeat {
            cursor,
            server_time,
        });
        let (ping, now) = (Frame::ping(), Instant::now());
        self.registry
            .sessions()
            .for_each(|outbox| outbox.tick(now, &heartbeat, &ping));
    }

    /// Sends everybody away, each with another time to come back.
    fn say_goodbye(&mut self) {
        for early in self.early.drain(..) {
            if let Command::Join { outbox, .. } = early {
                outbox.close(CloseReason::Draining);
            }
        }
        let now = Instant::now();
        let spread = self.settings.drain.max(TICK).as_millis() as u64;
        for outbox in self.registry.sessions() {
            let goodbye = ServerMessage::Goodbye {
                code: CloseReason::Draining.code(),
                reason: CloseReason::Draining.as_str(),
                retry_after_ms: fastrand::u64(..spread),
            };
            outbox.send(Frame::message(&goodbye), now);
            outbox.close(CloseReason::Draining);
        }
    }

    fn measure(&self) {
        let (_, rooms, subscribers) = self.registry.size();
        self.metrics.rooms.set(rooms as i64);
        self.metrics.subscribers.set(subscribers as i64);
    }
}

/// How a room stands for a client that asks what it missed.
fn stand(room: String, joined: &HashSet<&str>) -> RoomStatus {
    if joined.contains(room.as_str()) {
        RoomStatus::joined(room, Standing::Resync)
    } else {
        RoomStatus::denied(
            room,
            ErrorCode::BadRoom,
            "not a room of this connection: subscribe to it",
        )
    }
}
