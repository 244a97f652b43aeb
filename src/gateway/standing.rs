//! Who a session is, and until when that holds. Takes `now`; whoever has it waits.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::{access::Identity, protocol::CloseReason};

/// The clock may be set while somebody sleeps, and stand still while the machine does: it is looked at this
/// often at least.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Who a session is.
#[derive(Debug, Default)]
pub(super) struct Standing {
    identity: Option<Identity>,
    /// When the client is to be told that a newer token is wanted.
    warn_at: Option<Timestamp>,
    /// By when it has to say who it is, or to join a room.
    prove_by: Option<Instant>,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    Nothing,
    /// The client is to be told that its token is good for this long.
    Warn {
        in_ms: u64,
    },
    Close(CloseReason),
}

impl Standing {
    pub(super) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Whether the session is of another user.
    pub(super) fn is_other(&self, identity: &Identity) -> bool {
        let user = self.identity.as_ref().map(Identity::user);
        user.is_some_and(|user| user != identity.user())
    }

    /// Whoever says nothing is not waited for any longer than this.
    pub(super) fn must_prove(&mut self, within: Option<Duration>, now: Instant) {
        let is_nobody = self.identity.is_none();
        self.prove_by = within.filter(|_| is_nobody).map(|within| now + within);
    }

    /// The session has a token, or a newer one.
    pub(super) fn identify(&mut self, identity: Identity, now: Timestamp) {
        // At four fifths of what is left of it now: a token that is told twice is not asked for at once.
        let left = identity.expires_at().duration_since(now);
        self.warn_at = now.checked_add(left * 4 / 5).ok();
        self.prove_by = None;
        self.identity = Some(identity);
    }

    /// The session has joined a room.
    pub(super) fn has_joined(&mut self) {
        self.prove_by = None;
    }

    /// What is to be done by now.
    pub(super) fn due(&mut self, now: Instant, clock: Timestamp) -> Due {
        if self.prove_by.is_some_and(|by| by <= now) {
            return Due::Close(CloseReason::AuthTimeout);
        }
        let Some(identity) = &self.identity else {
            return Due::Nothing;
        };
        let left = identity.expires_at().duration_since(clock);
        if left <= SignedDuration::ZERO {
            return Due::Close(CloseReason::TokenExpired);
        }
        match self.warn_at.take_if(|at| *at <= clock) {
            Some(_) => Due::Warn {
                in_ms: u64::try_from(left.as_millis()).unwrap_or(0),
            },
            None => Due::Nothing,
        }
    }

    /// After which time the token is over, if there is one.
    pub(super) fn ends_in(&self, clock: Timestamp) -> Option<Duration> {
        let over = self.identity.as_ref().map(Identity::expires_at);
        over.map(|at| until(at, clock))
    }

    /// After which time to look again, if ever.
    pub(super) fn next(&self, now: Instant, clock: Timestamp) -> Option<Duration> {
        let warn_in = self.warn_at.map(|at| until(at, clock));
        let by_clock = [warn_in, self.ends_in(clock)].into_iter().flatten().min();
        let by_clock = by_clock.map(|until| until.min(LONGEST_SLEEP));
        let by_watch = self.prove_by.map(|by| by.saturating_duration_since(now));
        [by_clock, by_watch].into_iter().flatten().min()
    }
}

/// Nothing, where it is over already.
fn until(at: Timestamp, clock: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(clock)).unwrap_or_default()
}
