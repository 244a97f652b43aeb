//! What the hub answers to the requests of a session.

use std::time::Instant;

use serde_json::Number;

use super::{
    Frame, Hub, Request,
    log::Log,
    registry::{SessionKey, Subscribed},
    replay::{Entered, Replays, Told, statuses, unprovable},
    resume::{Asked, Reply},
};
use crate::{
    change::ResyncReason,
    cursor::Cursor,
    history::Answer,
    invalidation::CursorText,
    protocol::{ErrorCode, RoomStatus, ServerMessage, Standing},
    room::Room,
    telemetry::Reason,
};

impl Hub {
    pub(super) fn answer(&mut self, key: SessionKey, id: Option<Number>, request: Request) {
        match request {
            Request::Subscribe {
                rooms,
                since,
                decided,
            } => {
                let Some(rooms) = self.still_decided(key, rooms, decided) else {
                    return;
                };
                let mut new = Vec::new();
                let rooms = rooms.into_iter();
                let rooms = rooms.map(|room| self.enter(key, room?, &mut new));
                let rooms: Vec<Entered> = rooms.collect();
                self.resume(key, id, Reply::Subscribed, rooms, since, new);
            }
            Request::Unsubscribe { rooms } => {
                for room in &rooms {
                    if let Some(empty) = self.registry.unsubscribe(key, room) {
                        self.memory.leave(&empty, Instant::now());
                    }
                }
                self.send(
                    key,
                    Frame::message(&ServerMessage::Unsubscribed { id, rooms }),
                );
            }
            Request::Sync { since, rooms } => {
                let rooms = match rooms {
                    Some(names) => names
                        .into_iter()
                        .map(|name| self.entered(key, name))
                        .collect(),
                    None => self.registry.rooms_of(key).cloned().map(Ok).collect(),
                };
                self.resume(key, id, Reply::Synced, rooms, Some(since), Vec::new());
            }
        }
    }

    /// Answers those who waited for the log.
    pub(super) fn conclude(&mut self, asked: Vec<Asked>, answer: Option<Answer>) {
        self.metrics.history_reads.inc();
        let asked = asked.into_iter().map(|asked| self.still_in(asked));
        let asked: Vec<Asked> = asked.collect();
        let Some(answer) = answer else {
            for asked in asked {
                match asked.since {
                    Some(_) => self.unproven(asked, "the log cannot be read now"),
                    None => self.live(asked),
                }
            }
            return;
        };
        let elsewhere = !self.memory.is_of(&answer.epoch);
        let log = Log::new(answer.changes);
        let most = self.settings.replay;
        // Not shared with those who come later: they may have missed what was told since the log was read.
        let mut replays = Replays::default();
        for asked in asked {
            let (Some(since), Some(position)) = (&asked.since, asked.position) else {
                self.live(asked);
                continue;
            };
            let proven = answer.proven.get(position).copied();
            let proven = proven.unwrap_or(Err(ResyncReason::Gap));
            match proven {
                // The connection that looks back may have been to another server than the one that reads on.
                Ok(()) if elsewhere => self.unproven(asked, unprovable(ResyncReason::Epoch)),
                Err(reason) => self.unproven(asked, unprovable(reason)),
                Ok(()) => {
                    for room in &asked.deferred {
                        self.registry.admit(asked.key, room);
                    }
                    let missed = |room: &Room| {
                        let meanwhile = self.memory.missed(room, asked.asked_at);
                        log.missed(room, since, most).and(meanwhile, most)
                    };
                    let (here, before) = (self.position(), self.before(since));
                    let told = replays.tell(asked.rooms, &asked.text, &before, &here, missed);
                    self.tell(asked.key, asked.id, asked.reply, told);
                }
            }
        }
    }

    /// Answers a client that asks about no past.
    fn live(&mut self, asked: Asked) {
        self.admit(&asked);
        let live = |room: &Room| RoomStatus::joined(room.as_str().to_owned(), Standing::Live);
        let rooms = statuses(asked.rooms, live);
        self.reply(asked.key, asked.id, asked.reply, self.position(), rooms);
    }

    /// Where a client that was at `since` is until it has been told what it missed: its other rooms
    /// may still be behind that.
    fn before(&self, since: &Cursor) -> CursorText {
        let here = self.position().parse::<Cursor>();
        here.map_or_else(
            |_| self.position(),
            |here| since.meet(&here).to_string().into(),
        )
    }

    /// Passes over the rooms that a client has left while it waited.
    fn still_in(&self, mut asked: Asked) -> Asked {
        let rooms = asked.rooms.into_iter().map(|room| {
            let name = room?.as_str().to_owned();
            self.entered(asked.key, name)
        });
        asked.rooms = rooms.collect();
        asked
    }

    fn admit(&mut self, asked: &Asked) {
        for room in &asked.deferred {
            self.registry.admit(asked.key, room);
        }
    }

    fn enter(&mut self, key: SessionKey, name: String, new: &mut Vec<Room>) -> Entered {
        let most = self.settings.limits.rooms;
        let Ok(room) = name.parse::<Room>() else {
            return self.entered(key, name);
        };
        // Nobody gets here with one; should somebody, what the daemon is told stays its own.
        if room.is_reserved() {
            return Err(RoomStatus::forbidden(name));
        }
        match self.registry.subscribe(key, &room, most) {
            Subscribed::Newly => {
                self.memory.enter(&room);
                self.asking.decided(key, &room);
                new.push(room.clone());
            }
            Subscribed::Already => {}
            Subscribed::Full => {
                let message = format!("a connection may be in {most} rooms: leave some first");
                return Err(RoomStatus::denied(name, ErrorCode::LimitExceeded, message));
            }
        }
        Ok(room)
    }

    fn entered(&self, key: SessionKey, name: String) -> Entered {
        match name.parse::<Room>() {
            Ok(room) if self.registry.is_in(key, &room) => Ok(room),
            Ok(_) => {
                let message = "not a room of this connection: subscribe to it";
                Err(RoomStatus::denied(name, ErrorCode::BadRoom, message))
            }
            Err(invalid) => Err(RoomStatus::denied(
                name,
                ErrorCode::BadRoom,
                invalid.to_string(),
            )),
        }
    }

    /// Tells a client what it missed: from memory, else from the log, else to fetch everything again.
    /// What it asks while it waits is answered in turn.
    fn resume(
        &mut self,
        key: SessionKey,
        id: Option<Number>,
        reply: Reply,
        rooms: Vec<Entered>,
        since: Option<String>,
        new: Vec<Room>,
    ) {
        let parsed = since.as_deref().map(str::parse::<Cursor>).transpose();
        let asked = Asked {
            key,
            id,
            reply,
            rooms,
            text: since.unwrap_or_default().into(),
            since: parsed.clone().ok().flatten(),
            position: None,
            deferred: new,
            asked_at: self.memory.here(),
        };
        if let Err(invalid) = parsed {
            return self.unproven(asked, &invalid.to_string());
        }
        if self.resumes.is_waiting(key) {
            return self.wait(asked);
        }
        let Some(since) = &asked.since else {
            return self.live(asked);
        };
        if !self.settings.provable {
            return self.unproven(asked, "this daemon stores no changes");
        }
        let mut rooms = asked.rooms.iter().flatten();
        let place = self.memory.place(since);
        match place.filter(|place| rooms.all(|room| self.memory.knows(room, *place))) {
            Some(place) => {
                let (here, before) = (self.position(), self.before(since));
                let missed = |room: &Room| self.memory.missed(room, place);
                let told = self
                    .replays
                    .tell(asked.rooms, &asked.text, &before, &here, missed);
                self.tell(key, asked.id, reply, told);
            }
            // There is nothing to look up.
            None if asked.rooms.iter().flatten().next().is_none() => self.live(asked),
            None => self.wait(asked),
        }
    }

    /// Lets a client wait for the log. What it is told meanwhile follows the answer.
    fn wait(&mut self, asked: Asked) {
        for room in &asked.deferred {
            self.registry.defer(asked.key, room);
        }
        let limits = &self.settings.limits;
        let most = limits.rooms.saturating_add(limits.rooms_per_message);
        if let Some(asked) = self.resumes.wait(asked, most) {
            self.unproven(asked, "too many clients come back at once");
        }
    }

    fn tell(&self, key: SessionKey, id: Option<Number>, reply: Reply, told: Told) {
        for status in &told.rooms {
            self.count(status.status);
        }
        self.reply(key, id, reply, told.cursor, told.rooms);
        for frame in told.frames {
            self.send(key, frame);
        }
    }

    fn unproven(&mut self, asked: Asked, why: &str) {
        self.admit(&asked);
        let rooms = statuses(asked.rooms, |room| self.unproven_room(room, why));
        self.reply(asked.key, asked.id, asked.reply, self.position(), rooms);
    }

    fn unproven_room(&self, room: &Room, why: &str) -> RoomStatus {
        self.count(Standing::Resync);
        RoomStatus::unproven(room.as_str().to_owned(), why)
    }

    fn reply(
        &self,
        key: SessionKey,
        id: Option<Number>,
        reply: Reply,
        cursor: CursorText,
        rooms: Vec<RoomStatus>,
    ) {
        let message = match reply {
            Reply::Subscribed => ServerMessage::Subscribed { id, cursor, rooms },
            Reply::Synced => ServerMessage::Synced { id, cursor, rooms },
        };
        self.send(key, Frame::message(&message));
    }

    pub(super) fn send(&self, key: SessionKey, frame: Frame) {
        if let Some(outbox) = self.registry.session(key) {
            outbox.send(frame, Instant::now());
        }
    }

    /// Where sessions that have seen everything are.
    fn position(&self) -> CursorText {
        self.cursor.clone().unwrap_or_default()
    }

    fn count(&self, standing: Standing) {
        let outcome = match standing {
            Standing::Live => "live",
            Standing::Replayed => "replayed",
            Standing::Resync => "resync",
            Standing::Denied => "denied",
        };
        self.metrics
            .resumes
            .get_or_create(&Reason::new(outcome))
            .inc();
    }
}
