//! What waits for a client that reads slowly, told in fewer bytes.
//!
//! Several invalidations of a room become one, in the place of the first and with its position.
//! Content only ever moves forward in the queue and no position does, so a frame still claims no more
//! than what stands before it. Where folding is not enough, the largest rooms become a resync, under
//! the same rule.

use std::{collections::HashMap, sync::Arc};

use indexmap::IndexSet;

use super::{
    event::Form,
    frame::{About, Frame},
};
use crate::{
    change::ResyncReason,
    invalidation::{CursorText, Folded, Invalidation},
    protocol::Rooms,
    room::Room,
    telemetry::{ByReason, Metrics, Reason},
};

/// A resync that names rooms may take this part of the bytes that may wait; a longer one says `*`.
const LONGEST_RESYNC: usize = 16;

/// What became of a queue that was full.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Folding {
    /// It tells the same in fewer messages.
    Folded,
    /// Rooms are told to resync, because even that was too much.
    Resynced,
}

impl Folding {
    /// Counts it.
    pub(crate) fn count(self, metrics: &Metrics) {
        let count = |family: &ByReason, reason| {
            family.get_or_create(&Reason::new(reason)).inc();
        };
        match self {
            Self::Folded => count(&metrics.slow_consumers, "folded"),
            Self::Resynced => {
                count(&metrics.slow_consumers, "resync");
                count(&metrics.resyncs, ResyncReason::SlowConsumer.as_str());
            }
        }
    }
}

/// What may be left of a queue: less than its bounds, so that folding makes room for many frames and
/// not for one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space {
    pub(super) frames: usize,
    pub(super) bytes: usize,
    /// The `spread_ms` of a resync.
    pub(super) spread_ms: u64,
    /// What the connection takes.
    pub(super) form: Form,
}

/// Folds `frames`, and gives up naming what changed in the largest rooms as far as `space` demands.
pub(super) fn fold(frames: impl IntoIterator<Item = Frame>, space: Space) -> (Vec<Frame>, Folding) {
    let mut parts = Parts::default();
    frames.into_iter().for_each(|frame| parts.take(frame));
    parts.join(space.form);
    let outcome = parts.shrink(space);
    (parts.into_frames(space), outcome)
}

/// Frames that wait, told apart by what they are about.
#[derive(Debug, Default)]
struct Parts {
    parts: Vec<Part>,
    segments: Vec<Segment>,
}

/// What stands between two changes of the rooms that the client is in.
#[derive(Debug, Default)]
struct Segment {
    /// Where the changes of a room are.
    rooms: HashMap<Room, usize>,
    /// Where the resync is.
    resync: Option<usize>,
}

#[derive(Debug)]
enum Part {
    /// Must arrive as it is.
    Whole(Frame),
    /// Changes of one room: the first frame, and what is to be folded into it.
    Changes(Changes),
    Resync(Resync),
    /// Told elsewhere by now.
    Gone,
}

#[derive(Debug)]
struct Changes {
    first: Frame,
    told: Arc<Invalidation>,
    cursor: CursorText,
    /// Whether the client missed all of it.
    replayed: bool,
    more: Vec<Arc<Invalidation>>,
    segment: usize,
}

#[derive(Debug)]
struct Resync {
    /// `None` for every room.
    rooms: Option<IndexSet<Room>>,
    cursor: CursorText,
    /// As it came, while nothing else has become a part of it.
    frame: Option<Frame>,
}

impl Parts {
    fn take(&mut self, frame: Frame) {
        if self.segments.is_empty() {
            self.segments.push(Segment::default());
        }
        match frame.about.clone() {
            About::Session => self.parts.push(Part::Whole(frame)),
            About::Membership | About::Revoked => {
                self.parts.push(Part::Whole(frame));
                self.segments.push(Segment::default());
            }
            About::Changes {
                told,
                cursor,
                replayed,
            } => self.change(frame, told, cursor, replayed),
            About::Resync(rooms, cursor) => self.resync(frame, &rooms, cursor),
        }
    }

    fn change(
        &mut self,
        first: Frame,
        told: Arc<Invalidation>,
        cursor: CursorText,
        replayed: bool,
    ) {
        let (segment, place) = (self.segments.len() - 1, self.parts.len());
        let room = &told.room;
        if self.is_resynced(segment, room) {
            return;
        }
        if let Some(&before) = self.segments[segment].rooms.get(room)
            && let Part::Changes(changes) = &mut self.parts[before]
        {
            changes.more.push(told);
            changes.replayed &= replayed;
            return;
        }
        self.segments[segment].rooms.insert(room.clone(), place);
        self.parts.push(Part::Changes(Changes {
            first,
            told,
            cursor,
            replayed,
            more: Vec::new(),
            segment,
        }));
    }

    fn resync(&mut self, frame: Frame, rooms: &Rooms, cursor: CursorText) {
        let segment = self.segments.len() - 1;
        let rooms = match rooms {
            Rooms::Every => None,
            Rooms::Named(rooms) => Some(rooms.iter().cloned().collect::<IndexSet<_>>()),
        };
        let covered = |room: &Room| rooms.as_ref().is_none_or(|rooms| rooms.contains(room));
        let known = self.segments[segment].rooms.iter();
        let places: Vec<usize> = known
            .filter(|(room, _)| covered(room))
            .map(|(_, place)| *place)
            .collect();
        places.into_iter().for_each(|place| self.give_up(place));
        if let Some(place) = self.segments[segment].resync
            && let Part::Resync(resync) = &mut self.parts[place]
        {
            resync.absorb(rooms);
            return;
        }
        self.segments[segment].resync = Some(self.parts.len());
        self.parts.push(Part::Resync(Resync {
            rooms,
            cursor,
            frame: Some(frame),
        }));
    }

    fn is_resynced(&self, segment: usize, room: &Room) -> bool {
        let place = self.segments[segment].resync;
        match place.map(|place| &self.parts[place]) {
            Some(Part::Resync(resync)) => resync
                .rooms
                .as_ref()
                .is_none_or(|rooms| rooms.contains(room)),
            _ => false,
        }
    }

    /// Lets the segment's resync tell what the changes in `place` told, no later than they did.
    fn give_up(&mut self, place: usize) {
        let Part::Changes(changes) = std::mem::replace(&mut self.parts[place], Part::Gone) else {
            return;
        };
        let segment = &mut self.segments[changes.segment];
        let room = changes.told.room.clone();
        segment.rooms.remove(&room);
        let rooms = Some(IndexSet::from([room]));
        let before = segment.resync.filter(|&resync| resync < place);
        if let Some(Part::Resync(resync)) = before.map(|before| &mut self.parts[before]) {
            resync.absorb(rooms);
            return;
        }
        let mut resync = Resync {
            rooms,
            cursor: changes.cursor,
            frame: None,
        };
        let behind = segment.resync.replace(place);
        let behind = behind.map(|behind| std::mem::replace(&mut self.parts[behind], Part::Gone));
        if let Some(Part::Resync(later)) = behind {
            resync.absorb(later.rooms);
        }
        self.parts[place] = Part::Resync(resync);
    }

    /// Makes one frame of the changes of a room.
    fn join(&mut self, form: Form) {
        for part in &mut self.parts {
            if let Part::Changes(changes) = part
                && !changes.more.is_empty()
            {
                changes.join(form);
            }
        }
    }

    fn shrink(&mut self, space: Space) -> Folding {
        let kept = self.parts.iter().filter_map(Part::frame);
        let (mut frames, mut bytes) = kept.fold((0, 0), |(frames, bytes), frame| {
            (frames + 1, bytes + frame.bytes.len())
        });
        let mut rooms: Vec<(usize, usize)> = Vec::new();
        for (place, part) in self.parts.iter().enumerate() {
            if let Part::Changes(changes) = part {
                rooms.push((changes.first.bytes.len(), place));
            }
        }
        rooms.sort_unstable();
        let mut outcome = Folding::Folded;
        while frames > space.frames || bytes > space.bytes {
            let Some((largest, place)) = rooms.pop() else {
                break;
            };
            (frames, bytes) = (frames - 1, bytes - largest);
            self.give_up(place);
            outcome = Folding::Resynced;
        }
        outcome
    }

    fn into_frames(self, space: Space) -> Vec<Frame> {
        let frame = |part| match part {
            Part::Whole(frame) => Some(frame),
            Part::Changes(changes) => Some(changes.first),
            Part::Resync(resync) => Some(resync.into_frame(space)),
            Part::Gone => None,
        };
        self.parts.into_iter().filter_map(frame).collect()
    }
}

impl Part {
    /// What it is on the wire; a resync is short, and not known before the end.
    fn frame(&self) -> Option<&Frame> {
        match self {
            Self::Whole(frame) => Some(frame),
            Self::Changes(changes) => Some(&changes.first),
            Self::Resync(_) | Self::Gone => None,
        }
    }
}

impl Changes {
    fn join(&mut self, form: Form) {
        let more = std::mem::take(&mut self.more);
        let all = std::iter::once(&self.told).chain(&more);
        self.told = Arc::new(Invalidation {
            room: self.told.room.clone(),
            changes: Folded::join(all.flat_map(|told| &told.changes)),
        });
        let frame = Frame::changes(self.told.clone(), self.cursor.clone(), self.replayed);
        self.first = form.of(frame);
    }
}

impl Resync {
    fn absorb(&mut self, more: Option<IndexSet<Room>>) {
        self.frame = None;
        match (&mut self.rooms, more) {
            (Some(rooms), Some(more)) => rooms.extend(more),
            (every, _) => *every = None,
        }
    }

    fn into_frame(self, space: Space) -> Frame {
        if let Some(frame) = self.frame {
            return frame;
        }
        let frame = |rooms| {
            let reason = ResyncReason::SlowConsumer;
            let frame = Frame::resync(rooms, reason, self.cursor.clone(), space.spread_ms);
            space.form.of(frame)
        };
        let short = |rooms: &IndexSet<Room>| {
            let names = rooms.iter().map(|room| room.as_str().len());
            names.sum::<usize>() <= space.bytes / LONGEST_RESYNC
        };
        match self.rooms.filter(short) {
            Some(rooms) => frame(Rooms::Named(rooms.into_iter().collect())),
            None => frame(Rooms::Every),
        }
    }
}
