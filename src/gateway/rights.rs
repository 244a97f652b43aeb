//! What a session may do: says who it is, asks about rooms, and is asked again when something has changed.

use std::{
    ops::ControlFlow,
    pin::pin,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::Number;
use tokio::{
    io::Interest,
    sync::oneshot,
    time::{sleep, timeout_at},
};

use super::{
    bearer::{self, Bearer},
    connection::Connection,
    standing::Due,
};
use crate::{
    access::{Decision, Guard, Identity, Permission, Question},
    hub::{Command, Frame, Recheck, Request},
    protocol::{CloseReason, ErrorCode, RoomStatus, ServerMessage},
    room::Room,
};

/// Questions of one session that the database is asked at a time.
const AT_ONCE: usize = 8;
/// Longest wait for the answers to one request.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a session that is in rooms already waits for others to have been asked about.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it asks again, where there was no answer, and after which time.
const ATTEMPTS: u32 = 3;
const APART: Duration = Duration::from_millis(300);

impl Connection {
    /// Waits for `work`, and meanwhile writes what is to be written and notices the end.
    pub(super) async fn meanwhile<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> ControlFlow<CloseReason, T> {
        let mut work = pin!(work);
        // What the client says has to wait, so it is no news after the first time.
        let mut has_more = false;
        loop {
            let mut interest = match self.drain() {
                Ok(interest) => interest,
                Err(_) => return ControlFlow::Break(CloseReason::Normal),
            };
            if let Some(reason) = self.outbox.ending() {
                return ControlFlow::Break(reason);
            }
            if has_more {
                interest = interest
                    .remove(Interest::READABLE)
                    .unwrap_or(Interest::ERROR);
            }
            tokio::select! {
                biased;
                done = &mut work => return ControlFlow::Continue(done),
                ready = self.stream.ready(interest) => match ready {
                    Ok(ready) if ready.is_read_closed() || ready.is_error() => {
                        return ControlFlow::Break(CloseReason::Normal);
                    }
                    Ok(ready) => has_more |= ready.is_readable(),
                    Err(_) => return ControlFlow::Break(CloseReason::Normal),
                },
                () = self.outbox.woken() => {}
            }
        }
    }

    /// Finds out who comes with a token, before anything else.
    pub(super) async fn admit(&mut self, token: &Bearer) -> ControlFlow<CloseReason> {
        if !self.gateway.guard.wants_tokens() {
            return ControlFlow::Continue(());
        }
        let guard = self.gateway.guard.clone();
        match self.meanwhile(guard.identify(&token.0)).await? {
            Ok(identity) => {
                self.identify(identity)?;
                ControlFlow::Continue(())
            }
            Err(refusal) => ControlFlow::Break(self.part(bearer::close_for(refusal))),
        }
    }

    /// The session is this user's from now on, if they may have one more. Returns whether it was before.
    pub(super) fn identify(&mut self, identity: Identity) -> ControlFlow<CloseReason, bool> {
        if self.place.is_none() {
            self.place = self.gateway.edge.place_of(identity.user());
        }
        if self.place.is_none() {
            return ControlFlow::Break(self.gateway.is_full("max_connections_per_user"));
        }
        ControlFlow::Continue(self.standing.identify(identity, Timestamp::now()))
    }

    /// Answers a token that comes in a message: the first, or a newer one.
    pub(super) async fn authenticate(
        &mut self,
        id: Option<Number>,
        token: String,
    ) -> ControlFlow<CloseReason> {
        let guard = self.gateway.guard.clone();
        if !guard.wants_tokens() {
            let advice = "this server checks no tokens: every room is open";
            self.reject(id, ErrorCode::BadRequest, advice);
            return ControlFlow::Continue(());
        }
        match self.meanwhile(guard.identify(&token)).await? {
            Ok(identity) if self.standing.is_other(&identity) => {
                let advice = "this connection is another user's: open one for this token";
                self.reject(id, ErrorCode::Unauthorized, advice);
                ControlFlow::Continue(())
            }
            Ok(identity) => {
                let known = self.identify(identity.clone())?;
                let key = self.key()?;
                self.tell(Command::Identify { key, id, identity }).await?;
                match known {
                    true => self.recheck(Recheck::Every).await,
                    false => ControlFlow::Continue(()),
                }
            }
            Err(refusal) => {
                self.reject(id, bearer::code_of(refusal), bearer::advice_on(refusal));
                ControlFlow::Continue(())
            }
        }
    }

    /// Asks the hub for rooms, those of them that the session may join.
    pub(super) async fn subscribe(
        &mut self,
        id: Option<Number>,
        names: Vec<String>,
        since: Option<String>,
    ) -> ControlFlow<CloseReason> {
        self.keep_standing()?;
        let decided = self.gateway.guard.changes();
        let parsed: Vec<Option<Room>> = names.iter().map(|name| name.parse().ok()).collect();
        let rooms: Vec<Room> = parsed.iter().flatten().cloned().collect();
        let permissions = self.permissions(&rooms, Duration::ZERO).await?;
        let mut permissions = permissions.into_iter();
        let rooms: Vec<_> = names
            .into_iter()
            .zip(parsed)
            // What is no room's name is for the hub to say.
            .map(|(name, room)| match room.and_then(|_| permissions.next()) {
                None | Some(Permission::Allowed) => Ok(name),
                Some(Permission::Forbidden) => Err(RoomStatus::forbidden(name)),
                Some(Permission::NotReady) => Err(RoomStatus::undecided(name, ErrorCode::NotReady)),
                Some(Permission::RateLimited) => {
                    Err(RoomStatus::undecided(name, ErrorCode::RateLimited))
                }
            })
            .collect();
        if rooms.iter().any(Result::is_ok) {
            self.standing.has_joined();
        }
        let request = Request::Subscribe {
            rooms,
            since,
            decided,
        };
        self.ask(id, request).await
    }

    /// Leaves the rooms that the session may not be in any more.
    pub(super) async fn recheck(&mut self, recheck: Recheck) -> ControlFlow<CloseReason> {
        let mut rooms: Vec<Room> = match recheck {
            Recheck::Rooms(rooms) => rooms.into_iter().collect(),
            Recheck::Every => self.rooms().await?,
        };
        for attempt in 1.. {
            let permissions = self.permissions(&rooms, PATIENCE).await?;
            let is_last = attempt == ATTEMPTS;
            let (mut lost, mut unsettled) = (Vec::new(), Vec::new());
            for (room, permission) in rooms.into_iter().zip(permissions) {
                match permission {
                    Permission::Allowed => {}
                    Permission::Forbidden => lost.push((room, ErrorCode::Forbidden)),
                    Permission::NotReady if is_last => lost.push((room, ErrorCode::NotReady)),
                    Permission::RateLimited if is_last => lost.push((room, ErrorCode::RateLimited)),
                    Permission::NotReady | Permission::RateLimited => unsettled.push(room),
                }
            }
            if !lost.is_empty() {
                let key = self.key()?;
                self.tell(Command::Expel { key, rooms: lost }).await?;
            }
            if unsettled.is_empty() {
                break;
            }
            self.meanwhile(sleep(APART * attempt)).await?;
            rooms = unsettled;
        }
        ControlFlow::Continue(())
    }

    async fn rooms(&self) -> ControlFlow<CloseReason, Vec<Room>> {
        let key = self.key()?;
        let (rooms, told) = oneshot::channel();
        self.tell(Command::Rooms { key, rooms }).await?;
        match self.meanwhile(told).await? {
            Ok(rooms) => ControlFlow::Continue(rooms),
            Err(_) => ControlFlow::Break(CloseReason::ServerError),
        }
    }

    /// Whether the session may be in each of these rooms. Where the database has to be asked and does not
    /// answer in time, nobody knows.
    async fn permissions(
        &self,
        rooms: &[Room],
        patience: Duration,
    ) -> ControlFlow<CloseReason, Vec<Permission>> {
        let (guard, identity) = (&self.gateway.guard, self.standing.identity());
        let mut asked = Vec::new();
        let mut permissions: Vec<Permission> = Vec::with_capacity(rooms.len());
        for (place, room) in rooms.iter().enumerate() {
            permissions.push(match (guard.decide(identity, room), identity) {
                (Decision::Allow, _) => Permission::Allowed,
                (Decision::Ask(questions), Some(identity)) => {
                    let (guard, identity) = (guard.clone(), identity.clone());
                    asked.push(ask_about(place, guard, identity, questions, patience));
                    Permission::NotReady
                }
                (Decision::Deny | Decision::Ask(_), _) => Permission::Forbidden,
            });
        }
        if asked.is_empty() {
            return ControlFlow::Continue(permissions);
        }
        let deadline = tokio::time::Instant::now() + DEADLINE + patience;
        let asking = async {
            let mut answers = stream::iter(asked).buffer_unordered(AT_ONCE);
            while let Ok(Some((place, permission))) = timeout_at(deadline, answers.next()).await {
                permissions[place] = permission;
            }
        };
        Box::pin(self.meanwhile(asking)).await?;
        ControlFlow::Continue(permissions)
    }

    /// Does what time makes necessary: warns of the end of a token, and ends who has none any more.
    pub(super) fn keep_standing(&mut self) -> ControlFlow<CloseReason> {
        match self.standing.due(Instant::now(), Timestamp::now()) {
            Due::Nothing => ControlFlow::Continue(()),
            Due::Warn { in_ms } => {
                self.say(&ServerMessage::TokenExpiring { in_ms });
                ControlFlow::Continue(())
            }
            Due::Close(reason) => ControlFlow::Break(self.part(reason)),
        }
    }

    /// Tells a client when to come back, where it may do so soon.
    fn part(&self, reason: CloseReason) -> CloseReason {
        if reason == CloseReason::TokenExpired {
            self.outbox.send(Frame::goodbye_for_token(), Instant::now());
        }
        reason
    }
}

/// What the database makes of the room in this place.
async fn ask_about(
    place: usize,
    guard: Guard,
    identity: Identity,
    questions: Vec<Question>,
    patience: Duration,
) -> (usize, Permission) {
    (place, guard.ask(&identity, &questions, patience).await)
}
