//! The database is asked again about members of rooms: by one task for each session, so that neither the hub
//! nor the session waits for it, and nobody can put it off by keeping the session busy.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, spawn},
    time::sleep,
};

use super::registry::SessionKey;
use crate::{
    access::{AT_ONCE, Guard, Identity, Permission},
    protocol::ErrorCode,
    room::Room,
};

/// How often it is asked, where there was no answer, and after which time.
const ATTEMPTS: u32 = 3;
const APART: Duration = Duration::from_millis(300);
/// How long a member of whom nobody can tell any more stays, and until when the turns of others are waited for.
const DEADLINE: Duration = Duration::from_secs(10);
/// Most findings that wait for the hub; tasks with one more wait themselves.
const MAX_FOUND: usize = 512;

/// What a task found out.
#[derive(Debug)]
pub(super) struct Found {
    key: SessionKey,
    task: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    /// A member may not be there any more, or nobody knows.
    Lost(Room, ErrorCode),
    /// Everything was asked.
    Done,
}

/// What the hub has to do about it.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// Take the session out of the room.
    Expel(SessionKey, Room, ErrorCode),
    /// Ask about these rooms, which were wanted again meanwhile.
    Again(SessionKey, Vec<Room>),
}

/// Sessions that are being asked about.
#[derive(Debug)]
pub(super) struct Asking {
    tasks: HashMap<SessionKey, Task>,
    begun: u64,
    tell: mpsc::Sender<Found>,
    found: mpsc::Receiver<Found>,
}

#[derive(Debug)]
struct Task {
    number: u64,
    /// Those of which an answer counts.
    rooms: HashSet<Room>,
    again: HashSet<Room>,
    handle: AbortHandle,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl Asking {
    /// Nobody is asked about.
    pub(super) fn new() -> Self {
        let (tell, found) = mpsc::channel(MAX_FOUND);
        Self {
            tasks: HashMap::new(),
            begun: 0,
            tell,
            found,
        }
    }

    /// Asks whether a session may stay in these rooms; if it is being asked about already, once that is done.
    pub(super) fn ask(&mut self, key: SessionKey, guard: &Guard, who: &Identity, rooms: Vec<Room>) {
        if rooms.is_empty() {
            return;
        }
        if let Some(task) = self.tasks.get_mut(&key) {
            return task.again.extend(rooms);
        }
        self.begun += 1;
        let (number, tell) = (self.begun, self.tell.clone());
        let asked = ask(guard.clone(), who.clone(), rooms.clone());
        let handle = spawn(async move {
            let mut asked = std::pin::pin!(asked);
            while let Some((room, code)) = asked.next().await {
                if let Some(code) = code {
                    let what = What::Lost(room, code);
                    // The hub has stopped, or it listens.
                    let _ = tell
                        .send(Found {
                            key,
                            task: number,
                            what,
                        })
                        .await;
                }
            }
            let what = What::Done;
            let _ = tell
                .send(Found {
                    key,
                    task: number,
                    what,
                })
                .await;
        });
        let task = Task {
            number,
            rooms: rooms.into_iter().collect(),
            again: HashSet::new(),
            handle: handle.abort_handle(),
        };
        self.tasks.insert(key, task);
    }

    /// A session has left, or is to be asked about anew: what is being asked does not count.
    pub(super) fn stop(&mut self, key: SessionKey) {
        self.tasks.remove(&key);
    }

    /// A session has joined a room by a newer decision: what is being asked about it does not count.
    pub(super) fn decided(&mut self, key: SessionKey, room: &Room) {
        if let Some(task) = self.tasks.get_mut(&key) {
            task.rooms.remove(room);
        }
    }

    /// Waits until something is found out. Loses nothing when cancelled.
    pub(super) async fn found(&mut self) -> Found {
        let found = self.found.recv().await;
        found.expect("a sender is kept beside the receiver")
    }

    /// What follows from it.
    pub(super) fn heed(&mut self, found: Found) -> Option<Verdict> {
        let Found { key, task, what } = found;
        let known = self.tasks.get_mut(&key)?;
        if known.number != task {
            return None;
        }
        match what {
            What::Lost(room, code) => {
                let counts = known.rooms.remove(&room);
                counts.then_some(Verdict::Expel(key, room, code))
            }
            What::Done => {
                let again: Vec<Room> = known.again.drain().collect();
                self.tasks.remove(&key);
                (!again.is_empty()).then_some(Verdict::Again(key, again))
            }
        }
    }
}

/// Each of the rooms, and why the member may not stay in it, if so.
fn ask(
    guard: Guard,
    who: Identity,
    rooms: Vec<Room>,
) -> impl futures_util::Stream<Item = (Room, Option<ErrorCode>)> {
    let until = Instant::now() + DEADLINE;
    let each = move |room: Room| {
        let (guard, who) = (guard.clone(), who.clone());
        async move {
            let permission = settled(&guard, until, &who, &room).await;
            let code = match permission {
                Permission::Allowed => None,
                Permission::Forbidden => Some(ErrorCode::Forbidden),
                Permission::NotReady => Some(ErrorCode::NotReady),
                Permission::RateLimited => Some(ErrorCode::RateLimited),
            };
            (room, code)
        }
    };
    stream::iter(rooms).map(each).buffer_unordered(AT_ONCE)
}

async fn settled(guard: &Guard, until: Instant, who: &Identity, room: &Room) -> Permission {
    for attempt in 1.. {
        let permission = guard.permission_by(until, who, room).await;
        let is_settled = matches!(permission, Permission::Allowed | Permission::Forbidden);
        if is_settled || attempt >= ATTEMPTS || Instant::now() >= until {
            return permission;
        }
        sleep(APART * attempt).await;
    }
    Permission::NotReady
}
