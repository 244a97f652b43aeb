//! What was committed, asked and told, in the order in which the test saw it, and what of that may not be.
//!
//! Nothing here is about time: each judgement names what had been committed, or heard by a witness, before
//! something else was asked or begun.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::client::text_of;

pub(super) type User = &'static str;
pub(super) const USERS: [User; 3] = ["1", "2", "3"];

#[derive(Default)]
pub(super) struct Journal {
    clock: u64,
    rooms: BTreeMap<String, Room>,
    sessions: Vec<Session>,
    /// Users who were sent away, and between which moments that was committed.
    revoked: Vec<(String, u64, u64)>,
    /// Rooms that those are about to be taken out of who have lost the right.
    settling: BTreeSet<String>,
    /// Breaches of the promise.
    pub(super) wrong: Vec<String>,
    pub(super) counts: BTreeMap<&'static str, usize>,
}

#[derive(Default)]
struct Room {
    writes: Vec<Write>,
    /// What a witness had heard at which moment: every write up to this one.
    heard: Vec<(u64, usize)>,
}

/// One transaction that tells the room its number, and may change who has the right to be there.
#[derive(Clone, Default)]
pub(super) struct Write {
    /// Who has the right from then on; in rooms of claims, nobody is named.
    pub(super) owner: Option<User>,
    /// Who is taken out of the room by it.
    pub(super) leaves: Option<User>,
    /// Made when everybody without the right had left the room.
    pub(super) quiet: bool,
    pub(super) begun: u64,
}

struct Session {
    user: String,
    identified: Option<u64>,
    over: bool,
    stores: BTreeSet<u8>,
    /// When the token with these stores was sent, and when it was accepted.
    stores_since: (u64, u64),
    tokens: BTreeMap<u64, (u64, BTreeSet<u8>)>,
    asked: BTreeMap<u64, Asked>,
    rooms: BTreeMap<String, Stay>,
    /// What it said and heard, for whoever reads of a failure.
    trail: Vec<String>,
}

struct Asked {
    at: u64,
    rooms: Vec<String>,
    /// Where the client was before, if it comes back with its position.
    before: Option<usize>,
}

/// A session is in a room.
#[derive(Clone)]
struct Stay {
    asked: u64,
    begun: u64,
    /// Since when everything has to be told.
    owed: u64,
    resynced: u64,
    told: BTreeSet<usize>,
}

impl Journal {
    pub(super) fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Something is about to be written to a room; returns its number.
    pub(super) fn writes(&mut self, room: &str, write: Write) -> usize {
        let begun = self.tick();
        self.count("written");
        let room = self.rooms.entry(room.into()).or_default();
        room.writes.push(Write { begun, ..write });
        if room.heard.is_empty() {
            room.heard.push((0, 0));
        }
        room.writes.len() - 1
    }

    pub(super) fn owner(&self, room: &str) -> Option<User> {
        self.rooms[room].writes.last().and_then(|write| write.owner)
    }

    /// The daemon has told something that was committed later.
    pub(super) fn heard(&mut self, room: &str, number: usize) -> u64 {
        let at = self.tick();
        let room = self.rooms.get_mut(room).expect("a room");
        room.heard.push((at, number));
        at
    }

    pub(super) fn revoked(&mut self, user: &str, begun: u64) {
        let committed = self.tick();
        self.revoked.push((user.into(), begun, committed));
    }

    pub(super) fn enters(&mut self, user: &str) -> usize {
        self.sessions.push(Session {
            user: user.into(),
            identified: None,
            over: false,
            stores: BTreeSet::new(),
            stores_since: (0, 0),
            tokens: BTreeMap::new(),
            asked: BTreeMap::new(),
            rooms: BTreeMap::new(),
            trail: Vec::new(),
        });
        self.count("sessions");
        self.sessions.len() - 1
    }

    pub(super) fn leaves(&mut self, session: usize) {
        self.sessions[session].over = true;
    }

    pub(super) fn is_over(&self, session: usize) -> bool {
        self.sessions[session].over
    }

    /// A token is sent, in whichever way; its number comes back with the answer.
    pub(super) fn shows(&mut self, session: usize, stores: BTreeSet<u8>) -> u64 {
        let at = self.tick();
        self.sessions[session].tokens.insert(at, (at, stores));
        at
    }

    pub(super) fn accepted(&mut self, session: usize, id: u64) {
        let now = self.tick();
        let session = &mut self.sessions[session];
        if let Some((sent, stores)) = session.tokens.remove(&id) {
            session.identified.get_or_insert(now);
            session.stores = stores;
            session.stores_since = (sent, now);
        }
    }

    pub(super) fn asks(
        &mut self,
        session: usize,
        rooms: Vec<String>,
        before: Option<usize>,
    ) -> u64 {
        let at = self.tick();
        self.trails(session, format!("> subscribe {at} {rooms:?}"));
        let asked = Asked { at, rooms, before };
        self.sessions[session].asked.insert(at, asked);
        at
    }

    /// From here on, who is in the room without the right stays until taken out of it.
    pub(super) fn settles(&mut self, room: &str) {
        self.settling.insert(room.into());
    }

    pub(super) fn has_settled(&mut self, room: &str) {
        self.count("quiet");
        self.settling.remove(room);
    }

    /// Whether a session may hang up: not while it is waited for that it is taken out of a room.
    pub(super) fn may_leave(&self, session: usize) -> bool {
        self.rooms_to_leave(session).len() == self.sessions[session].rooms.len()
    }

    pub(super) fn rooms_to_leave(&self, session: usize) -> Vec<String> {
        let who = &self.sessions[session];
        let stays =
            |room: &&String| self.settling.contains(*room) && self.owner(room) != Some(&*who.user);
        who.rooms
            .keys()
            .filter(|room| !stays(room))
            .cloned()
            .collect()
    }

    /// Whether its owner waits to be let into a room.
    pub(super) fn is_asked(&self, room: &str) -> bool {
        let owner = self.owner(room);
        let mut theirs = self.sessions.iter();
        theirs.any(|session| {
            let asks = |asked: &Asked| asked.rooms.iter().any(|it| it == room);
            let is_owner = Some(&*session.user) == owner && !session.over;
            is_owner && session.asked.values().any(asks)
        })
    }

    /// Whether enough waits for an answer.
    pub(super) fn is_busy(&self, session: usize) -> bool {
        self.sessions[session].asked.len() > 6
    }

    /// Rooms that a session is in, if nothing that it asked for is still to come.
    pub(super) fn settled_rooms(&self, session: usize) -> Vec<String> {
        let session = &self.sessions[session];
        match session.asked.is_empty() {
            true => session.rooms.keys().cloned().collect(),
            false => Vec::new(),
        }
    }

    /// Keeps the last lines of what a session said and heard.
    fn trails(&mut self, session: usize, line: String) {
        let trail = &mut self.sessions[session].trail;
        if trail.len() >= 30 {
            trail.remove(0);
        }
        trail.push(format!("{} {line}", self.clock));
    }

    fn breach(&mut self, session: usize, what: String) {
        let Session { user, trail, .. } = &self.sessions[session];
        let trail = trail.join("\n    ");
        let what = format!("session {session} of {user} {what}\n    {trail}");
        self.wrong.push(what);
    }

    /// Says something that is no question about rooms.
    pub(super) fn says(&mut self, session: usize, message: &Value) {
        self.tick();
        let brief = format!("> {} {}", message["type"], message["rooms"]);
        self.trails(session, brief);
    }

    /// Everything that a session is told comes by here.
    pub(super) fn hears(&mut self, session: usize, message: &Value, id: Option<u64>) {
        let kind = message["type"].as_str().unwrap_or("closed");
        let id = id.or(message["id"].as_u64()).unwrap_or(0);
        let mut brief = message.clone();
        for name in ["cursor", "server_time", "limits"] {
            brief.as_object_mut().and_then(|fields| fields.remove(name));
        }
        self.trails(session, format!("< {brief}"));
        match kind {
            "authenticated" => self.accepted(session, id),
            "subscribed" => self.subscribed(session, id, message),
            "unsubscribed" => {
                for room in message["rooms"].as_array().expect("rooms") {
                    self.sessions[session].rooms.remove(&text_of(room));
                }
            }
            "revoked" => self.expelled(session, message),
            "invalidate" => self.told(session, message),
            "resync" => self.resync(session, &message["rooms"]),
            "synced" => {
                for room in message["rooms"].as_array().expect("rooms") {
                    let name = text_of(&room["room"]);
                    if room["status"] == "resync" && !self.is_coming(session, &name) {
                        self.resynced(session, &name);
                    }
                }
            }
            "error" => {
                self.sessions[session].asked.remove(&id);
                self.sessions[session].tokens.remove(&id);
            }
            "closed" | "goodbye" => self.sessions[session].over = true,
            _ => {}
        }
    }

    fn subscribed(&mut self, session: usize, id: u64, message: &Value) {
        let now = self.tick();
        let Some(asked) = self.sessions[session].asked.remove(&id) else {
            return;
        };
        for status in message["rooms"].as_array().expect("rooms") {
            let room = text_of(&status["room"]);
            match status["status"].as_str() {
                Some("denied") if status["code"] == "forbidden" => {
                    self.denied(session, &room, &asked)
                }
                Some("denied") => self.count("not let in for now"),
                Some(status) => {
                    self.may_join(session, &room, &asked);
                    self.joined(session, &room, &asked, now);
                    if status == "resync" {
                        self.resynced(session, &room);
                    }
                }
                None => self.breach(session, format!("was told no status of {room}")),
            }
        }
    }

    fn joined(&mut self, session: usize, room: &str, asked: &Asked, now: u64) {
        self.count("joined");
        let before = asked.before.and_then(|before| {
            let stay = self.sessions[before].rooms.get(room)?;
            Some((stay.owed, stay.resynced, stay.told.clone()))
        });
        let (owed, resynced, told) = before.unwrap_or((now, 0, BTreeSet::new()));
        let stay = Stay {
            asked: asked.at,
            begun: now,
            owed,
            resynced,
            told,
        };
        let rooms = &mut self.sessions[session].rooms;
        rooms.entry(room.into()).or_insert(stay);
    }

    /// The writes that decide about who asks at a moment: the last of which the daemon had told by then, and all
    /// that began since.
    fn deciding(&self, room: &str, asked: u64) -> &[Write] {
        let Some(room) = self.rooms.get(room) else {
            return &[];
        };
        let heard = room.heard.iter().rev().find(|(at, _)| *at < asked);
        &room.writes[heard.map_or(0, |(_, number)| *number)..]
    }

    fn may_join(&mut self, session: usize, room: &str, asked: &Asked) {
        let who = &self.sessions[session];
        let has_right = match room.strip_prefix("shop_") {
            Some(store) => store.parse().is_ok_and(|store| who.stores.contains(&store)),
            None if room.starts_with("public:") => true,
            None => {
                let mut writes = self.deciding(room, asked.at).iter();
                writes.any(|write| write.owner == Some(&*who.user))
            }
        };
        if !has_right || who.identified.is_none() {
            self.breach(session, format!("joined {room} without the right"));
        }
    }

    fn denied(&mut self, session: usize, room: &str, asked: &Asked) {
        self.count("denied");
        let who = &self.sessions[session];
        let has_right = match room.strip_prefix("shop_") {
            Some(store) => {
                let is_newer = asked.at > who.stores_since.0;
                is_newer && store.parse().is_ok_and(|store| who.stores.contains(&store))
            }
            None => {
                let mut writes = self.deciding(room, asked.at).iter();
                writes.all(|write| write.owner == Some(&*who.user))
            }
        };
        if has_right && who.identified.is_some() {
            self.breach(session, format!("was denied {room} with the right"));
        }
    }

    fn expelled(&mut self, session: usize, message: &Value) {
        self.count("revoked");
        let room = text_of(&message["room"]);
        let who = &self.sessions[session];
        let Some(stay) = who.rooms.get(&room) else {
            return;
        };
        let writes = self.deciding(&room, stay.asked);
        let left = writes.iter().any(|write| write.leaves == Some(&*who.user));
        let has_right = match room.strip_prefix("shop_") {
            Some(store) => store.parse().is_ok_and(|store| who.stores.contains(&store)),
            None => writes.iter().all(|write| write.owner == Some(&*who.user)),
        };
        if has_right && !left && message["code"] == "forbidden" {
            self.breach(session, format!("was taken out of {room} with the right"));
        }
        self.sessions[session].rooms.remove(&room);
    }

    fn told(&mut self, session: usize, message: &Value) {
        self.tick();
        let room = text_of(&message["room"]);
        let numbers = message["changes"].as_array().expect("changes").iter();
        let numbers = numbers.filter(|change| change["entity"] == "note");
        let numbers: Vec<usize> = numbers
            .map(|change| text_of(&change["id"]).parse().expect("a number"))
            .collect();
        if !self.sessions[session].rooms.contains_key(&room) {
            if message["replayed"] == true && self.is_coming(session, &room) {
                return;
            }
            return self.breach(session, format!("was told of {room} without being there"));
        }
        for number in numbers {
            self.count("told");
            if let Some(why) = self.may_not_be_told(session, &room, number) {
                self.breach(session, format!("was told {room} {number}: {why}"));
            }
            let rooms = &mut self.sessions[session].rooms;
            rooms.entry(room.clone()).and_modify(|stay| {
                stay.told.insert(number);
            });
        }
    }

    /// Whether a session has asked for a room that it is not in. If it was there before and waits for what it missed
    /// until then, it may be told of that first.
    fn is_coming(&self, session: usize, room: &str) -> bool {
        let who = &self.sessions[session];
        let mut asked = who.asked.values();
        !who.rooms.contains_key(room) && asked.any(|asked| asked.rooms.iter().any(|it| it == room))
    }

    fn may_not_be_told(&self, session: usize, room: &str, number: usize) -> Option<&'static str> {
        let who = &self.sessions[session];
        let (stay, writes) = (&who.rooms[room], &self.rooms[room].writes);
        let write = &writes[number];
        let is_gone = |(user, begun, committed): &(String, u64, u64)| {
            *user == who.user
                && who.identified.is_some_and(|at| at < *begun)
                && *committed < write.begun
        };
        if self.revoked.iter().any(is_gone) {
            return Some("the user had been sent away");
        }
        // A resync may stand for it: then everybody is asked about again, and who still has the right stays.
        let leaves = |write: &Write| {
            let is_told = stay.begun < write.begun && stay.resynced < write.begun;
            write.leaves == Some(&*who.user) && is_told
        };
        if writes[..=number].iter().any(leaves) {
            return Some("the user had been taken out of the room");
        }
        if let Some(store) = room.strip_prefix("shop_") {
            let has_claim = store.parse().is_ok_and(|store| who.stores.contains(&store));
            let is_late = !has_claim && write.begun > who.stores_since.1;
            return is_late.then_some("the claim was gone");
        }
        let owns = |write: &Write| write.owner == Some(&*who.user);
        let is_late = write.quiet && !writes[number..].iter().any(owns);
        is_late.then_some("everybody without the right had left")
    }

    fn resync(&mut self, session: usize, rooms: &Value) {
        self.tick();
        self.count("resync");
        let rooms: Vec<String> = match rooms.as_array() {
            Some(rooms) => rooms.iter().map(text_of).collect(),
            None => self.sessions[session].rooms.keys().cloned().collect(),
        };
        for room in rooms {
            self.resynced(session, &room);
        }
    }

    fn resynced(&mut self, session: usize, room: &str) {
        let now = self.clock;
        match self.sessions[session].rooms.get_mut(room) {
            Some(stay) => stay.resynced = now,
            None => {
                self.breach(
                    session,
                    format!("was told to resync {room} without being there"),
                );
            }
        }
    }

    /// Whether nobody is in a room, or may be let in by what was asked before `fence`, but its owner.
    pub(super) fn is_left(&self, room: &str, fence: u64) -> bool {
        let owner = self.owner(room);
        let others = self.sessions.iter();
        let mut others = others.filter(|session| !session.over && Some(&*session.user) != owner);
        others.all(|session| {
            let asks = |asked: &Asked| asked.at < fence && asked.rooms.iter().any(|it| it == room);
            !session.rooms.contains_key(room) && !session.asked.values().any(asks)
        })
    }

    /// Whether everybody who was in the room before this write has been told of it.
    pub(super) fn is_delivered(&self, room: &str, number: usize) -> bool {
        let begun = self.rooms[room].writes[number].begun;
        let mut stays = self.stays(room).map(|(_, stay)| stay);
        stays.all(|stay| stay.begun > begun || stay.resynced > begun || stay.told.contains(&number))
    }

    fn stays<'a>(&'a self, room: &'a str) -> impl Iterator<Item = (usize, &'a Stay)> {
        let here = self.sessions.iter().enumerate();
        let here = here.filter(|(_, session)| !session.over);
        here.filter_map(move |(key, session)| Some((key, session.rooms.get(room)?)))
    }

    /// Looks for what should have been told before this write was.
    pub(super) fn judge(&mut self, room: &str, number: usize) {
        let writes = &self.rooms[room].writes;
        let mut missing = Vec::new();
        let mut owed = 0;
        for (session, stay) in self.stays(room) {
            if stay.begun > writes[number].begun {
                continue;
            }
            for (earlier, write) in writes[..=number].iter().enumerate() {
                let is_owed = write.begun > stay.owed && write.begun > stay.resynced;
                owed += usize::from(is_owed);
                if is_owed && !stay.told.contains(&earlier) {
                    missing.push((session, format!("was not told {room} {earlier}")));
                }
            }
        }
        *self.counts.entry("owed").or_default() += owed;
        for (session, what) in missing {
            self.breach(session, what);
        }
    }

    /// Whether every session that `user` had before `begun` has ended.
    pub(super) fn has_ended(&self, user: &str, begun: u64) -> bool {
        let mut theirs = self.sessions.iter().filter(|session| session.user == user);
        theirs.all(|session| session.over || session.identified.is_none_or(|at| at > begun))
    }
}
