//! What a client knows: its rooms, its cursor, and by that what to ask after a reconnection.
//!
//! The rules of docs/protocol.md ("Which cursor to keep") and nothing else; no socket and no clock.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use super::{
    journal::{Note, Room, Standing, Told},
    shop,
};

/// One room of a client.
#[derive(Clone, Debug, Default)]
struct Stake {
    /// A cursor of its own, to join with until the client's will do.
    since: Option<String>,
    /// Whether the client's cursor covers it.
    held: bool,
    /// The request of this connection that asked for it.
    asked: Option<u64>,
    answered: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Subscriber {
    stakes: BTreeMap<Room, Stake>,
    /// Rooms it has left, until that is answered.
    leaving: Vec<Room>,
    /// The newest position that it may resume from.
    cursor: Option<String>,
    next_id: u64,
    /// Requests of this connection that were not answered yet.
    asked: HashSet<u64>,
}

impl Subscriber {
    pub(crate) fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.stakes.keys()
    }

    /// Whether it may join this room now.
    pub(crate) fn is_free(&self, room: &Room) -> bool {
        !self.stakes.contains_key(room) && !self.leaving.contains(room)
    }

    /// Wants to join, from `since` if it has it. [`Self::ask`] says so to the daemon.
    pub(crate) fn want(&mut self, room: Room, since: Option<String>) {
        let stake = Stake {
            since,
            ..Stake::default()
        };
        self.stakes.insert(room, stake);
    }

    /// What to say so that every wanted room is asked for, and what to note about it.
    pub(crate) fn ask(&mut self) -> (Vec<Value>, Vec<Note>) {
        let mut groups: BTreeMap<Option<String>, Vec<Room>> = BTreeMap::new();
        for (room, stake) in &self.stakes {
            let since = match stake.held {
                true => &self.cursor,
                false => &stake.since,
            };
            if stake.asked.is_none() {
                groups.entry(since.clone()).or_default().push(room.clone());
            }
        }
        let (mut messages, mut notes) = (Vec::new(), Vec::new());
        for (since, rooms) in groups {
            let id = self.id();
            let mut message = json!({"type": "subscribe", "id": id, "rooms": rooms});
            if let Some(since) = &since {
                message["since"] = since.as_str().into();
            }
            messages.push(message);
            for room in rooms {
                if let Some(stake) = self.stakes.get_mut(&room) {
                    stake.asked = Some(id);
                }
                notes.push(Note::Asks(room, since.clone()));
            }
        }
        (messages, notes)
    }

    pub(crate) fn leave(&mut self, room: &Room) -> Value {
        self.stakes.remove(room);
        self.leaving.push(room.clone());
        json!({"type": "unsubscribe", "id": self.id(), "rooms": [room]})
    }

    /// Asks what it has missed, if there is a cursor that covers all rooms.
    pub(crate) fn sync(&mut self) -> Option<Value> {
        let since = self.cursor.clone().filter(|_| self.is_settled())?;
        Some(json!({"type": "sync", "id": self.id(), "since": since}))
    }

    /// The connection is over; everything has to be asked for again.
    pub(crate) fn cut(&mut self) {
        self.leaving.clear();
        self.asked.clear();
        for stake in self.stakes.values_mut() {
            (stake.asked, stake.answered) = (None, false);
        }
    }

    /// Whether every room that was ever joined is joined on this connection.
    fn is_settled(&self) -> bool {
        let mut stakes = self.stakes.values();
        stakes.all(|stake| stake.answered || !stake.held)
    }

    /// Whether every room is joined on this connection.
    pub(crate) fn is_all_joined(&self) -> bool {
        self.stakes.values().all(|stake| stake.answered)
    }

    /// Takes in a message, and says what to note about it.
    pub(crate) fn hear(&mut self, message: &Value) -> Vec<Note> {
        let kind = message["type"].as_str().unwrap_or_default();
        if let Some(id) = message["id"].as_u64()
            && !self.asked.remove(&id)
        {
            return vec![Note::Odd(format!("was answered unasked: {message}"))];
        }
        let notes = match kind {
            "subscribed" | "synced" => self.stands(message),
            "unsubscribed" => {
                let rooms = rooms(&message["rooms"]);
                self.leaving.retain(|leaving| !rooms.contains(leaving));
                rooms.into_iter().map(Note::Left).collect()
            }
            "invalidate" => told(message),
            "resync" if message["rooms"] == "*" => vec![Note::Resync(None)],
            "resync" => vec![Note::Resync(Some(rooms(&message["rooms"])))],
            "heartbeat" | "pong" | "welcome" => Vec::new(),
            "stale" | "fresh" | "goodbye" => vec![Note::Saw(message.to_string())],
            _ => vec![Note::Odd(format!("was told {message}"))],
        };
        // The position in `welcome` is the daemon's. So are all others until every room is joined.
        if let Some(cursor) = message["cursor"].as_str()
            && kind != "welcome"
            && self.is_settled()
        {
            self.cursor = Some(cursor.to_owned());
            // Also what has just joined with a cursor of its own: the reply brings that back, or a later one.
            let answered = self.stakes.values_mut().filter(|stake| stake.answered);
            answered.for_each(|stake| (stake.held, stake.since) = (true, None));
        }
        notes
    }

    fn stands(&mut self, message: &Value) -> Vec<Note> {
        let rooms = message["rooms"].as_array().into_iter().flatten();
        let mut notes = Vec::new();
        for answer in rooms {
            let room: Room = answer["room"].as_str().unwrap_or_default().into();
            // It may have left meanwhile, and even asked again.
            let id = message["id"].as_u64();
            let about = |stake: &&mut Stake| stake.asked == id || message["type"] == "synced";
            let Some(stake) = self.stakes.get_mut(&room).filter(about) else {
                continue;
            };
            let standing = match answer["status"].as_str() {
                Some("live") => Standing::Live,
                Some("replayed") => Standing::Replayed,
                Some("resync") => Standing::Resync,
                _ => {
                    notes.push(Note::Odd(format!("was answered {answer}")));
                    continue;
                }
            };
            stake.answered = true;
            stake.held |= stake.since.is_none();
            notes.push(Note::Stands(room, standing));
        }
        notes
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.asked.insert(self.next_id);
        self.next_id
    }
}

fn rooms(list: &Value) -> Vec<Room> {
    let rooms = list.as_array().into_iter().flatten();
    rooms
        .filter_map(|room| room.as_str().map(Room::from))
        .collect()
}

fn told(message: &Value) -> Vec<Note> {
    let changes = message["changes"].as_array().into_iter().flatten();
    let told = changes.map(|change| Told {
        room: message["room"].as_str().unwrap_or_default().into(),
        thing: format!(
            "{}/{}",
            change["entity"].as_str().unwrap_or_default(),
            change["id"].as_str().unwrap_or_default()
        ),
        tokens: shop::tokens(&change["id"], &change["old"], &change["new"]),
        replayed: message["replayed"] == true,
    });
    told.map(Note::Told).collect()
}
