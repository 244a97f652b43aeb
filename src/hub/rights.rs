//! Who may stay where they are, and whether a decision about somebody still holds when they come.

use std::time::Instant;

use super::{
    Decided, Frame, Hub,
    asking::{Found, Verdict},
    registry::SessionKey,
};
use crate::{
    access::Decision,
    invalidation::{Folded, Invalidation},
    protocol::{ErrorCode, RoomStatus, ServerMessage, retry_after_ms},
    room::{Room, Target},
};

/// Rooms that a session asks for, and how those stand that it may not join.
type Asked = Vec<Result<String, RoomStatus>>;

impl Hub {
    /// Takes a session out of a room, and says so. Nothing of it is told to the session after that.
    pub(super) fn expel(&mut self, key: SessionKey, room: &Room, code: ErrorCode) {
        if !self.registry.is_in(key, room) {
            return;
        }
        if let Some(empty) = self.registry.unsubscribe(key, room.as_str()) {
            self.memory.leave(&empty, Instant::now());
        }
        let retry_after_ms = retry_after_ms(code);
        let revoked = ServerMessage::Revoked {
            room,
            code,
            retry_after_ms,
        };
        self.send(key, Frame::message(&revoked));
        self.count_revocation("room");
    }

    /// Has the members of a room asked about again, if what is told there may change who they are.
    pub(super) fn watch(&mut self, told: &Invalidation) {
        if !self.guard.watches() {
            return;
        }
        let rechecks = |change: &Folded| self.guard.rechecks(&told.room, Some(&change.events));
        if told.changes.iter().any(rechecks) {
            self.recheck(&told.room);
        }
    }

    /// A resync may stand for any event, also in rooms that nobody is in now.
    pub(super) fn watch_resync(&mut self, target: &Target) {
        if !self.guard.watches() {
            return;
        }
        self.guard.forget_all();
        for room in self.registry.covered(target) {
            if self.guard.rechecks(&room, None) {
                self.recheck(&room);
            }
        }
    }

    /// Whoever asks to join from now on is asked about anew; members are as soon as it is time. Those of the
    /// room where access itself is told are everybody.
    pub(super) fn recheck(&mut self, room: &Room) {
        match *room == Room::of_access() {
            true => self.guard.forget_all(),
            false => self.guard.forget_room(room),
        }
        if self.rechecks.want(room, Instant::now()) {
            self.recheck_members(room);
        }
    }

    /// Looks again at rooms that were looked at a moment before something else happened there.
    pub(super) fn recheck_due(&mut self) {
        let now = Instant::now();
        for room in self.rechecks.take_due(now) {
            self.rechecks.want(&room, now);
            self.recheck_members(&room);
        }
    }

    fn recheck_members(&mut self, room: &Room) {
        if *room == Room::of_access() {
            // Claims say today what they said before.
            if !self.guard.asks() {
                return;
            }
            let every: Vec<SessionKey> = self.registry.keys().collect();
            for key in every {
                self.recheck_session(key, self.registry.rooms_of(key).cloned().collect());
            }
            return;
        }
        for key in self.registry.everyone_in(room).to_vec() {
            self.recheck_session(key, vec![room.clone()]);
        }
    }

    /// Takes a session out of those rooms that it may not be in any more: at once where its claims say so, and
    /// where the database has to be asked as soon as it answers.
    pub(super) fn recheck_session(&mut self, key: SessionKey, rooms: Vec<Room>) {
        let identity = self.registry.identity(key).cloned();
        let mut asked = Vec::new();
        for room in rooms {
            match self.guard.decide(identity.as_ref(), &room) {
                Decision::Allow => {}
                Decision::Deny => self.expel(key, &room, ErrorCode::Forbidden),
                Decision::Ask(_) => asked.push(room),
            }
        }
        if let Some(identity) = &identity {
            self.asking.ask(key, &self.guard, identity, asked);
        }
    }

    /// Does what the answers of the database make necessary.
    pub(super) fn heed_found(&mut self, found: Found) {
        match self.asking.heed(found) {
            Some(Verdict::Expel(key, room, code)) => self.expel(key, &room, code),
            Some(Verdict::Again(key, rooms)) => self.recheck_session(key, rooms),
            None => {}
        }
    }

    /// Hears of rooms that somebody may join soon. Asked after that, the database knows of everything that was
    /// passed over until now, and what it does not know yet is heard.
    pub(super) fn listen_to(&mut self, rooms: &[Room]) {
        for room in rooms {
            self.memory.enter(room);
            if self.registry.everyone_in(room).is_empty() {
                self.memory.leave(room, Instant::now());
            }
        }
    }

    /// What was answered about a room of which nothing is heard any more may not hold when it is heard of again.
    pub(super) fn forget_unheard(&mut self) {
        for room in self.memory.take_unheard() {
            if self.guard.rechecks(&room, None) {
                self.guard.forget_room(&room);
            }
        }
    }

    /// The rooms that a session asks for, unless access to one of them has changed since that was decided: then it
    /// is to decide once more.
    pub(super) fn still_decided(
        &self,
        key: SessionKey,
        rooms: Asked,
        decided: Decided,
    ) -> Option<Asked> {
        let Decided { changes, again } = decided;
        if changes == self.guard.changes() {
            return Some(rooms);
        }
        let identity = self.registry.identity(key);
        let is_stale = |name: &str| {
            name.parse().is_ok_and(|room: Room| {
                self.guard.is_stale(changes, &room)
                    && self.guard.decide(identity, &room) != Decision::Allow
            })
        };
        let is_any = rooms.iter().flatten().any(|name| is_stale(name));
        match again {
            Some(again) if is_any => {
                // A session that does not wait for it has left.
                let _ = again.send(());
                None
            }
            _ => {
                let undecided = |name| RoomStatus::undecided(name, ErrorCode::NotReady);
                let rooms = rooms.into_iter().map(|room| match room {
                    Ok(name) if is_stale(&name) => Err(undecided(name)),
                    other => other,
                });
                Some(rooms.collect())
            }
        }
    }
}
