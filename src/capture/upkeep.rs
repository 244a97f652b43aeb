//! What some daemon has to do for the log and for the path: beat the heart, fire what time has
//! brought, rotate, and set the doorbell. On a connection of its own, so that reads never wait.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, interval, sleep_until, timeout},
};

use super::{Capture, Error, connect, doorbell::Wish, listener::Listener};
use crate::telemetry::Reason;

/// Most scheduled changes fired by one statement.
const FIRE_BATCH: i32 = 500;

/// A connection for statements that change something in schema `pgbell`.
#[derive(Debug)]
pub(super) struct Upkeep<'a> {
    capture: &'a Capture,
    session: connect::Session,
}

impl<'a> Upkeep<'a> {
    /// Connects, and makes writers use the configured transport.
    pub(super) async fn connect(capture: &'a Capture) -> Result<Self, Error> {
        let session = connect::session(&capture.database, "set jit = off").await?;
        let transport = capture.database.transport.as_str();
        session
            .client
            .execute("select pgbell.use_transport($1)", &[&transport])
            .await
            .map_err(Error::query("choose the transport"))?;
        Ok(Self { capture, session })
    }

    /// Carries out a wish. After arming, returns a transaction id taken after the flag was cleared.
    pub(super) async fn grant(&self, wish: Wish) -> Result<u64, Error> {
        let client = &self.session.client;
        match wish {
            Wish::Mute => {
                client
                    .execute("select pgbell.mute()", &[])
                    .await
                    .map_err(Error::query("mute"))?;
                Ok(0)
            }
            Wish::Arm => {
                client
                    .execute("select pgbell.arm()", &[])
                    .await
                    .map_err(Error::query("arm"))?;
                // A transaction of its own, begun after the flag was cleared.
                let xid = client
                    .query_one("select pg_current_xact_id()::text", &[])
                    .await;
                let xid = xid.map_err(Error::query("take a transaction id"))?;
                xid.get::<_, &str>(0).parse().map_err(|_| Error::NoPosition)
            }
        }
    }

    /// Does the periodic work until something fails.
    pub(super) async fn run(
        &self,
        listener: Option<&Listener>,
        next_due: watch::Receiver<Option<Instant>>,
    ) -> Result<(), Error> {
        tokio::try_join!(self.beat(listener), self.fire(next_due), self.rotate()).map(|_| ())
    }

    /// Sends notifications to ourselves: the only proof that LISTEN still works end to end, through
    /// half-open connections and poolers that swallow it.
    async fn beat(&self, listener: Option<&Listener>) -> Result<(), Error> {
        let Some(listener) = listener else {
            return Ok(());
        };
        let bound = self.capture.database.heartbeat;
        let mut ticks = interval(bound);
        for number in 1_u64.. {
            ticks.tick().await;
            let sent = Instant::now();
            let payload = format!("{}{number}", listener.beat);
            let there_and_back = async {
                let notify = "select pg_notify('pgbell', $1)";
                let sent = self.session.client.execute(notify, &[&payload]).await;
                sent.map_err(Error::query("send a heartbeat"))?;
                listener.bell.beat(number).await;
                Ok(())
            };
            timeout(bound, there_and_back)
                .await
                .map_err(|_| Error::HeartbeatLost(bound))??;
            self.capture
                .metrics
                .heartbeat_seconds
                .observe(sent.elapsed().as_secs_f64());
        }
        Ok(())
    }

    /// Turns scheduled changes into changes when their moment has come.
    async fn fire(&self, mut next_due: watch::Receiver<Option<Instant>>) -> Result<(), Error> {
        loop {
            let due = *next_due.borrow_and_update();
            tokio::select! {
                changed = next_due.changed() => if changed.is_err() { return Ok(()) },
                () = sleep_until(due.unwrap_or_else(far_future)), if due.is_some() => {
                    let fired = self.session.client.query_one("select pgbell.fire_due($1)", &[&FIRE_BATCH]).await;
                    let fired: i32 = fired.map_err(Error::query("fire scheduled changes"))?.get(0);
                    self.capture.metrics.scheduled_changes.inc_by(fired.max(0) as u64);
                    // The read that sees them also tells what is due next.
                    if next_due.changed().await.is_err() { return Ok(()) }
                }
            }
        }
    }

    /// Gives the log a look: it rotates when it is old or large enough, and never waits.
    async fn rotate(&self) -> Result<(), Error> {
        let log = &self.capture.log;
        let (retention, max_size) = (log.retention.as_secs_f64(), log.max_size.as_u64() as i64);
        let mut ticks = interval(log.rotate_interval);
        let query = "select pgbell.rotate(make_interval(secs => $1), $2)";
        loop {
            ticks.tick().await;
            let row = self
                .session
                .client
                .query_one(query, &[&retention, &max_size])
                .await;
            let row = row.map_err(Error::query("rotate the log"))?;
            let outcome = match row.get::<_, Option<&str>>(0) {
                Some("idle") => "idle",
                Some("sealed") => "sealed",
                Some("cleared") => "cleared",
                Some("rotated") => "rotated",
                Some("blocked") => "blocked",
                _ => "unknown",
            };
            self.capture
                .metrics
                .log_rotations
                .get_or_create(&Reason::new(outcome))
                .inc();
        }
    }
}

fn far_future() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}
