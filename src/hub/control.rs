//! Who may be where no longer, as the daemon is told in a room of its own: what is told there came through the
//! log like everything else, so it is not lost, and is heard by every daemon.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use serde_json::Number;

use super::{Frame, Hub, registry::SessionKey};
use crate::{
    access::Identity,
    invalidation::{Flush, Folded},
    protocol::{CloseReason, ErrorCode, ServerMessage},
    room::Room,
    telemetry::Reason,
};

/// What the daemon is told. The functions of the same names in `sql/core/` write it.
#[derive(Debug, PartialEq)]
enum Order {
    /// A user is to be sent away: with all tokens that were made by then.
    Revoke { user: Arc<str>, at: Timestamp },
    /// A user is to be taken out of a room.
    Leave { user: Arc<str>, room: Room },
    /// The members of a room are to be asked about again.
    Recheck(Room),
    /// Something that cannot be read: whatever it is, it takes rights away.
    Unreadable,
}

impl Order {
    /// `None` where it is about something else.
    fn of(change: &Folded, now: Timestamp) -> Option<Self> {
        let order = match &*change.entity {
            "access:revoke" => Some(Self::Revoke {
                user: change.id.clone(),
                at: moment(change).unwrap_or(now),
            }),
            "access:leave" => change.id.split_once(' ').and_then(|(room, user)| {
                Some(Self::Leave {
                    user: user.into(),
                    room: room.parse().ok()?,
                })
            }),
            "access:recheck" => change.id.parse().ok().map(Self::Recheck),
            _ => return None,
        };
        Some(order.unwrap_or(Self::Unreadable))
    }
}

/// The newest time that is told: of several orders in one, the last counts.
fn moment(change: &Folded) -> Option<Timestamp> {
    let at = change.new.as_ref()?.get("at")?;
    serde_json::from_str(at.get()).ok()
}

impl Hub {
    /// Heeds what a flush says about access.
    pub(super) fn heed_access(&mut self, flush: &Flush) {
        let control = Room::of_access();
        let mut resyncs = flush.resyncs.iter();
        if resyncs.any(|(target, _)| target.covers(&control)) {
            // Capture has let the guard know who was revoked meanwhile.
            let gone = |identity: &Identity| self.guard.has_to_go(identity);
            self.send_off(self.registry.whose(gone));
            self.recheck(&control);
        }
        let here = flush.invalidations.iter();
        let here = here.filter(|told| told.room == control);
        let orders = here.flat_map(|told| &told.changes);
        let orders = orders.filter_map(|change| Order::of(change, Timestamp::now()));
        let mut revoked = HashMap::new();
        for order in orders {
            match order {
                Order::Revoke { user, at } => drop(revoked.insert(user, at)),
                other => self.heed(other),
            }
        }
        self.revoke(revoked);
        let resyncs = flush.resyncs.iter().map(|(target, _)| target);
        for target in resyncs.filter(|target| !target.covers(&control)) {
            self.watch_resync(target);
        }
    }

    fn heed(&mut self, order: Order) {
        match order {
            Order::Revoke { user, at } => self.revoke(HashMap::from([(user, at)])),
            Order::Leave { user, room } => {
                self.guard.forget_user(&user);
                for key in self.registry.whose(|identity| *identity.user() == user) {
                    self.expel(key, &room, ErrorCode::Forbidden);
                }
            }
            Order::Recheck(room) => self.recheck(&room),
            Order::Unreadable => self.recheck(&Room::of_access()),
        }
    }

    /// All of them in one look at the sessions, however many they are.
    fn revoke(&mut self, revoked: HashMap<Arc<str>, Timestamp>) {
        if revoked.is_empty() {
            return;
        }
        self.guard.revoke(&revoked);
        let has_to_go = |identity: &Identity| {
            revoked.contains_key(identity.user()) && self.guard.has_to_go(identity)
        };
        self.send_off(self.registry.whose(has_to_go));
    }

    fn send_off(&self, keys: Vec<SessionKey>) {
        for key in keys {
            if let Some(outbox) = self.registry.session(key) {
                outbox.cut(CloseReason::Revoked);
            }
            self.count_revocation("session");
        }
    }

    /// Notes who a session is, unless that is somebody who was sent away just now.
    pub(super) fn identify(&mut self, key: SessionKey, id: Option<Number>, identity: Identity) {
        if self.guard.is_revoked(&identity) {
            return self.send_off(vec![key]);
        }
        let left = identity.expires_at().duration_since(Timestamp::now());
        let authenticated = ServerMessage::Authenticated {
            id,
            user: identity.user(),
            expires_in_ms: u64::try_from(left.as_millis()).unwrap_or(0),
        };
        self.send(key, Frame::message(&authenticated));
        let is_known = self.registry.identity(key).is_some();
        self.registry.identify(key, identity);
        if is_known {
            // What was asked was about the older token.
            self.asking.stop(key);
            self.recheck_session(key, self.registry.rooms_of(key).cloned().collect());
        }
    }

    pub(super) fn count_revocation(&self, what: &'static str) {
        self.metrics
            .revocations
            .get_or_create(&Reason::new(what))
            .inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Change, Op};

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn order(entity: &str, id: &str, new: Option<&str>) -> Option<Order> {
        Order::of(&Folded::new(&change(entity, id, new)), now())
    }

    fn change(entity: &str, id: &str, new: Option<&str>) -> Change {
        Change {
            xid: 7,
            at: now(),
            entity: entity.into(),
            id: id.into(),
            op: Op::Insert,
            events: [].into(),
            targets: Vec::new(),
            old: None,
            new: new.map(|new| serde_json::from_str(new).expect("an object")),
            origin: None,
        }
    }

    const LATER: &str = "2026-11-20T11:01:37.237113Z";

    #[test]
    fn orders_are_read_and_of_two_the_last_counts() {
        let at = |moment: &str| format!(r#"{{"at": "{moment}"}}"#);
        let revoke = |at: Timestamp| {
            Some(Order::Revoke {
                user: "anna".into(),
                at,
            })
        };
        let later: Timestamp = LATER.parse().expect("a moment");
        assert_eq!(
            order("access:revoke", "anna", Some(&at(LATER))),
            revoke(later)
        );
        let mut folded = Folded::new(&change(
            "access:revoke",
            "anna",
            Some(&at("2026-11-20T11:00:00Z")),
        ));
        folded.absorb(&change("access:revoke", "anna", Some(&at(LATER))));
        assert_eq!(Order::of(&folded, now()), revoke(later));
        for unknown in [
            None,
            Some("{}"),
            Some(r#"{"at": 7}"#),
            Some(r#"{"at": "x"}"#),
        ] {
            assert_eq!(
                order("access:revoke", "anna", unknown),
                revoke(now()),
                "{unknown:?}"
            );
        }
        let leave = Order::Leave {
            user: "anna with spaces".into(),
            room: "order:7".parse().expect("a room"),
        };
        assert_eq!(
            order("access:leave", "order:7 anna with spaces", None),
            Some(leave)
        );
        let room = "order:7".parse().expect("a room");
        assert_eq!(
            order("access:recheck", "order:7", None),
            Some(Order::Recheck(room))
        );
    }

    #[test]
    fn what_cannot_be_read_is_not_passed_over_and_what_is_about_something_else_is() {
        assert_eq!(order("access:leave", "anna", None), Some(Order::Unreadable));
        assert_eq!(
            order("access:leave", "a*b anna", None),
            Some(Order::Unreadable)
        );
        assert_eq!(order("access:recheck", "", None), Some(Order::Unreadable));
        assert_eq!(order("product", "1", None), None);
    }
}
