//! A server of a test's own, so that what befalls it disturbs no other test.

use std::{fs, net::SocketAddr, path::PathBuf};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use pgbell::demo::postgres::{Options, ThrowawayPostgres};

use super::{database::Database, soon};

/// A server reached by TCP, with pgbell in database `shop`.
pub(crate) struct Server {
    pub(crate) postgres: ThrowawayPostgres,
    /// Straight to the server.
    pub(crate) url: String,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter();
        let options = Options {
            port: Some(0),
            // A crash of the server loses nothing that the system has been given.
            fsync: false,
            settings: settings
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .chain([("synchronous_commit".into(), "on".into())])
                .collect(),
        };
        let postgres = ThrowawayPostgres::start(options).await.expect("a server");
        let created = postgres.create_database("shop", None).await;
        created.expect("a database");
        let url = postgres.url("shop");
        pgbell::install::install(&url).await.expect("installed");
        Self { postgres, url }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        let authority = self.url.split(['@', '/']).nth(3);
        authority.and_then(|addr| addr.parse().ok()).expect("TCP")
    }

    /// A client of the database that no fault of the daemon's connections touches.
    pub(crate) async fn database(&self) -> Database {
        Database::at(&self.url).await
    }

    /// See [`kill_postmaster`].
    pub(crate) async fn kill(&mut self) {
        kill_postmaster(&mut self.postgres).await;
    }
}

/// Kills the postmaster alone with SIGKILL. What it leaves behind ends by itself.
pub(crate) async fn kill_postmaster(postgres: &mut ThrowawayPostgres) {
    let data = postgres.directory().join("data");
    signal(&data, Signal::SIGKILL);
    // Reaps it.
    postgres.crash().await.expect("crashed");
    let gone = async {
        while processes_in(&data) > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon("what the postmaster left behind to end", gone).await;
}

/// `postgres://postgres@<addr>/shop`.
pub(crate) fn url_at(addr: impl std::fmt::Display) -> String {
    format!("postgres://postgres@{addr}/shop")
}

/// Sends a signal to the postmaster of a cluster.
pub(crate) fn signal(data: &std::path::Path, signal: Signal) {
    let file = fs::read_to_string(data.join("postmaster.pid")).expect("a running server");
    let pid = file.lines().next().and_then(|pid| pid.parse().ok());
    kill(Pid::from_raw(pid.expect("a pid")), signal).expect("signalled");
}

/// Every process of a server works in its data directory.
fn processes_in(data: &std::path::Path) -> usize {
    let all = fs::read_dir("/proc").expect("processes").flatten();
    let working = all.filter(|entry| {
        let directory: Option<PathBuf> = fs::read_link(entry.path().join("cwd")).ok();
        directory.as_deref() == Some(data)
    });
    working.count()
}

/// A change told to `room`.
pub(crate) fn change(room: &str) -> String {
    format!(
        "insert into pgbell.change (entity, id, op, events, rooms)
         values ('thing', '1', 'update', '{{thing:changed}}', '{{{room}}}')"
    )
}
