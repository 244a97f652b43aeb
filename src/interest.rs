//! Which rooms somebody is in, or may come back to, as capture needs to know it: a change that nobody
//! would be told is not worth more than a look at its rooms.
//!
//! Nothing is lost by that. Interest is entered before a client is told that it is in a room, and a
//! client fetches after it was told. So a change that was passed over was visible to that fetch.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use crate::room::{Room, Target};

/// How often interest has begun. A read of the log that starts at some generation passes over nothing
/// for the rooms whose interest had begun by then.
pub type Generation = u64;

/// The rooms somebody is in. Cheap to clone; clones share. Bounded by the subscriptions that the
/// gateway allows and the rooms that the hub remembers.
#[derive(Clone, Debug, Default)]
pub struct Interest {
    rooms: Arc<RwLock<Rooms>>,
}

#[derive(Debug, Default)]
struct Rooms {
    wanted: HashSet<Room>,
    generation: Generation,
}

/// A look at the interest that nobody changes meanwhile. Not to be kept while waiting.
#[derive(Debug)]
pub struct Interested<'a> {
    rooms: RwLockReadGuard<'a, Rooms>,
}

impl Interest {
    /// Changes of `room` are wanted from now on.
    pub fn begin(&self, room: Room) -> Generation {
        let mut rooms = self.write();
        rooms.generation += 1;
        rooms.wanted.insert(room);
        rooms.generation
    }

    /// Changes of `room` are wanted no longer.
    pub fn end(&self, room: &Room) {
        self.write().wanted.remove(room);
    }

    /// How often interest has begun so far.
    pub fn generation(&self) -> Generation {
        self.now().rooms.generation
    }

    /// Looks at the interest of this moment.
    pub fn now(&self) -> Interested<'_> {
        Interested {
            rooms: self.rooms.read().unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Rooms> {
        self.rooms.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Interested<'_> {
    /// Whether anybody would be told of a change in the room or the rooms called `name`. Names that
    /// mean many rooms, or none, are let through: they are rare, and worth a closer look.
    pub fn in_name(&self, name: &str) -> bool {
        self.rooms.wanted.contains(name) || Room::is_unusual(name)
    }

    /// As [`Interested::in_name`].
    pub fn in_target(&self, target: &Target) -> bool {
        match target {
            Target::Room(room) => self.rooms.wanted.contains(room),
            Target::Prefix(_) => true,
        }
    }
}
