//! The demo's daemon, which can be stopped and started again at the same address while the shop goes on.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    select,
    sync::{mpsc, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    app::{self, App},
    config::Config,
    gateway::DemoPage,
};

/// How long the daemon stays away.
const AWAY: Duration = Duration::from_secs(2);
/// Its drain, at most: whoever restarts it watches.
const DRAIN: Duration = Duration::from_secs(2);
/// Attempts to get the address back, and the time between them.
const ATTEMPTS: u32 = 40;
const APART: Duration = Duration::from_millis(250);

/// A daemon that is bound, and bound again.
pub(super) struct Daemon {
    app: App,
    config: Config,
    page: DemoPage,
    asked: mpsc::Receiver<()>,
    up: watch::Sender<bool>,
}

/// Asks for restarts, and knows whether the daemon is up.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    addr: SocketAddr,
    restarts: mpsc::Sender<()>,
    up: watch::Receiver<bool>,
}

impl Handle {
    /// Where clients reach the daemon, also after restarts.
    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether clients can reach it now.
    pub(super) fn is_up(&self) -> bool {
        *self.up.borrow()
    }

    /// Has the daemon restarted; false if that is under way already.
    pub(super) fn restart(&self) -> bool {
        self.is_up() && self.restarts.try_send(()).is_ok()
    }
}

impl Daemon {
    /// Binds its port; nothing runs yet.
    pub(super) fn bind(mut config: Config, page: DemoPage) -> Result<(Self, Handle), app::Error> {
        config.gateway.drain = config.gateway.drain.min(DRAIN);
        let app = App::bind(config.clone())?;
        // Port 0 would be another one after each restart.
        config.gateway.listen = app.local_addr();
        let (restarts, asked) = mpsc::channel(1);
        let (up, watched) = watch::channel(true);
        let handle = Handle {
            addr: app.local_addr(),
            restarts,
            up: watched,
        };
        let daemon = Self {
            app,
            config,
            page,
            asked,
            up,
        };
        Ok((daemon, handle))
    }

    /// Runs, through all restarts, until `stop` is cancelled.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), app::Error> {
        loop {
            let restart = async {
                if self.asked.recv().await.is_none() {
                    std::future::pending().await
                }
                self.up.send_replace(false);
            };
            let app = self.app.with_demo(self.page.clone());
            let ended = app.run(async {
                select! {
                    () = restart => {}
                    () = stop.cancelled() => {}
                }
            });
            match Box::pin(ended).await {
                // Whoever did not leave in time comes back all the same.
                Err(error @ app::Error::CutOff { .. }) if !stop.is_cancelled() => {
                    tracing::warn!(%error, "the daemon was restarted");
                }
                outcome => drop(outcome?),
            }
            let back = async {
                sleep(AWAY).await;
                bind_again(&self.config).await
            };
            self.app = select! {
                app = back => app?,
                () = stop.cancelled() => return Ok(()),
            };
            self.up.send_replace(true);
            tracing::info!(addr = %self.app.local_addr(), "the daemon is back");
        }
    }
}

/// Somebody may hold the port for a moment.
async fn bind_again(config: &Config) -> Result<App, app::Error> {
    for _ in 1..ATTEMPTS {
        match App::bind(config.clone()) {
            Ok(app) => return Ok(app),
            Err(error) => tracing::warn!(%error, "the daemon cannot come back yet"),
        }
        sleep(APART).await;
    }
    App::bind(config.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_somebody_holds_for_a_moment_is_asked_for_again() {
        let holder = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let mut config = Config::default();
        config.gateway.listen = holder.local_addr().expect("an address");
        assert!(App::bind(config.clone()).is_err(), "it is taken");
        // The first attempt is made before the other side gets its turn.
        let (app, ()) = tokio::join!(bind_again(&config), async { drop(holder) });
        assert_eq!(app.expect("bound").local_addr(), config.gateway.listen);
    }
}
