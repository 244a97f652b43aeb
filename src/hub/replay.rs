//! What clients that come back are told again, encoded once for all who missed the same.

use std::collections::HashMap;

use super::{Frame, missed::Missed};
use crate::{
    change::ResyncReason,
    invalidation::{CursorText, Folded, Invalidation},
    protocol::{RoomStatus, Standing},
    room::Room,
};

/// A room that the session is in, or why it is not.
pub(super) type Entered = Result<Room, RoomStatus>;

/// Most answers that are kept for those who ask the same.
const MAX_KNOWN: usize = 4_096;

/// Answers by position and room. Good until the next change is told.
#[derive(Debug, Default)]
pub(super) struct Replays {
    known: HashMap<(CursorText, Room), Replay>,
}

/// Everything that one client is answered.
#[derive(Debug)]
pub(super) struct Told {
    /// What the reply carries.
    pub(super) cursor: CursorText,
    /// How each room stands.
    pub(super) rooms: Vec<RoomStatus>,
    /// What follows the reply.
    pub(super) frames: Vec<Frame>,
}

/// The answer for one room.
#[derive(Debug)]
struct Replay {
    missed: Missed,
    /// Of the replay, with the position before it, and with the one after everything.
    frames: [Option<Frame>; 2],
}

impl Replays {
    /// Forgets all answers.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }

    /// What a client is told that comes back to `rooms` with `since`, when others are at `here`.
    /// `missed` finds out what nobody asked before.
    ///
    /// Only the last frame moves the client on. Until then it is `before` all that it still has to be
    /// told, in these rooms or others, and comes back there if it is cut off.
    pub(super) fn tell(
        &mut self,
        rooms: Vec<Entered>,
        since: &CursorText,
        before: &CursorText,
        here: &CursorText,
        missed: impl Fn(&Room) -> Missed,
    ) -> Told {
        let mut again = Vec::new();
        let rooms = statuses(rooms, |room| {
            let status = self.find(since, room, &missed).status(room);
            if status.status == Standing::Replayed {
                again.push(room.clone());
            }
            status
        });
        let last = again.len().saturating_sub(1);
        let frames = again.iter().enumerate().filter_map(|(index, room)| {
            let is_last = index == last;
            let cursor = if is_last { here } else { before };
            self.find(since, room, &missed).frame(room, cursor, is_last)
        });
        let frames: Vec<Frame> = frames.collect();
        let cursor = if frames.is_empty() { here } else { before };
        Told {
            cursor: cursor.clone(),
            rooms,
            frames,
        }
    }

    fn find(
        &mut self,
        since: &CursorText,
        room: &Room,
        missed: impl Fn(&Room) -> Missed,
    ) -> &mut Replay {
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        let key = (since.clone(), room.clone());
        self.known.entry(key).or_insert_with(|| Replay {
            missed: missed(room),
            frames: [None, None],
        })
    }
}

/// How each room stands, where those that the session may not be in stand as they do.
pub(super) fn statuses(
    rooms: Vec<Entered>,
    mut stands: impl FnMut(&Room) -> RoomStatus,
) -> Vec<RoomStatus> {
    let status = |room: Entered| room.map_or_else(|denied| denied, |room| stands(&room));
    rooms.into_iter().map(status).collect()
}

impl Replay {
    fn status(&self, room: &Room) -> RoomStatus {
        let name = room.as_str().to_owned();
        match &self.missed {
            Missed::Nothing => RoomStatus::joined(name, Standing::Live),
            Missed::Entities(_) => RoomStatus::joined(name, Standing::Replayed),
            Missed::Resync(reason) => RoomStatus::unproven(name, unprovable(*reason)),
        }
    }

    fn frame(&mut self, room: &Room, cursor: &CursorText, is_last: bool) -> Option<Frame> {
        let Missed::Entities(changes) = &self.missed else {
            return None;
        };
        let known = &mut self.frames[usize::from(is_last)];
        let frame = known.get_or_insert_with(|| encode(room, cursor, changes));
        Some(frame.clone())
    }
}

/// Why nobody can tell what was missed.
pub(super) fn unprovable(reason: ResyncReason) -> &'static str {
    match reason {
        ResyncReason::Epoch => "the position belongs to another history of the database",
        ResyncReason::Truncated => "the log does not reach back to the position",
        ResyncReason::Bulk => "too much has changed since the position",
        ResyncReason::Gap | ResyncReason::SlowConsumer => "a stretch of changes was not seen",
    }
}

fn encode(room: &Room, cursor: &CursorText, changes: &[Folded]) -> Frame {
    let told = Invalidation {
        room: room.clone(),
        changes: changes.to_vec(),
    };
    Frame::changes(told.into(), cursor.clone(), true)
}
