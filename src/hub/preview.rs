//! What clients would be sent of a flush: the same frames in the same order, sent to nobody.

use std::time::Duration;

use super::Frame;
use crate::{
    change::ResyncReason,
    invalidation::{CursorText, Flush},
    protocol::Rooms,
    room::{Room, Target},
};

/// One message to whoever is in a room, or in one of the rooms of a pattern.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Who is sent it.
    pub to: Target,
    /// The message, in JSON. To a pattern, it names the pattern where each client would find its room.
    pub message: String,
}

/// What clients in `rooms` would be sent, or, without, all that could be sent to anybody.
pub fn preview(flush: &Flush, rooms: Option<&[Room]>, spread: Duration) -> Vec<Preview> {
    let is_heard = |room: &Room| rooms.is_none_or(|rooms| rooms.contains(room));
    let mut previews = Vec::new();
    for (target, reason) in &flush.resyncs {
        let told = Resync {
            reason: *reason,
            cursor: &flush.cursor,
            spread,
        };
        match (target, rooms) {
            (Target::Room(room), _) if is_heard(room) => previews.push(told.to_room(room)),
            (Target::Room(_), _) => {}
            (Target::Prefix(_), _) if *target == Target::every() => previews.push(told.to_all()),
            (Target::Prefix(_), None) => previews.push(told.to_pattern(target)),
            (Target::Prefix(_), Some(rooms)) => {
                let covered = rooms.iter().filter(|room| target.covers(room));
                previews.extend(covered.map(|room| told.to_room(room)));
            }
        }
    }
    let heard = flush.invalidations.iter();
    let heard = heard.filter(|told| is_heard(&told.room));
    previews.extend(heard.map(|told| {
        let frame = Frame::invalidate(told.clone().into(), flush.cursor.clone());
        Preview::new(told.room.clone().into(), &frame)
    }));
    previews
}

impl Preview {
    fn new(to: Target, frame: &Frame) -> Self {
        let message = frame.text().to_owned();
        Self { to, message }
    }
}

struct Resync<'a> {
    reason: ResyncReason,
    cursor: &'a CursorText,
    spread: Duration,
}

impl Resync<'_> {
    fn frame(&self, rooms: Rooms) -> Frame {
        let spread_ms = self.spread.as_millis() as u64;
        Frame::resync(rooms, self.reason, self.cursor.clone(), spread_ms)
    }

    fn to_room(&self, room: &Room) -> Preview {
        let frame = self.frame(Rooms::Named(vec![room.clone()]));
        Preview::new(room.clone().into(), &frame)
    }

    fn to_all(&self) -> Preview {
        Preview::new(Target::every(), &self.frame(Rooms::Every))
    }

    fn to_pattern(&self, pattern: &Target) -> Preview {
        let frame = self.frame(Rooms::Named(Vec::new()));
        let rooms = format!(r#""rooms":["{pattern}"]"#);
        Preview {
            to: pattern.clone(),
            message: frame.text().replacen(r#""rooms":[]"#, &rooms, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Reached;

    fn previews(rooms: Option<&[Room]>) -> Vec<(String, String)> {
        let flush = Flush {
            cursor: "e.1:1:".into(),
            then: "e.1:1:".into(),
            reached: Reached::default(),
            invalidations: Vec::new(),
            resyncs: ["product:*", "*", "seller:1"]
                .map(|target| (target.parse().unwrap(), ResyncReason::Bulk))
                .into(),
        };
        let previews = preview(&flush, rooms, Duration::from_secs(2));
        let rooms = |preview: &Preview| {
            let message: serde_json::Value = serde_json::from_str(&preview.message).unwrap();
            (preview.to.to_string(), message["rooms"].to_string())
        };
        previews.iter().map(rooms).collect()
    }

    #[test]
    fn a_pattern_is_told_to_the_rooms_that_somebody_is_in() {
        let rooms = ["product:1", "store:1"].map(|room| room.parse().unwrap());
        let told = |to: &str, rooms: &str| (to.to_owned(), rooms.to_owned());
        assert_eq!(
            previews(Some(&rooms)),
            [told("product:1", r#"["product:1"]"#), told("*", r#""*""#)]
        );
        assert_eq!(
            previews(None),
            [
                told("product:*", r#"["product:*"]"#),
                told("*", r#""*""#),
                told("seller:1", r#"["seller:1"]"#)
            ]
        );
    }
}
