//! A Postgres server, daemons as processes of their own, and proxies on both sides of each.

use std::{
    fs::{self, File},
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use pgbell::demo::postgres::{Options, ThrowawayPostgres};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};
use tokio_postgres::NoTls;

use super::{scenario::Scenario, shop};
use crate::support::{daemon::raise_open_files, database, proxy::Proxy, soon};

/// How long an orderly stop may take before it becomes a kill.
const STOP: Duration = Duration::from_secs(5);

pub(crate) struct Stage {
    pub(crate) postgres: ThrowawayPostgres,
    pub(crate) url: String,
    pub(crate) daemons: Vec<Daemon>,
    /// Where the logs of the daemons are.
    pub(crate) logs: PathBuf,
}

/// A daemon that may be dead for the moment.
pub(crate) struct Daemon {
    process: Option<Child>,
    /// Between it and Postgres.
    pub(crate) link: Proxy,
    /// Between it and its clients.
    pub(crate) edge: Proxy,
    listen: SocketAddr,
    url: String,
    environment: Vec<(String, String)>,
    log: PathBuf,
}

impl Stage {
    /// Everything is there; the daemons may not be ready yet. They leave out the step `sabotage`.
    pub(crate) async fn set(scenario: &Scenario, sabotage: Option<&str>) -> Self {
        raise_open_files();
        let settings = scenario.settings.iter();
        let settings = settings.map(|(key, value)| (format!("PGBELL_{key}"), value.clone()));
        let sabotage = sabotage.map(|step| ("PGBELL_SABOTAGE".to_owned(), step.to_owned()));
        let environment: Vec<_> = settings.chain(sabotage.clone()).collect();
        let options = Options {
            port: Some(0),
            fsync: false,
            // A crash of the server loses nothing that was committed.
            settings: vec![("synchronous_commit".into(), "on".into())],
        };
        let postgres = database::shop_server(options).await;
        let url = postgres.url(database::TEMPLATE);
        execute(&url, shop::SETUP).await.expect("a shop");
        let name = sabotage.map_or_else(|| scenario.seed.to_string(), |(_, step)| step);
        let logs = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("oracle-{name}"));
        std::fs::create_dir_all(&logs).expect("a directory");
        let mut stage = Self {
            postgres,
            url,
            daemons: Vec::new(),
            logs,
        };
        for number in 0..scenario.daemons {
            let daemon = stage.daemon(number, &environment).await;
            stage.daemons.push(daemon);
        }
        stage
    }

    /// Leaves a line in the logs of all daemons, so that they tell what was done to them.
    pub(crate) fn note(&self, line: &str) {
        for daemon in &self.daemons {
            let mut log = File::options()
                .append(true)
                .open(&daemon.log)
                .expect("a log");
            writeln!(log, "{} oracle: {line}", jiff::Timestamp::now()).expect("written");
        }
    }

    async fn daemon(&self, number: usize, environment: &[(String, String)]) -> Daemon {
        let parsed: tokio_postgres::Config = self.url.parse().expect("a URL");
        let link = Proxy::start((Ipv4Addr::LOCALHOST, parsed.get_ports()[0]).into()).await;
        let listen = free_address();
        let mut daemon = Daemon {
            process: None,
            url: format!("postgres://postgres@{}/{}", link.addr(), database::TEMPLATE),
            link,
            edge: Proxy::start(listen).await,
            listen,
            environment: environment.to_vec(),
            log: self.logs.join(format!("daemon-{number}.log")),
        };
        drop(File::create(&daemon.log).expect("a log"));
        daemon.start();
        soon("the daemon to listen", daemon.listening()).await;
        daemon
    }
}

impl Daemon {
    /// Starts it at the address it had before.
    pub(crate) fn start(&mut self) {
        let log = File::options().append(true).open(&self.log);
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgbell"));
        command.arg("serve");
        command.args(["--database-url", &self.url]);
        command.args(["--listen", &self.listen.to_string()]);
        command.env_clear().env("PGBELL_LOG", "pgbell=debug");
        command.env("PGBELL_ACCESS__OPEN", "true");
        command.envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(log.expect("a log"));
        command.kill_on_drop(true).current_dir("/");
        self.process = Some(command.spawn().expect("the daemon starts"));
    }

    /// Waits until it takes connections.
    pub(crate) async fn listening(&mut self) {
        while TcpStream::connect(self.listen).await.is_err() {
            let died = self.has_died();
            let log = || fs::read_to_string(&self.log).unwrap_or_default();
            assert!(!died, "{}", log());
            sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await.expect("killed");
        }
    }

    /// Asks it to stop, and sees to it that it does.
    pub(crate) async fn stop(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        if let Some(id) = process.id().and_then(|id| i32::try_from(id).ok()) {
            // It may have ended by itself, which the wait below finds out.
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        if timeout(STOP, process.wait()).await.is_err() {
            process.kill().await.expect("killed");
        }
    }

    /// Whether it ended although nobody ended it.
    pub(crate) fn has_died(&mut self) -> bool {
        let process = self.process.as_mut();
        process.is_some_and(|process| !matches!(process.try_wait(), Ok(None)))
    }
}

/// Runs statements on a connection of their own.
pub(crate) async fn execute(url: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let driver = tokio::spawn(connection);
    let done = client.batch_execute(sql).await;
    driver.abort();
    done
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address")
}
