//! What becomes of somebody who wants to be in rooms, the database asked where it has to be.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use tokio::time::{Instant as Clock, timeout_at};

use super::{Decision, Guard, Identity, Question};
use crate::room::Room;

/// Questions of one session that the database is asked at a time.
pub const AT_ONCE: usize = 8;
/// Longest wait for the answers to one request.
const DEADLINE: Duration = Duration::from_secs(5);

/// What the database makes of somebody who wants to be in a room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Permission {
    /// May be there.
    Allowed,
    /// May not.
    Forbidden,
    /// The database did not say.
    NotReady,
    /// Too many ask.
    RateLimited,
}

impl Permission {
    /// Its name in metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Forbidden => "forbidden",
            Self::NotReady => "not_ready",
            Self::RateLimited => "rate_limited",
        }
    }
}

impl Guard {
    /// What the rules make of somebody and each of these rooms.
    pub fn decisions(&self, identity: Option<&Identity>, rooms: &[Room]) -> Vec<Decision> {
        let decide = |room| self.decide(identity, room);
        rooms.iter().map(decide).collect()
    }

    /// What becomes of these decisions about somebody. Where the database has to be asked and does not answer in
    /// time, nobody knows.
    pub async fn permissions(
        &self,
        identity: Option<&Identity>,
        decisions: &[Decision],
    ) -> Vec<Permission> {
        let mut asked = Vec::new();
        let mut permissions = Vec::with_capacity(decisions.len());
        for (place, decision) in decisions.iter().enumerate() {
            permissions.push(match (decision, identity) {
                (Decision::Allow, _) => Permission::Allowed,
                (Decision::Ask(questions), Some(identity)) => {
                    asked.push(async move { (place, self.ask(identity, questions).await) });
                    Permission::NotReady
                }
                (Decision::Deny | Decision::Ask(_), _) => Permission::Forbidden,
            });
        }
        let deadline = Clock::now() + DEADLINE;
        let mut answers = stream::iter(asked).buffer_unordered(AT_ONCE);
        while let Ok(Some((place, permission))) = timeout_at(deadline, answers.next()).await {
            permissions[place] = permission;
        }
        permissions
    }

    /// Whether somebody may stay in a room. Where too many ask, waits its turn until then.
    pub async fn permission_by(
        &self,
        until: Instant,
        identity: &Identity,
        room: &Room,
    ) -> Permission {
        match self.decide(Some(identity), room) {
            Decision::Allow => Permission::Allowed,
            Decision::Deny => Permission::Forbidden,
            Decision::Ask(questions) => {
                let asking = self.ask_by(until, identity, &questions);
                let answer = timeout_at(until.into(), asking).await;
                answer.unwrap_or(Permission::NotReady)
            }
        }
    }

    /// Those of the rooms of which the database has to be asked, and in which something may be told that changes
    /// what it says.
    pub fn to_be_heeded(&self, rooms: &[Room], decisions: &[Decision]) -> Vec<Room> {
        let asked = rooms.iter().zip(decisions);
        asked
            .filter(|(room, decision)| decision.asks() && self.rechecks(room, None))
            .map(|(room, _)| room.clone())
            .collect()
    }

    /// Asks the database, unless it was asked lately: any yes is enough.
    async fn ask(&self, identity: &Identity, questions: &[Question]) -> Permission {
        self.ask_by(Instant::now(), identity, questions).await
    }

    async fn ask_by(
        &self,
        until: Instant,
        identity: &Identity,
        questions: &[Question],
    ) -> Permission {
        let mut permission = Permission::Forbidden;
        for question in questions {
            match self.answer_by(until, identity, question).await {
                Permission::Allowed => return Permission::Allowed,
                Permission::Forbidden => {}
                unanswered => permission = unanswered,
            }
        }
        permission
    }
}
