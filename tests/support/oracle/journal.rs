//! What one client did and was told, each with its time.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

pub(crate) type Room = Arc<str>;

/// How a room stands, as `subscribed` and `synced` tell it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    Live,
    Replayed,
    Resync,
}

/// One entity of an `invalidate`.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) room: Room,
    /// Entity and id, as `product/3`.
    pub(crate) thing: String,
    /// The marks of writes that its id and its values carry.
    pub(crate) tokens: Vec<u64>,
    /// Whether it answers a `since`.
    pub(crate) replayed: bool,
}

/// Something that a client did or was told.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// Connected to the daemon of this number.
    Connected(usize),
    /// Asked to join; with the cursor it named, if any.
    Asks(Room, Option<String>),
    /// Holds a cursor for a room that it will join with it: from here on changes are owed.
    Holds(Room),
    /// `subscribed` or `synced` answered.
    Stands(Room, Standing),
    /// Wants no more of the room.
    Leaves(Room),
    /// `unsubscribed` answered.
    Left(Room),
    Told(Told),
    /// Told to fetch everything of these rooms, or of all it is in.
    Resync(Option<Vec<Room>>),
    /// The connection is over, and why.
    Cut(String),
    /// Something that means nothing to the judge, for the reader of the journal.
    Saw(String),
    /// Something that no client should ever be told.
    Odd(String),
}

impl Note {
    /// The one room that it is about.
    pub(crate) fn room(&self) -> Option<&Room> {
        match self {
            Self::Asks(room, _) | Self::Holds(room) | Self::Stands(room, _) => Some(room),
            Self::Leaves(room) | Self::Left(room) => Some(room),
            Self::Told(told) => Some(&told.room),
            _ => None,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected(daemon) => write!(f, "connected to daemon {daemon}"),
            Self::Asks(room, None) => write!(f, "asks for {room}"),
            Self::Asks(room, Some(since)) => write!(f, "asks for {room} since {since}"),
            Self::Holds(room) => write!(f, "holds a cursor for {room}"),
            Self::Stands(room, standing) => write!(f, "{room} stands {standing:?}"),
            Self::Leaves(room) => write!(f, "leaves {room}"),
            Self::Left(room) => write!(f, "has left {room}"),
            Self::Told(told) => {
                let Told {
                    room,
                    thing,
                    tokens,
                    replayed,
                } = told;
                let again = if *replayed { " again" } else { "" };
                write!(f, "told{again} in {room} of {thing} {tokens:?}")
            }
            Self::Resync(Some(rooms)) => write!(f, "resync of {rooms:?}"),
            Self::Resync(None) => write!(f, "resync of everything"),
            Self::Cut(why) => write!(f, "cut: {why}"),
            Self::Saw(what) | Self::Odd(what) => f.write_str(what),
        }
    }
}

/// All notes of one client, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    pub(crate) client: usize,
    pub(crate) notes: Vec<(Instant, Note)>,
}

/// A journal that its client writes and the judge reads.
#[derive(Clone, Debug)]
pub(crate) struct SharedJournal(Arc<Mutex<Journal>>);

impl SharedJournal {
    pub(crate) fn new(client: usize) -> Self {
        let notes = Vec::new();
        Self(Arc::new(Mutex::new(Journal { client, notes })))
    }

    pub(crate) fn note(&self, note: Note) {
        self.lock().notes.push((Instant::now(), note));
    }

    pub(crate) fn copy(&self) -> Journal {
        self.lock().clone()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Journal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
