//! Hub: rooms and the sessions in them.
//!
//! One task owns all of it, so joining a room and being told about it happen in one order and need
//! no lock. `registry` knows who is where, `frame` encodes once what many are sent, `event` says it as a
//! server-sent event, `outbox` gets it onto a socket or keeps it within bounds, `folding` says the same in
//! fewer bytes to who reads slowly.
//! `memory` knows what was told lately, `resume` lets those it cannot help share a look at the log,
//! `replay` tells them again what they missed. `drain` knows who is sent away when.
//! `control` hears in a room of its own who may be where no longer, `recheck` paces how often members of a room
//! are asked about again, `asking` asks, and `rights` does what follows.
//! `preview` says what would be sent, without sending it.

mod answer;
mod asking;
mod config;
mod control;
mod drain;
mod event;
mod folding;
mod frame;
mod log;
mod memory;
mod missed;
mod outbox;
mod preview;
mod recheck;
mod registry;
mod replay;
mod resume;
mod rights;
mod worker;

use std::sync::Arc;

use serde_json::Number;
use tokio::sync::{mpsc, oneshot};

pub use config::{Config, ResumeConfig};
pub use event::Form;
pub(crate) use frame::Frame;
pub use outbox::{Outbox, OutboxLimits, Progress, Wire};
pub use preview::{Preview, preview};
pub use registry::SessionKey;
pub use worker::{Hub, Settings};

use crate::{
    access::Identity,
    protocol::{ConnectionId, RoomStatus},
    room::Room,
};

/// What a session asks of the hub. Answers go to its outbox, in order with everything else.
#[derive(Debug)]
pub enum Command {
    /// Welcomes a session, once the daemon has a position to welcome it with.
    Join {
        /// Its name.
        connection: ConnectionId,
        /// Who it is, if it came with a token.
        identity: Option<Identity>,
        /// Where it is sent to.
        outbox: Arc<Outbox>,
        /// Told its key.
        key: oneshot::Sender<SessionKey>,
    },
    /// Forgets a session.
    Leave {
        /// Which.
        key: SessionKey,
    },
    /// Notes who a session is, and answers that it is known now.
    Identify {
        /// Which.
        key: SessionKey,
        /// The request's number.
        id: Option<Number>,
        /// Who it is.
        identity: Identity,
    },
    /// Hears of these rooms from now on, whoever is in them: a session is about to ask who may be there.
    Heed {
        /// Which.
        rooms: Vec<Room>,
        /// Told that it does.
        heeded: oneshot::Sender<()>,
    },
    /// Something a welcomed session asks.
    Request {
        /// Who asks.
        key: SessionKey,
        /// The request's number.
        id: Option<Number>,
        /// What is asked.
        request: Request,
    },
}

/// When it was decided which rooms a session may join.
#[derive(Debug)]
pub struct Decided {
    /// How often access had changed by then.
    pub changes: u64,
    /// Told to decide once more, because access to one of the rooms has changed since; dropped where it has not.
    /// Without it, such rooms are denied for now.
    pub again: Option<oneshot::Sender<()>>,
}

/// What a welcomed session can ask.
#[derive(Debug)]
pub enum Request {
    /// To be in these rooms.
    Subscribe {
        /// Names as the client gave them, and how those stand that it may not join.
        rooms: Vec<Result<String, RoomStatus>>,
        /// The position it knows.
        since: Option<String>,
        /// When that was decided.
        decided: Decided,
    },
    /// To be in these rooms no longer.
    Unsubscribe {
        /// Names as the client gave them.
        rooms: Vec<String>,
    },
    /// What it missed.
    Sync {
        /// The position it knows.
        since: String,
        /// Names as the client gave them; all of its rooms where absent.
        rooms: Option<Vec<String>>,
    },
}

impl Request {
    /// How many rooms it names.
    pub fn rooms(&self) -> usize {
        match self {
            Self::Subscribe { rooms, .. } => rooms.len(),
            Self::Unsubscribe { rooms } => rooms.len(),
            Self::Sync { rooms, .. } => rooms.as_ref().map_or(0, Vec::len),
        }
    }
}

/// How sessions reach the hub. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
}

impl Handle {
    /// Most commands that wait for the hub; a session with one more waits itself.
    const MAX_COMMANDS: usize = 512;

    /// A handle, and what the hub receives through it.
    pub fn new() -> (Self, mpsc::Receiver<Command>) {
        let (commands, received) = mpsc::channel(Self::MAX_COMMANDS);
        (Self { commands }, received)
    }

    /// Sends a command. Returns false if the hub has stopped.
    pub async fn send(&self, command: Command) -> bool {
        self.commands.send(command).await.is_ok()
    }
}
