//! Which rooms somebody is in, as capture needs to know it: a change that nobody would be told is
//! not worth more than a look at its rooms.
//!
//! Nothing is lost by that. Interest is entered before a client is told that it is in a room, and a
//! client fetches after it was told. So a change that was passed over was visible to that fetch.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use crate::room::{Room, Target};

/// The rooms somebody is in. Cheap to clone; clones share. Bounded by the subscriptions that the
/// gateway allows.
#[derive(Clone, Debug, Default)]
pub struct Interest {
    rooms: Arc<RwLock<HashSet<Room>>>,
}

/// A look at the interest that nobody changes meanwhile. Not to be kept while waiting.
#[derive(Debug)]
pub struct Interested<'a> {
    rooms: RwLockReadGuard<'a, HashSet<Room>>,
}

impl Interest {
    /// Somebody is in `room` from now on.
    pub fn begin(&self, room: Room) {
        self.rooms
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(room);
    }

    /// Nobody is in `room` any more.
    pub fn end(&self, room: &Room) {
        self.rooms
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(room);
    }

    /// Looks at the interest of this moment.
    pub fn now(&self) -> Interested<'_> {
        Interested {
            rooms: self.rooms.read().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl Interested<'_> {
    /// Whether anybody would be told of a change in the room or the rooms called `name`. Names that
    /// mean many rooms, or none, are let through: they are rare, and worth a closer look.
    pub fn in_name(&self, name: &str) -> bool {
        self.rooms.contains(name) || Room::is_unusual(name)
    }

    /// As [`Interested::in_name`].
    pub fn in_target(&self, target: &Target) -> bool {
        match target {
            Target::Room(room) => self.rooms.contains(room),
            Target::Prefix(_) => true,
        }
    }
}
