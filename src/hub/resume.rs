//! Clients that come back with a position that the memory does not reach: they share questions to the
//! log, one at a time, however many they are.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    future::pending,
    time::Duration,
};

use indexmap::IndexMap;
use serde_json::Number;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until, timeout_at},
};

use super::{memory::Place, registry::SessionKey};
use crate::{
    cursor::Cursor,
    history::{Answer, Question, Questions},
    invalidation::CursorText,
    protocol::RoomStatus,
    room::Room,
};

/// Most rooms that one question names, which bounds how long its answer keeps the hub from telling
/// news; those who ask for more wait for the next.
const MAX_ROOMS: usize = 4_000;
/// The database rests this many times as long as an answer took, so that clients that come back, or
/// say that they do, cost it a fifth of one core at most.
const REST: u32 = 4;
/// Bounds of the time between an answer and the next question.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// Most clients that share one question, and most running transactions that their positions name.
const MAX_ASKED: usize = 1_000;
const MAX_RUNNING: usize = 10_000;

/// What a client asks that comes back.
#[derive(Debug)]
pub(super) struct Asked {
    /// Who asks.
    pub(super) key: SessionKey,
    /// The request's number.
    pub(super) id: Option<Number>,
    /// Which reply it waits for.
    pub(super) reply: Reply,
    /// The rooms it is in, and those it may not be in.
    pub(super) rooms: Vec<Result<Room, RoomStatus>>,
    /// Its position as it gave it.
    pub(super) text: CursorText,
    /// Its position; without one, it only waits for what it asked before.
    pub(super) since: Option<Cursor>,
    /// Which of the positions of a question that is.
    pub(super) position: Option<usize>,
    /// Rooms it was not in before, of which it is told nothing before the answer.
    pub(super) deferred: Vec<Room>,
    /// What was told by then.
    pub(super) asked_at: Place,
}

/// Which reply a request wants.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reply {
    Subscribed,
    Synced,
}

/// Those who wait for the log.
#[derive(Debug)]
pub(super) struct Resumes {
    questions: Questions,
    most_rooms: usize,
    queue: VecDeque<Asked>,
    /// Rooms in the queue.
    rooms: usize,
    /// Rooms that each session waits for, in the queue or asked about.
    waiting: HashMap<SessionKey, usize>,
    asked: Option<InFlight>,
    /// No question before then.
    rest: Instant,
}

#[derive(Debug)]
struct InFlight {
    asked: Vec<Asked>,
    answer: oneshot::Receiver<Answer>,
    since: Instant,
}

impl Resumes {
    /// Nobody waits; at most `most_rooms` rooms will be waited for at a time.
    pub(super) fn new(questions: Questions, most_rooms: usize) -> Self {
        Self {
            questions,
            most_rooms,
            queue: VecDeque::new(),
            rooms: 0,
            waiting: HashMap::new(),
            asked: None,
            rest: Instant::now(),
        }
    }

    /// Whether a session waits: what it asks next is answered after that.
    pub(super) fn is_waiting(&self, key: SessionKey) -> bool {
        self.waiting.contains_key(&key)
    }

    /// Lets a client wait for the log, or hands it back if it, or all together, wait for too much.
    pub(super) fn wait(&mut self, asked: Asked, most_of_one: usize) -> Option<Asked> {
        let rooms = asked.rooms.len().max(1);
        let own = self.waiting.get(&asked.key).copied().unwrap_or(0);
        if self.rooms + rooms > self.most_rooms || own + rooms > most_of_one {
            return Some(asked);
        }
        self.rooms += rooms;
        self.waiting.insert(asked.key, own + rooms);
        self.queue.push_back(asked);
        None
    }

    /// Forgets a session that has left.
    pub(super) fn leave(&mut self, key: SessionKey) {
        if self.waiting.remove(&key).is_some() {
            let (rooms, queue) = (&mut self.rooms, &mut self.queue);
            queue.retain(|asked| {
                let stays = asked.key != key;
                *rooms -= if stays { 0 } else { asked.rooms.len().max(1) };
                stays
            });
        }
    }

    /// Waits for the next answer, asking when it is time. Those who asked together are answered
    /// together; if the log cannot be read, nobody goes on waiting. Loses nothing when cancelled.
    pub(super) async fn answered(&mut self) -> (Vec<Asked>, Option<Answer>) {
        if self.asked.is_none() {
            if self.queue.is_empty() {
                return pending().await;
            }
            sleep_until(self.rest).await;
            self.ask();
        }
        let Some(flight) = &mut self.asked else {
            return pending().await;
        };
        let deadline = flight.since + DEADLINE;
        let answer = timeout_at(deadline, &mut flight.answer).await;
        let answer = answer.ok().and_then(Result::ok);
        let took = flight.since.elapsed();
        let asked = self.asked.take().map(|flight| flight.asked);
        let mut asked = asked.unwrap_or_default();
        if answer.is_some() {
            self.rest = Instant::now() + (took * REST).clamp(PAUSE, LONGEST_PAUSE);
        } else {
            self.rest = Instant::now() + LONGEST_PAUSE;
            while let Some(next) = self.queue.pop_front() {
                self.rooms -= next.rooms.len().max(1);
                asked.push(next);
            }
        }
        for asked in &asked {
            self.has_waited(asked);
        }
        (asked, answer)
    }

    fn has_waited(&mut self, asked: &Asked) {
        if let Some(own) = self.waiting.get_mut(&asked.key) {
            *own = own.saturating_sub(asked.rooms.len().max(1));
            if *own == 0 {
                self.waiting.remove(&asked.key);
            }
        }
    }

    fn ask(&mut self) {
        let (mut asked, mut rooms) = (Vec::new(), HashSet::new());
        let mut positions: IndexMap<CursorText, Cursor> = IndexMap::new();
        let mut running = 0;
        while rooms.len() < MAX_ROOMS && asked.len() < MAX_ASKED && running < MAX_RUNNING {
            let Some(mut next) = self.queue.pop_front() else {
                break;
            };
            self.rooms -= next.rooms.len().max(1);
            if let Some(since) = &next.since {
                rooms.extend(next.rooms.iter().flatten().cloned());
                let entry = positions.entry(next.text.clone());
                next.position = Some(entry.index());
                running += since.snapshot.running.len();
                entry.or_insert_with(|| since.clone());
            }
            asked.push(next);
        }
        let (answer, answered) = oneshot::channel();
        let question = Question {
            since: positions.into_values().collect(),
            rooms,
            answer,
        };
        // If nobody takes questions, the answer is dropped with them.
        let _ = self.questions.try_send(question);
        self.asked = Some(InFlight {
            asked,
            answer: answered,
            since: Instant::now(),
        });
    }
}
