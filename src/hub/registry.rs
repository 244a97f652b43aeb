//! Who is in which room: the bookkeeping alone.

use std::collections::{HashMap, HashSet};

use crate::{
    access::Identity,
    room::{Room, Target},
};

/// Names a session, and none that comes after it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SessionKey {
    place: usize,
    serial: u64,
}

/// Sessions of type `S` and the rooms they are in.
#[derive(Debug)]
pub(super) struct Registry<S> {
    sessions: slab::Slab<Member<S>>,
    rooms: HashMap<Room, Vec<SessionKey>>,
    subscriptions: usize,
    /// Sessions so far.
    joined: u64,
}

#[derive(Debug)]
struct Member<S> {
    session: S,
    rooms: HashSet<Room>,
    /// Rooms of which it is not told anything yet.
    deferred: HashSet<Room>,
    /// Who it is, if it said so.
    identity: Option<Identity>,
    serial: u64,
}

/// What became of a subscription.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Subscribed {
    /// The session was not in the room before.
    Newly,
    /// It was.
    Already,
    /// It is in as many rooms as it may be.
    Full,
}

impl<S> Registry<S> {
    /// Nobody is here.
    pub(super) fn new() -> Self {
        Self {
            sessions: slab::Slab::new(),
            rooms: HashMap::new(),
            subscriptions: 0,
            joined: 0,
        }
    }

    pub(super) fn join(&mut self, session: S) -> SessionKey {
        self.joined += 1;
        let serial = self.joined;
        let place = self.sessions.insert(Member {
            session,
            rooms: HashSet::new(),
            deferred: HashSet::new(),
            identity: None,
            serial,
        });
        SessionKey { place, serial }
    }

    /// Notes who a session is.
    pub(super) fn identify(&mut self, key: SessionKey, identity: Identity) {
        if let Some(member) = self.member_mut(key) {
            member.identity = Some(identity);
        }
    }

    /// Who a session is, if it said so.
    pub(super) fn identity(&self, key: SessionKey) -> Option<&Identity> {
        self.member(key)?.identity.as_ref()
    }

    /// The sessions of those who are meant, who have said who they are.
    pub(super) fn whose(&self, is_meant: impl Fn(&Identity) -> bool) -> Vec<SessionKey> {
        let keys = self.sessions.iter().filter_map(|(place, member)| {
            let serial = member.serial;
            let identity = member.identity.as_ref()?;
            is_meant(identity).then_some(SessionKey { place, serial })
        });
        keys.collect()
    }

    fn member(&self, key: SessionKey) -> Option<&Member<S>> {
        let member = self.sessions.get(key.place);
        member.filter(|member| member.serial == key.serial)
    }

    fn member_mut(&mut self, key: SessionKey) -> Option<&mut Member<S>> {
        let member = self.sessions.get_mut(key.place);
        member.filter(|member| member.serial == key.serial)
    }

    /// Every session there is.
    pub(super) fn keys(&self) -> impl Iterator<Item = SessionKey> {
        let key = |(place, member): (usize, &Member<S>)| SessionKey {
            place,
            serial: member.serial,
        };
        self.sessions.iter().map(key)
    }

    /// Forgets a session and its subscriptions; returns the rooms that nobody is in any more.
    pub(super) fn leave(&mut self, key: SessionKey) -> Vec<Room> {
        if self.member(key).is_none() {
            return Vec::new();
        }
        let member = self.sessions.remove(key.place);
        let mut rooms: Vec<Room> = member.rooms.into_iter().collect();
        rooms.retain(|room| self.drop_member(room, key));
        rooms
    }

    /// Puts a session into a room, unless it would be in more than `most`.
    pub(super) fn subscribe(&mut self, key: SessionKey, room: &Room, most: usize) -> Subscribed {
        let Some(member) = self.member_mut(key) else {
            return Subscribed::Full;
        };
        if member.rooms.contains(room) {
            return Subscribed::Already;
        }
        if member.rooms.len() >= most {
            return Subscribed::Full;
        }
        // One name per room in memory, however many sessions spell it.
        let known = self.rooms.get_key_value(room);
        let room = known.map_or(room, |(known, _)| known).clone();
        if let Some(member) = self.member_mut(key) {
            member.rooms.insert(room.clone());
        }
        self.rooms.entry(room).or_default().push(key);
        self.subscriptions += 1;
        Subscribed::Newly
    }

    /// Tells a session nothing of a room until [`Registry::admit`].
    pub(super) fn defer(&mut self, key: SessionKey, room: &Room) {
        if let Some(member) = self.member_mut(key) {
            member.deferred.insert(room.clone());
        }
    }

    /// Tells a session of a room from now on, if it is still in it.
    pub(super) fn admit(&mut self, key: SessionKey, room: &Room) {
        if let Some(member) = self.member_mut(key) {
            member.deferred.remove(room);
        }
    }

    /// Takes a session out of a room; returns the room if nobody is in it any more.
    pub(super) fn unsubscribe(&mut self, key: SessionKey, room: &str) -> Option<Room> {
        let room = self.member_mut(key)?.rooms.take(room)?;
        self.admit(key, &room);
        self.drop_member(&room, key).then_some(room)
    }

    /// Whether a session is in a room.
    pub(super) fn is_in(&self, key: SessionKey, room: &Room) -> bool {
        let member = self.member(key);
        member.is_some_and(|member| member.rooms.contains(room))
    }

    /// Returns whether that was the last member.
    fn drop_member(&mut self, room: &Room, key: SessionKey) -> bool {
        let Some(members) = self.rooms.get_mut(room) else {
            return false;
        };
        if let Some(place) = members.iter().position(|member| *member == key) {
            members.swap_remove(place);
            self.subscriptions -= 1;
        }
        let empty = members.is_empty();
        if empty {
            self.rooms.remove(room);
        }
        empty
    }

    pub(super) fn session(&self, key: SessionKey) -> Option<&S> {
        self.member(key).map(|member| &member.session)
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = &S> {
        self.sessions.iter().map(|(_, member)| &member.session)
    }

    /// Everyone who is told of a room.
    pub(super) fn members(&self, room: &Room) -> impl Iterator<Item = &S> {
        let keys = self.rooms.get(room).map_or(&[][..], Vec::as_slice);
        let members = keys.iter().filter_map(|key| self.member(*key));
        let told = |member: &&Member<S>| !member.deferred.contains(room);
        members.filter(told).map(|member| &member.session)
    }

    /// Everyone in a room, also those who are not told of it yet.
    pub(super) fn everyone_in(&self, room: &Room) -> &[SessionKey] {
        self.rooms.get(room).map_or(&[], Vec::as_slice)
    }

    /// Rooms with a subscriber that `target` covers.
    pub(super) fn covered(&self, target: &Target) -> Vec<Room> {
        match target {
            Target::Room(room) => self
                .rooms
                .get_key_value(room)
                .map(|(room, _)| room.clone())
                .into_iter()
                .collect(),
            Target::Prefix(_) => self
                .rooms
                .keys()
                .filter(|room| target.covers(room))
                .cloned()
                .collect(),
        }
    }

    /// The rooms a session is in.
    pub(super) fn rooms_of(&self, key: SessionKey) -> impl Iterator<Item = &Room> {
        self.member(key)
            .into_iter()
            .flat_map(|member| &member.rooms)
    }

    /// Sessions, rooms with a subscriber, and subscriptions.
    pub(super) fn size(&self) -> (usize, usize, usize) {
        (self.sessions.len(), self.rooms.len(), self.subscriptions)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Join,
        Leave(usize),
        Subscribe(usize, u8),
        Unsubscribe(usize, u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            Just(Step::Join),
            (0..9_usize).prop_map(Step::Leave),
            (0..9_usize, 0..5_u8).prop_map(|(session, room)| Step::Subscribe(session, room)),
            (0..9_usize, 0..5_u8).prop_map(|(session, room)| Step::Unsubscribe(session, room)),
        ];
        proptest::collection::vec(step, 0..80)
    }

    fn room(number: u8) -> Room {
        format!("room:{number}").parse().unwrap()
    }

    proptest! {
        #[test]
        fn members_are_those_who_joined_and_did_not_leave(steps in steps()) {
            let most = 3;
            let mut registry = Registry::new();
            let mut model: Vec<(SessionKey, usize, HashSet<u8>)> = Vec::new();
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Join => model.push((registry.join(number), number, HashSet::new())),
                    Step::Leave(at) if at < model.len() => {
                        let (key, _, rooms) = model.swap_remove(at);
                        let left: HashSet<Room> = registry.leave(key).into_iter().collect();
                        let stay = |number: &u8| model.iter().any(|(.., rooms)| rooms.contains(number));
                        let empty = rooms.into_iter().filter(|number| !stay(number)).map(room);
                        prop_assert_eq!(left, empty.collect::<HashSet<Room>>());
                    }
                    Step::Subscribe(at, number) if at < model.len() => {
                        let (key, _, rooms) = &mut model[at];
                        let fits = rooms.contains(&number) || rooms.len() < most;
                        let expected = match (rooms.contains(&number), fits) {
                            (true, _) => Subscribed::Already,
                            (false, true) => Subscribed::Newly,
                            (false, false) => Subscribed::Full,
                        };
                        prop_assert_eq!(registry.subscribe(*key, &room(number), most), expected);
                        if fits { rooms.insert(number); }
                    }
                    Step::Unsubscribe(at, number) if at < model.len() => {
                        let (key, _, rooms) = &mut model[at];
                        registry.unsubscribe(*key, room(number).as_str());
                        rooms.remove(&number);
                    }
                    _ => {}
                }
                for number in 0..5 {
                    let members: HashSet<usize> = registry.members(&room(number)).copied().collect();
                    let expected = model.iter().filter(|(_, _, rooms)| rooms.contains(&number));
                    prop_assert_eq!(members, expected.map(|(_, number, _)| *number).collect());
                }
                let rooms: HashSet<u8> = model.iter().flat_map(|(_, _, rooms)| rooms).copied().collect();
                let subscriptions = model.iter().map(|(_, _, rooms)| rooms.len()).sum();
                prop_assert_eq!(registry.size(), (model.len(), rooms.len(), subscriptions));
            }
        }
    }

    #[test]
    fn a_deferred_room_is_told_nothing_until_it_is_admitted_or_left_and_joined_again() {
        let mut registry = Registry::new();
        let key = registry.join(7);
        let told = |registry: &Registry<i32>| registry.members(&room(1)).count();
        registry.subscribe(key, &room(1), 9);
        registry.defer(key, &room(1));
        assert_eq!((told(&registry), registry.size()), (0, (1, 1, 1)));
        registry.admit(key, &room(1));
        assert_eq!(told(&registry), 1);
        registry.defer(key, &room(1));
        assert_eq!(registry.unsubscribe(key, "room:1"), Some(room(1)));
        registry.admit(key, &room(1));
        assert_eq!(told(&registry), 0, "it has left");
        registry.subscribe(key, &room(1), 9);
        assert_eq!(told(&registry), 1);
    }

    #[test]
    fn a_target_covers_only_rooms_that_somebody_is_in() {
        let mut registry = Registry::new();
        let key = registry.join(());
        for name in ["product:1", "product:2", "order:1"] {
            registry.subscribe(key, &name.parse().unwrap(), 9);
        }
        assert_eq!(registry.covered(&"product:*".parse().unwrap()).len(), 2);
        assert_eq!(registry.covered(&"order:1".parse().unwrap()).len(), 1);
        assert_eq!(registry.covered(&"order:2".parse().unwrap()).len(), 0);
        assert_eq!(registry.covered(&Target::every()).len(), 3);
    }
}
