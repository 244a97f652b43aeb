//! The connection that LISTENs.
//!
//! It is never in a transaction and never waits for anything downstream: a listener that stops
//! reading would hold the tail of the server's notification queue, and a full queue fails the
//! commits of writers. What it hears is folded into a [`Bell`] of bounded size.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;

use super::{Error, connect::Session, server::Server, signature::Key};

/// Most changes of the `payload` transport held for the reader, and most bytes of them; what more
/// come is a gap.
const MAX_PAYLOADS: usize = 20_000;
const MAX_PAYLOAD_BYTES: usize = 32 << 20;

/// What was heard since somebody last looked.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Commits that rang.
    pub(super) rings: u64,
    /// Whether some daemon muted the bell.
    pub(super) muted: bool,
    /// Changes that came inside notifications, in commit order.
    pub(super) payloads: VecDeque<String>,
    /// Whether more changes came inside notifications than were held.
    pub(super) overflowed: bool,
    /// Notifications that neither a writer nor a daemon has sent.
    pub(super) foreign: u64,
    payload_bytes: usize,
    /// Whether the connection has ended.
    pub(super) ended: bool,
}

impl Heard {
    fn hold(&mut self, change: &str) {
        self.payload_bytes += change.len();
        if self.payloads.len() < MAX_PAYLOADS && self.payload_bytes <= MAX_PAYLOAD_BYTES {
            self.payloads.push_back(change.to_owned());
        } else {
            self.overflowed = true;
        }
    }
}

/// What heartbeats begin with.
const BEAT: &str = "beat ";

/// Where the listener leaves what it hears.
#[derive(Debug, Default)]
pub(super) struct Bell {
    heard: Mutex<Heard>,
    beat: AtomicU64,
    sent: AtomicU64,
    woken: Notify,
    beaten: Notify,
}

impl Bell {
    /// Waits until something was heard that wants a look.
    pub(super) async fn wake(&self) {
        self.woken.notified().await;
    }

    /// Takes what was heard.
    pub(super) fn take(&self) -> Heard {
        let mut heard = self.heard();
        let ended = heard.ended;
        let taken = std::mem::take(&mut *heard);
        heard.ended = ended;
        taken
    }

    /// The number of the heartbeat to send now.
    pub(super) fn next_beat(&self) -> u64 {
        self.sent.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Waits until heartbeat `number` was heard.
    pub(super) async fn beat(&self, number: u64) {
        while self.beat.load(Ordering::Acquire) < number {
            self.beaten.notified().await;
        }
    }

    /// Every role may notify: what is heard here wakes the reader, and no more than that, unless it is
    /// a change that is signed.
    fn hear(&self, payload: &str, beat: &str, key: Option<&Key>) {
        if let Some(number) = payload.strip_prefix(beat) {
            let number = number.parse().unwrap_or(u64::MAX);
            // Nobody else makes later ones seem to have come already.
            if number <= self.sent.load(Ordering::Relaxed) {
                self.beat.fetch_max(number, Ordering::AcqRel);
                self.beaten.notify_one();
            }
            return;
        }
        let mut heard = self.heard();
        match payload {
            "" => heard.rings += 1,
            "muted" => heard.muted = true,
            // Another daemon's.
            _ if payload.starts_with(BEAT) => return,
            _ => match key.and_then(|key| key.opened(payload)) {
                Some(change) => heard.hold(change),
                None => {
                    heard.foreign += 1;
                    return;
                }
            },
        }
        self.woken.notify_one();
    }

    fn end(&self) {
        self.heard().ended = true;
        self.woken.notify_one();
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that listens.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) bell: Arc<Bell>,
    /// What this session's heartbeats begin with.
    pub(super) beat: String,
    /// What changes inside notifications are signed with.
    pub(super) key: Option<Key>,
    session: Session,
}

impl Listener {
    /// Connects and listens. When this returns, LISTEN has committed: whatever commits from now on
    /// is heard, and whatever committed before is visible to a read that starts now.
    /// Changes inside notifications are taken if they are signed with `key`.
    pub(super) async fn start(server: &Server, key: Option<Key>) -> Result<Self, Error> {
        let bell = Arc::new(Bell::default());
        let beat = format!("{BEAT}{:x} ", fastrand::u64(..));
        let hear = {
            let (bell, beat, key) = (bell.clone(), beat.clone(), key.clone());
            move |payload: Option<&str>| match payload {
                Some(payload) => bell.hear(payload, &beat, key.as_ref()),
                None => bell.end(),
            }
        };
        let session = server.listener(hear).await?;
        session
            .ask("listen", session.client.batch_execute("listen pgbell"))
            .await?;
        Ok(Self {
            bell,
            beat,
            key,
            session,
        })
    }

    /// Takes what was heard, unless nothing more will be.
    pub(super) fn take(&self) -> Result<Heard, Error> {
        let heard = self.bell.take();
        if heard.ended {
            return Err(Error::ListenerEnded(self.session.end()));
        }
        Ok(heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_can_wake_the_reader_and_no_more() {
        for key in [None, Some(Key(b"key".to_vec()))] {
            let bell = Bell::default();
            bell.next_beat();
            for payload in [
                "beat 7 2",
                "beat 7 18446744073709551615",
                "beat 7 99999999999999999999",
                "beat 7 x",
                "beat 8 1",
            ] {
                bell.hear(payload, "beat 7 ", key.as_ref());
            }
            assert_eq!(bell.beat.load(Ordering::Relaxed), 0);
            let heard = bell.take();
            assert_eq!((heard.rings, heard.muted, heard.foreign), (0, false, 0));

            bell.hear("", "beat 7 ", key.as_ref());
            bell.hear("muted", "beat 7 ", key.as_ref());
            for payload in ["{}", "x", "0123456789abcdef0123456789abcdef{}", "ünü"] {
                bell.hear(payload, "beat 7 ", key.as_ref());
            }
            let heard = bell.take();
            assert_eq!((heard.rings, heard.muted, heard.foreign), (1, true, 4));
            assert!(heard.payloads.is_empty() && !heard.overflowed);
        }
    }

    #[test]
    fn changes_beyond_the_bounds_are_a_gap() {
        let mut heard = Heard::default();
        let change = "x".repeat(8000);
        for _ in 0..MAX_PAYLOADS {
            heard.hold(&change);
        }
        let held: usize = heard.payloads.iter().map(String::len).sum();
        assert!(heard.overflowed && held <= MAX_PAYLOAD_BYTES);
    }
}
