//! All of access as sessions use it: who somebody is, which rooms they may join, and who was sent away since.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

use super::{
    Access, Config, Decision, Identity, Link, Permission, Question, RefusalCode,
    answers::{Answers, Look},
    changes::Changes,
    database::Database,
    queue::Queue,
    revocations::Revocations,
};
use crate::{
    room::Room,
    telemetry::{ByReason, Metrics, Reason},
};

/// Most users whose answers are looked for; beyond that, all are asked for again.
const MOST_ONE_BY_ONE: usize = 100;

/// How long a token waits, right after the start, until it is known who was sent away before.
const START: Duration = Duration::from_secs(2);

/// Time between two attempts of those who wait until fewer ask.
const PAUSE: Duration = Duration::from_millis(100);
/// How long somebody waits for their own questions.
const OWN_TURN: Duration = Duration::from_secs(2);

/// Cheap to clone; clones share.
#[derive(Clone, Debug)]
pub struct Guard {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    access: Access,
    auth_timeout: Duration,
    revocations: RwLock<Revocations>,
    changes: Mutex<Changes>,
    revoke_for: Duration,
    /// Whether it is known who was sent away before this daemon listened.
    knows_revoked: watch::Sender<bool>,
    answers: Mutex<Answers<Waiter>>,
    database: Database,
    queue: Queue,
    /// The rules of which the last question failed.
    failing: Vec<AtomicBool>,
    metrics: Metrics,
}

type Waiter = watch::Receiver<Option<Permission>>;

impl Guard {
    /// Asks nobody yet.
    pub fn new(access: Access, config: &Config, database: Link, metrics: Metrics) -> Self {
        let sql = &config.sql;
        let remembered_for = SignedDuration::try_from(config.revoke_for);
        let rules = config.rooms.len();
        let inner = Inner {
            auth_timeout: config.auth_timeout,
            revocations: RwLock::new(Revocations::new(
                remembered_for.unwrap_or(SignedDuration::MAX),
            )),
            changes: Mutex::default(),
            revoke_for: config.revoke_for,
            knows_revoked: watch::Sender::new(false),
            answers: Mutex::new(Answers::new(sql.cache, sql.cache_entries)),
            database: Database::new(database, sql),
            queue: Queue::new(sql.connections + sql.waiting, sql.waiting_per_user),
            failing: (0..rules).map(|_| AtomicBool::new(false)).collect(),
            access,
            metrics,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Fetches published keys whenever it is time, until dropped.
    pub async fn keep_keys(&self) {
        self.inner.access.keep_keys().await;
    }

    /// Whether every room is open to everybody.
    pub fn is_open(&self) -> bool {
        self.inner.access.is_open()
    }

    /// Whether tokens mean anything here: not where everything is open and there is no key.
    pub fn wants_tokens(&self) -> bool {
        !self.is_open() || self.inner.access.has_keys()
    }

    /// By when somebody has to say who they are, or to join a room.
    pub fn auth_timeout(&self) -> Option<Duration> {
        (!self.is_open()).then_some(self.inner.auth_timeout)
    }

    /// Who a token says its bearer is. Why one is refused is for the log; a bearer learns the code.
    pub async fn identify(&self, token: &str) -> Result<Identity, RefusalCode> {
        let verified = self.inner.access.verify(token, Timestamp::now()).await;
        let outcome = match verified {
            Ok(_) if !self.learns_who_was_revoked().await => {
                debug!("nobody knows yet who was revoked before");
                Err(RefusalCode::NotReady)
            }
            Ok(identity) if self.is_revoked(&identity) => {
                debug!(
                    user = &**identity.user(),
                    "a token was made before its user was revoked"
                );
                Err(RefusalCode::Unauthorized)
            }
            Ok(identity) => Ok(identity),
            Err(refusal) => {
                debug!(%refusal, "a token is refused");
                Err(refusal.code())
            }
        };
        let name = outcome
            .as_ref()
            .err()
            .map_or("accepted", |code| code.as_str());
        self.count(&self.inner.metrics.authentications, name);
        outcome
    }

    /// Whether it is known who was sent away before this daemon listened: it was started a moment ago, or
    /// has not reached its database.
    async fn learns_who_was_revoked(&self) -> bool {
        let mut knows = self.inner.knows_revoked.subscribe();
        let learned = timeout(START, knows.wait_for(|knows| *knows)).await;
        matches!(learned, Ok(Ok(_)))
    }

    /// Whether this token was made before its user was sent away.
    pub fn is_revoked(&self, identity: &Identity) -> bool {
        let revocations = self.inner.revocations.read();
        revocations
            .unwrap_or_else(PoisonError::into_inner)
            .cover(identity)
    }

    /// Whether a session of this token has to end, because its user was sent away.
    pub fn has_to_go(&self, identity: &Identity) -> bool {
        let revocations = self.inner.revocations.read();
        revocations
            .unwrap_or_else(PoisonError::into_inner)
            .ends(identity)
    }

    /// Whether somebody may join a room, as far as that can be said at once.
    pub fn decide(&self, identity: Option<&Identity>, room: &Room) -> Decision {
        self.inner.access.decide(identity, room)
    }

    /// Where too many ask, waits its turn until then, and a moment at least where it is the user's own
    /// questions that are many.
    pub(super) async fn answer_by(
        &self,
        until: Instant,
        identity: &Identity,
        question: &Question,
    ) -> Permission {
        let own = Instant::now() + OWN_TURN;
        loop {
            let answer = self.answer(identity, question).await;
            let now = Instant::now();
            let is_own = || now < own && self.inner.queue.waits_for(identity.user());
            if answer != Permission::RateLimited || !(now < until || is_own()) {
                return answer;
            }
            sleep(PAUSE).await;
        }
    }

    async fn answer(&self, identity: &Identity, question: &Question) -> Permission {
        let mut waiter = match self.waiter(identity, question) {
            Ok(waiter) => waiter,
            Err(known) => return known,
        };
        let answer = waiter.wait_for(Option::is_some).await;
        answer
            .ok()
            .and_then(|answer| *answer)
            .unwrap_or(Permission::NotReady)
    }

    /// Somebody who waits for the answer, or what is known without asking.
    fn waiter(&self, identity: &Identity, question: &Question) -> Result<Waiter, Permission> {
        let (mut answers, who) = (self.answers(), identity.digest());
        match answers.look(question, who, Instant::now()) {
            Look::Known(allowed) => {
                self.count(&self.inner.metrics.access_questions, "remembered");
                Err(permission(allowed))
            }
            Look::Asking(waiter) if waiter.has_changed().is_ok() => Ok(waiter),
            // Whoever asked has not come to an end.
            Look::Asking(_) | Look::Unknown => {
                let Some(place) = self.inner.queue.enter(identity.user()) else {
                    self.count(&self.inner.metrics.access_questions, "rate_limited");
                    return Err(Permission::RateLimited);
                };
                let (told, waiter) = watch::channel(None);
                let serial = answers.begin(question, who, identity.user().clone(), waiter.clone());
                let asking = self
                    .clone()
                    .look_up(identity.clone(), question.clone(), serial);
                tokio::spawn(async move {
                    told.send_replace(Some(asking.await));
                    drop(place);
                });
                Ok(waiter)
            }
        }
    }

    /// Asks, whoever still waits for it.
    async fn look_up(self, identity: Identity, question: Question, serial: u64) -> Permission {
        let answer = self
            .inner
            .database
            .ask(&question, identity.claims_json())
            .await;
        let failing = &self.inner.failing[question.rule];
        let answer = match answer {
            Ok(allowed) => {
                if failing.swap(false, Ordering::Relaxed) {
                    info!("access.rooms.{}.sql is answered again", question.rule);
                }
                Some(allowed)
            }
            Err(failure) => {
                if !failing.swap(true, Ordering::Relaxed) {
                    warn!(%failure, "access.rooms.{}.sql has no answer: nobody is let in by it", question.rule);
                }
                None
            }
        };
        self.answers()
            .finish(&question, identity.digest(), serial, answer, Instant::now());
        let permission = answer.map_or(Permission::NotReady, permission);
        self.count(&self.inner.metrics.access_questions, permission.as_str());
        permission
    }

    /// How often what sessions may do has changed.
    pub fn changes(&self) -> u64 {
        self.changing().count()
    }

    /// Whether that was about this room since it was `decided`, so that whoever did decides again.
    pub fn is_stale(&self, decided: u64, room: &Room) -> bool {
        self.changing().since(decided, room)
    }

    /// Tokens of these users that were made by then count no longer.
    pub fn revoke(&self, users: &HashMap<Arc<str>, Timestamp>) {
        let revocations = self.inner.revocations.write();
        let mut revocations = revocations.unwrap_or_else(PoisonError::into_inner);
        for (user, at) in users {
            revocations.add(user.clone(), *at, Timestamp::now());
        }
        drop(revocations);
        let mut answers = self.answers();
        match users.len() > MOST_ONE_BY_ONE {
            true => answers.forget_all(),
            false => users.keys().for_each(|user| answers.forget_user(user)),
        }
        drop(answers);
        self.changing().every();
    }

    /// Those who were sent away by now, newest first, as [`revoke`](Self::revoke) says of one. Whoever has a
    /// session stays until somebody asks whether it [has to go](Self::has_to_go).
    pub fn know_revoked(&self, known: Vec<(Arc<str>, Timestamp)>) {
        let revocations = self.inner.revocations.write();
        let mut revocations = revocations.unwrap_or_else(PoisonError::into_inner);
        revocations.learn(known.into_iter(), Timestamp::now());
        drop(revocations);
        self.inner.knows_revoked.send_replace(true);
    }

    /// For how long tokens stay refused.
    pub fn revoke_for(&self) -> Duration {
        self.inner.revoke_for
    }

    /// Somebody has lost a room, whatever was answered before.
    pub fn forget_user(&self, user: &str) {
        self.answers().forget_user(user);
        self.changing().every();
    }

    /// What was answered about a room holds no longer.
    pub fn forget_room(&self, room: &Room) {
        let mut answers = self.answers();
        for question in self.inner.access.rules().questions(room) {
            answers.forget(&question);
        }
        drop(answers);
        self.changing().room(room);
    }

    /// Nothing that was answered holds any longer.
    pub fn forget_all(&self) {
        self.answers().forget_all();
        self.changing().every();
    }

    /// Whether anything is decided by the database, so that what was decided may not hold any more.
    pub fn asks(&self) -> bool {
        !self.is_open() && self.inner.access.rules().ask()
    }

    /// Whether an event that is told in any room makes its members be asked about again.
    pub fn watches(&self) -> bool {
        !self.is_open() && self.inner.access.rules().watches()
    }

    /// Whether members of `room` are asked about again after one of these events, or after some that nobody
    /// can name.
    pub fn rechecks(&self, room: &Room, events: Option<&[Arc<str>]>) -> bool {
        self.watches() && self.inner.access.rules().rechecks(room, events)
    }

    fn changing(&self) -> MutexGuard<'_, Changes> {
        let changes = self.inner.changes.lock();
        changes.unwrap_or_else(PoisonError::into_inner)
    }

    fn answers(&self) -> MutexGuard<'_, Answers<Waiter>> {
        self.inner
            .answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, family: &ByReason, name: &'static str) {
        family.get_or_create(&Reason::new(name)).inc();
    }
}

fn permission(allowed: bool) -> Permission {
    match allowed {
        true => Permission::Allowed,
        false => Permission::Forbidden,
    }
}
