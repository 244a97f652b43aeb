//! What some daemon has to do for the log and for the path: beat the heart, fire what time has
//! brought, rotate, forget revocations, and set the doorbell. On a connection of its own, so that reads never wait.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, interval, sleep_until, timeout},
};
use tokio_postgres::types::{ToSql, Type};

use super::{
    Capture, Error, connect::Session, doorbell::Wish, drift, error, listener::Listener, log, queue,
    server::Server,
};
use crate::telemetry::Reason;

/// Most scheduled changes fired by one statement.
const FIRE_BATCH: i32 = 500;
/// Most statements of that kind between two reads.
const FIRE_BATCHES: u32 = 8;

/// Time between looks for revocations that count no longer.
const FORGET_INTERVAL: Duration = Duration::from_secs(300);
/// Most of them that one statement takes away.
const FORGET_PORTION: i32 = 5_000;
/// Most statements of that kind in a row.
const FORGET_PORTIONS: u32 = 20;

/// Time until the next attempt to fire what the server refused to.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// Time until the next attempt after one that found nothing: another daemon is just firing it, the
/// server's clock has not got there, or a transaction holds it. It doubles up to a bound that still
/// lets others come in time.
const AFTER_NOTHING: Duration = Duration::from_millis(1);
const LONGEST_AFTER_NOTHING: Duration = Duration::from_millis(16);

/// Moments that several daemons fire, and leaves that rotate, are decided row by row as they are now,
/// whatever the database sets for everybody else.
const SETTINGS: &str = "
    set jit = off;
    set default_transaction_isolation = 'read committed'";

type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// A connection for statements that change something in schema `pgbell`.
#[derive(Debug)]
pub(super) struct Upkeep<'a> {
    capture: &'a Capture,
    session: Session,
    crowded: AtomicBool,
    fired: Notify,
}

impl<'a> Upkeep<'a> {
    /// Nothing is changed yet.
    pub(super) fn new(capture: &'a Capture, session: Session) -> Self {
        Self {
            capture,
            session,
            crowded: AtomicBool::new(false),
            fired: Notify::new(),
        }
    }

    /// Makes the session ready, tells the server's history from others, and makes writers use the
    /// configured transport.
    pub(super) async fn prepare(&self) -> Result<(), Error> {
        let database = &self.capture.database;
        self.session.set(database, SETTINGS).await?;
        let query = "select pgbell.enter_timeline()";
        self.session.row("look at the timeline", query, &[]).await?;
        let transport = database.transport.as_str();
        let query = "select pgbell.use_transport($1)";
        let params: &[Param] = &[(&transport, Type::TEXT)];
        let doing = "choose the transport";
        self.session.row(doing, query, params).await.map(drop)
    }

    /// Whether writers had better not ring, because the notification queue fills up.
    pub(super) fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Relaxed)
    }

    /// Carries out a wish. After arming, returns a transaction id taken after the flag was cleared.
    pub(super) async fn grant(&self, wish: Wish) -> Result<u64, Error> {
        let session = &self.session;
        match wish {
            Wish::Mute => {
                let muted = session.row("mute", "select pgbell.mute()", &[]).await;
                // The flag is set even if a full queue refuses to tell other daemons; they look at
                // the queue themselves.
                self.unless_refused("mute", muted)?;
                Ok(0)
            }
            Wish::Arm => {
                session.row("arm", "select pgbell.arm()", &[]).await?;
                // A transaction of its own, begun after the flag was cleared.
                let query = "select pg_current_xact_id()::text";
                let xid = session.row("take a transaction id", query, &[]).await?;
                xid.get::<_, &str>(0).parse().map_err(|_| Error::NoPosition)
            }
        }
    }

    /// Does the periodic work until something fails.
    pub(super) async fn run(
        &self,
        server: &Server,
        listener: Option<&Listener>,
        next_due: watch::Receiver<Option<Instant>>,
    ) -> Result<(), Error> {
        tokio::try_join!(
            self.listen_to_ourselves(listener),
            self.look_at_the_queue(),
            self.fire(next_due),
            self.rotate(),
            self.forget_revocations(),
            drift::watch(self.capture, server, &self.session)
        )
        .map(|_| ())
    }

    async fn listen_to_ourselves(&self, listener: Option<&Listener>) -> Result<(), Error> {
        let mut ticks = interval(self.capture.database.heartbeat);
        loop {
            ticks.tick().await;
            self.beat(listener).await?;
            self.has_the_key(listener).await?;
        }
    }

    /// At the pace of heartbeats, but never in their way.
    async fn look_at_the_queue(&self) -> Result<(), Error> {
        let mut ticks = interval(self.capture.database.heartbeat);
        loop {
            ticks.tick().await;
            let usage = queue::look(self.capture, &self.session).await?;
            self.crowded
                .store(usage >= queue::CROWDED_FROM, Ordering::Relaxed);
        }
    }

    /// Sends a notification to ourselves: the only proof that LISTEN still works end to end, through
    /// half-open connections and poolers that swallow it.
    pub(super) async fn beat(&self, listener: Option<&Listener>) -> Result<(), Error> {
        let Some(listener) = listener else {
            return Ok(());
        };
        let bound = self.capture.database.heartbeat;
        let sent = Instant::now();
        let number = listener.bell.next_beat();
        let payload = format!("{}{number}", listener.beat);
        let there_and_back = async {
            let notify = "select pg_notify('pgbell', $1)";
            let params: &[Param] = &[(&payload, Type::TEXT)];
            self.session.row("send a heartbeat", notify, params).await?;
            listener.bell.beat(number).await;
            Ok(())
        };
        let came = timeout(bound, there_and_back)
            .await
            .map_err(|_| Error::HeartbeatLost(bound))?;
        // A full queue takes no notification, from nobody: what is committed is found by reading.
        if self.unless_refused("heartbeat", came)?.is_some() {
            let taken = sent.elapsed().as_secs_f64();
            self.capture.metrics.heartbeat_seconds.observe(taken);
        }
        Ok(())
    }

    /// A pgbell that was installed anew signs with another key, and everything would seem to be a
    /// stranger's.
    async fn has_the_key(&self, listener: Option<&Listener>) -> Result<(), Error> {
        let Some(key) = listener.and_then(|listener| listener.key.as_ref()) else {
            return Ok(());
        };
        if log::payload_key(&self.session).await? == *key {
            Ok(())
        } else {
            Err(Error::Reinstalled)
        }
    }

    /// Waits until moments have been fired. The reader does not wait for a ring of ours, which may be
    /// muted, or off in this database.
    pub(super) async fn fired(&self) {
        self.fired.notified().await;
    }

    /// Turns scheduled changes into changes when their moment has come. Each read tells anew how long
    /// that is by the server's clock, so a clock that jumps is noticed by the next read.
    async fn fire(&self, mut next_due: watch::Receiver<Option<Instant>>) -> Result<(), Error> {
        let mut pause = Duration::ZERO;
        let mut not_before = Instant::now();
        loop {
            let due = *next_due.borrow_and_update();
            let when = due.unwrap_or_else(far_future).max(not_before);
            tokio::select! {
                changed = next_due.changed() => if changed.is_err() { return Ok(()) },
                () = sleep_until(when), if due.is_some() => {
                    pause = match self.fire_all().await? {
                        None => AFTER_REFUSAL,
                        Some(0) => (pause * 2).clamp(AFTER_NOTHING, LONGEST_AFTER_NOTHING),
                        Some(_) => Duration::ZERO,
                    };
                    not_before = Instant::now() + pause;
                    // The read that sees them also tells what is due next.
                    self.fired.notify_one();
                    if next_due.changed().await.is_err() { return Ok(()) }
                }
            }
        }
    }

    /// Fires what is due, and says how many that were; `None` if the server refused.
    async fn fire_all(&self) -> Result<Option<u64>, Error> {
        let query = "select pgbell.fire_due($1)";
        let params: &[Param] = &[(&FIRE_BATCH, Type::INT4)];
        let doing = "fire scheduled changes";
        let mut all = 0;
        // What more there is waits for a read between, which keeps backlogs short.
        for _ in 0..FIRE_BATCHES {
            let fired = self.session.row(doing, query, params).await;
            let Some(row) = self.unless_refused("schedule", fired)? else {
                return Ok(None);
            };
            let fired = row.get::<_, i32>(0).max(0) as u64;
            self.capture.metrics.scheduled_changes.inc_by(fired);
            all += fired;
            if fired < FIRE_BATCH as u64 {
                break;
            }
        }
        Ok(Some(all))
    }

    /// Gives the log a look: it rotates when it is old or large enough, and never waits.
    async fn rotate(&self) -> Result<(), Error> {
        let log = &self.capture.log;
        let (retention, max_size) = (log.retention.as_secs_f64(), log.max_size.as_u64() as i64);
        let mut ticks = interval(log.rotate_interval);
        let query = "select pgbell.rotate(make_interval(secs => $1), $2)";
        loop {
            ticks.tick().await;
            let params: &[Param] = &[(&retention, Type::FLOAT8), (&max_size, Type::INT8)];
            let row = self.session.row("rotate the log", query, params).await;
            let row = self.unless_refused("rotation", row)?;
            let outcome = match row.as_ref().map(|row| row.get::<_, Option<&str>>(0)) {
                Some(Some("idle")) => "idle",
                Some(Some("sealed")) => "sealed",
                Some(Some("cleared")) => "cleared",
                Some(Some("rotated")) => "rotated",
                Some(Some("blocked")) => "blocked",
                Some(_) => "unknown",
                None => "refused",
            };
            self.capture
                .metrics
                .log_rotations
                .get_or_create(&Reason::new(outcome))
                .inc();
        }
    }

    /// Keeps `pgbell.revocation` small, in portions that hold up nothing else on this connection.
    async fn forget_revocations(&self) -> Result<(), Error> {
        let mut ticks = interval(FORGET_INTERVAL);
        let query = "select pgbell.forget_revocations($1)";
        let params: &[Param] = &[(&FORGET_PORTION, Type::INT4)];
        loop {
            ticks.tick().await;
            for _ in 0..FORGET_PORTIONS {
                let forgotten = self.session.row("forget revocations", query, params).await;
                let forgotten = self.unless_refused("revocations", forgotten)?;
                if forgotten.is_none_or(|row| row.get::<_, i32>(0) < FORGET_PORTION) {
                    break;
                }
            }
        }
    }

    fn unless_refused<T>(
        &self,
        subject: &'static str,
        answer: Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        self.capture.unless_refused(subject, answer, error::chain)
    }
}

fn far_future() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}
