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

use super::{Error, connect::Session, server::Server};

/// Most changes of the `payload` transport held for the reader; what more come is a gap.
const MAX_PAYLOADS: usize = 20_000;

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
    /// Whether the connection has ended.
    pub(super) ended: bool,
}

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

    fn hear(&self, payload: &str, beat: &str) {
        if let Some(number) = payload.strip_prefix(beat) {
            if let Ok(number) = number.parse() {
                self.beat.store(number, Ordering::Release);
                self.beaten.notify_one();
            }
            return;
        }
        let mut heard = self.heard();
        match payload {
            "" => heard.rings += 1,
            "muted" => heard.muted = true,
            change if change.starts_with('{') && heard.payloads.len() < MAX_PAYLOADS => {
                heard.payloads.push_back(change.to_owned());
            }
            change if change.starts_with('{') => heard.overflowed = true,
            // Another daemon's heartbeat, or a stranger on our channel.
            _ => return,
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
    session: Session,
}

impl Listener {
    /// Connects and listens. When this returns, LISTEN has committed: whatever commits from now on
    /// is heard, and whatever committed before is visible to a read that starts now.
    pub(super) async fn start(server: &Server) -> Result<Self, Error> {
        let bell = Arc::new(Bell::default());
        let beat = format!("beat {:x} ", fastrand::u64(..));
        let hear = {
            let (bell, beat) = (bell.clone(), beat.clone());
            move |payload: Option<&str>| match payload {
                Some(payload) => bell.hear(payload, &beat),
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
