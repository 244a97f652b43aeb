//! What clients missed, asked from the log: the question of those who came back, and the answer.

use std::collections::HashSet;

use tokio::sync::{mpsc, oneshot};

use crate::{
    change::{Change, ResyncReason},
    cursor::{Cursor, Epoch},
    room::Room,
};

/// Where questions go. One is answered at a time; whoever asks meanwhile shares the next.
pub type Questions = mpsc::Sender<Question>;

/// What happened in these rooms since these positions?
#[derive(Debug)]
pub struct Question {
    /// Positions that clients came back with.
    pub since: Vec<Cursor>,
    /// The rooms they came back to. Interest in them has begun.
    pub rooms: HashSet<Room>,
    /// Takes the answer; dropped without one if the log cannot be read.
    pub answer: oneshot::Sender<Answer>,
}

/// What the log says.
#[derive(Debug)]
pub struct Answer {
    /// The history that was read.
    pub epoch: Epoch,
    /// For each position asked, in order: whether everything since is among the changes, or why not.
    pub proven: Vec<Result<(), ResyncReason>>,
    /// Changes of the rooms, in the order of the log. Each position has seen some of them.
    pub changes: Vec<Change>,
}
