//! What a session may do: says who it is, and asks for rooms.

use std::{ops::ControlFlow, pin::pin, time::Instant};

use jiff::Timestamp;
use serde_json::Number;
use tokio::{io::Interest, sync::oneshot};

use super::{
    bearer::{self, Bearer},
    connection::{Connection, after},
    standing::Due,
};
use crate::{
    access::{Decision, Identity, Permission},
    hub::{Command, Decided, Frame, Request},
    protocol::{CloseReason, ErrorCode, RoomStatus, ServerMessage},
    room::Room,
};

/// How often a session decides which rooms it may join, where that changes while it does.
const ATTEMPTS: u32 = 3;

impl Connection {
    /// Waits for `work`, and meanwhile writes what is to be written and notices the end, which the end of
    /// the token is one of.
    pub(super) async fn meanwhile<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> ControlFlow<CloseReason, T> {
        let mut work = pin!(work);
        let mut over = pin!(after(self.standing.ends_in(Timestamp::now())));
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
                () = &mut over => return ControlFlow::Break(self.part(CloseReason::TokenExpired)),
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
            Ok(identity) => self.identify(identity),
            Err(refusal) => ControlFlow::Break(self.part(bearer::close_for(refusal))),
        }
    }

    /// The session is this user's from now on, if they may have one more.
    pub(super) fn identify(&mut self, identity: Identity) -> ControlFlow<CloseReason> {
        if self.place.is_none() {
            self.place = self.gateway.edge.place_of(identity.user());
        }
        if self.place.is_none() {
            return ControlFlow::Break(self.gateway.is_full("max_connections_per_user"));
        }
        self.standing.identify(identity, Timestamp::now());
        ControlFlow::Continue(())
    }

    /// Answers a token that comes in a message: the first, or a newer one.
    pub(super) async fn authenticate(
        &mut self,
        id: Option<Number>,
        token: String,
    ) -> ControlFlow<CloseReason> {
        let guard = self.gateway.guard.clone();
        if !guard.wants_tokens() {
            self.reject(id, ErrorCode::BadRequest, bearer::NOT_WANTED);
            return ControlFlow::Continue(());
        }
        match self.meanwhile(guard.identify(&token)).await? {
            Ok(identity) if self.standing.is_other(&identity) => {
                let advice = "this connection is another user's: open one for this token";
                self.reject(id, ErrorCode::Unauthorized, advice);
                ControlFlow::Continue(())
            }
            Ok(identity) => {
                self.identify(identity.clone())?;
                let key = self.key()?;
                self.tell(Command::Identify { key, id, identity }).await
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
        let parsed: Vec<Option<Room>> = names.iter().map(|name| name.parse().ok()).collect();
        let rooms: Vec<Room> = parsed.iter().flatten().cloned().collect();
        let decisions = self
            .gateway
            .guard
            .decisions(self.standing.identity(), &rooms);
        let asks = decisions.iter().any(Decision::asks);
        for attempt in 1..=ATTEMPTS {
            let changes = self.gateway.guard.changes();
            let permissions = self.permissions(&rooms, &decisions).await?;
            let rooms = stand(&names, &parsed, permissions);
            if rooms.iter().any(Result::is_ok) {
                self.standing.has_joined();
            }
            let (again, changed) = oneshot::channel();
            let request = Request::Subscribe {
                rooms,
                since: since.clone(),
                decided: Decided {
                    changes,
                    again: (asks && attempt < ATTEMPTS).then_some(again),
                },
            };
            self.ask(id.clone(), request).await?;
            if !asks || self.meanwhile(changed).await?.is_err() {
                break;
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether the session may be in each of these rooms, as the database says where it is for it to decide. What
    /// may change that is heard from before on.
    async fn permissions(
        &self,
        rooms: &[Room],
        decisions: &[Decision],
    ) -> ControlFlow<CloseReason, Vec<Permission>> {
        let guard = &self.gateway.guard;
        let rooms = guard.to_be_heeded(rooms, decisions);
        if !rooms.is_empty() {
            let (heeded, told) = oneshot::channel();
            self.tell(Command::Heed { rooms, heeded }).await?;
            if self.meanwhile(told).await?.is_err() {
                return ControlFlow::Break(CloseReason::ServerError);
            }
        }
        let permissions = guard.permissions(self.standing.identity(), decisions);
        Box::pin(self.meanwhile(permissions)).await
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

/// The rooms that a session may join, and how the others stand. What is no room's name is for the hub to say.
fn stand(
    names: &[String],
    parsed: &[Option<Room>],
    permissions: Vec<Permission>,
) -> Vec<Result<String, RoomStatus>> {
    let mut permissions = permissions.into_iter();
    let rooms = names.iter().cloned().zip(parsed);
    rooms
        .map(
            |(name, room)| match room.as_ref().and_then(|_| permissions.next()) {
                None | Some(Permission::Allowed) => Ok(name),
                Some(Permission::Forbidden) => Err(RoomStatus::forbidden(name)),
                Some(Permission::NotReady) => Err(RoomStatus::undecided(name, ErrorCode::NotReady)),
                Some(Permission::RateLimited) => {
                    Err(RoomStatus::undecided(name, ErrorCode::RateLimited))
                }
            },
        )
        .collect()
}
