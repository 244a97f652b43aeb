//! A Postgres server that lives no longer than the process that started it.
//!
//! The server runs under a small shell supervisor that reads a pipe held by this process. The pipe
//! closes however this process ends, and then the supervisor stops the server and removes its
//! directory. It has a process group of its own: a ^C in the terminal reaches this process only.

use std::{
    env,
    io::{self, ErrorKind},
    net::TcpListener,
    ops::Range,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::binaries;

/// `initdb` on a slow, busy machine takes a good part of this.
const PATIENCE: Duration = Duration::from_secs(60);

/// A socket path has room for about 100 bytes, of which the file name takes 20.
const LONGEST_PARENT: usize = 60;

/// Ports that systems give to no client by themselves, so that one that is free now stays so until the server
/// listens, and while it is down.
const PORTS: Range<u16> = 15_000..32_000;
/// How many of them are tried.
const ATTEMPTS: u32 = 100;

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Also listen on this port of 127.0.0.1; port 0 picks a free one. Without it the server has a
    /// Unix socket only.
    pub port: Option<u16>,
    /// Whether commits wait for the disk.
    pub fsync: bool,
    /// Further settings, such as `("max_connections", "300")`.
    pub settings: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: None,
            fsync: true,
            settings: Vec::new(),
        }
    }
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No server programs on this machine.
    #[error(
        "no Postgres server programs found: install the package `postgresql`, or set PGBELL_PG_BIN \
         to the directory of initdb and postgres"
    )]
    NoBinaries,
    /// The system refused to start or feed the supervisor.
    #[error("cannot run the Postgres supervisor")]
    Supervisor(#[from] io::Error),
    /// The server did not start, with the end of its log.
    #[error("Postgres did not start: {0}")]
    Server(String),
    /// The server did nothing for a minute.
    #[error("Postgres took longer than {} s", PATIENCE.as_secs())]
    Timeout,
    /// The server refused a statement.
    #[error("Postgres refused")]
    Statement(#[from] sqlx::Error),
}

/// A running private server with one superuser, `postgres`, and no password. Dropping it stops the
/// server and removes its files in the background; [`stop`](Self::stop) waits for that.
#[derive(Debug)]
pub struct ThrowawayPostgres {
    supervisor: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    complaints: ChildStderr,
    directory: PathBuf,
    port: u16,
    has_tcp: bool,
}

impl ThrowawayPostgres {
    /// Makes a cluster and starts its server; done when the server takes connections.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let binaries = binaries::find().ok_or(Error::NoBinaries)?;
        let directory = fresh_directory();
        let port = match options.port {
            Some(0) => free_port()?,
            Some(port) => port,
            None => 5432,
        };
        let mut supervisor = supervisor(&binaries, &directory, port, &options).spawn()?;
        let mut server = Self {
            orders: supervisor.stdin.take().ok_or_else(no_pipe)?,
            answers: BufReader::new(supervisor.stdout.take().ok_or_else(no_pipe)?),
            complaints: supervisor.stderr.take().ok_or_else(no_pipe)?,
            supervisor,
            directory,
            port,
            has_tcp: options.port.is_some(),
        };
        server.order("up").await?;
        Ok(server)
    }

    /// A URL of `database` for the superuser, which psql, sqlx and tokio-postgres all understand.
    pub fn url(&self, database: &str) -> String {
        let port = self.port;
        if self.has_tcp {
            return format!("postgres://postgres@127.0.0.1:{port}/{database}");
        }
        let directory = self.directory.display();
        format!("postgres:///{database}?host={directory}&port={port}&user=postgres")
    }

    /// The directory of the cluster, its log and its socket.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Creates an empty database, or a copy of `template`, to which nobody may be connected.
    pub async fn create_database(&self, name: &str, template: Option<&str>) -> Result<(), Error> {
        let mut connection = PgConnection::connect(&self.url("postgres")).await?;
        let template = template.unwrap_or("template1");
        let statement = format!(r#"create database "{name}" template "{template}""#);
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await?;
        connection.close().await?;
        Ok(())
    }

    /// Stops the server in an orderly way and keeps its files; [`resume`](Self::resume) starts it.
    pub async fn halt(&mut self) -> Result<(), Error> {
        self.order("down").await
    }

    /// Stops the server as a power cut would and keeps its files.
    pub async fn crash(&mut self) -> Result<(), Error> {
        self.order("crash").await
    }

    /// Starts a halted or crashed server again.
    pub async fn resume(&mut self) -> Result<(), Error> {
        self.order("up").await
    }

    /// Stops the server and removes its files; done when both are gone.
    pub async fn stop(self) -> Result<(), Error> {
        let Self {
            mut supervisor,
            orders,
            ..
        } = self;
        drop(orders);
        let ended = timeout(PATIENCE, supervisor.wait()).await;
        ended.map_err(|_| Error::Timeout)??;
        Ok(())
    }

    async fn order(&mut self, order: &str) -> Result<(), Error> {
        // A supervisor that is gone has said why.
        let _ = self.orders.write_all(format!("{order}\n").as_bytes()).await;
        let mut answer = String::new();
        let answered = timeout(PATIENCE, self.answers.read_line(&mut answer)).await;
        answered.map_err(|_| Error::Timeout)??;
        if answer == "done\n" {
            return Ok(());
        }
        let mut complaint = String::new();
        self.complaints.read_to_string(&mut complaint).await?;
        let lines: Vec<_> = complaint.split_whitespace().collect();
        Err(Error::Server(lines.join(" ")))
    }
}

fn supervisor(binaries: &Path, directory: &Path, port: u16, options: &Options) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", include_str!("supervise.sh"), "supervise"]);
    command.args([binaries, directory]);
    command.arg("--username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync");
    for (name, value) in settings(port, options) {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    // The working directory may be closed to the user that the server runs as.
    command.current_dir("/");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.process_group(0);
    if let Some(user) = unprivileged_user() {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

fn settings(port: u16, options: &Options) -> Vec<(String, String)> {
    let addresses = if options.port.is_some() {
        "127.0.0.1"
    } else {
        ""
    };
    let switch = if options.fsync { "on" } else { "off" };
    let own = [
        ("port", port.to_string()),
        ("listen_addresses", addresses.into()),
        ("fsync", switch.into()),
        ("full_page_writes", switch.into()),
    ];
    let own = own.map(|(name, value)| (name.into(), value));
    own.into_iter().chain(options.settings.clone()).collect()
}

/// Postgres refuses to run as root.
fn unprivileged_user() -> Option<nix::unistd::User> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let named = |name| nix::unistd::User::from_name(name).ok().flatten();
    named("postgres").or_else(|| named("nobody"))
}

/// Not made yet: that is for the user that the server runs as, who may not see root's own
/// temporary directory.
fn fresh_directory() -> PathBuf {
    let own = env::temp_dir();
    let short = own.as_os_str().as_bytes().len() <= LONGEST_PARENT;
    let parent = if short && !nix::unistd::geteuid().is_root() {
        own
    } else {
        "/tmp".into()
    };
    parent.join(format!("pgbell-{:08x}", fastrand::u32(..)))
}

fn free_port() -> io::Result<u16> {
    let mut taken = None;
    for _ in 0..ATTEMPTS {
        match TcpListener::bind(("127.0.0.1", fastrand::u16(PORTS))) {
            Ok(listener) => return Ok(listener.local_addr()?.port()),
            Err(error) => taken = Some(error),
        }
    }
    Err(taken.unwrap_or_else(|| ErrorKind::AddrInUse.into()))
}

fn no_pipe() -> io::Error {
    io::Error::other("no pipe to the supervisor")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quick() -> Options {
        Options {
            fsync: false,
            settings: vec![("max_connections".into(), "7".into())],
            ..Options::default()
        }
    }

    #[tokio::test]
    async fn a_server_leaves_nothing_behind_and_survives_a_crash_until_then() {
        let mut server = ThrowawayPostgres::start(quick()).await.expect("a server");
        server.create_database("shop", None).await.expect("created");
        server.crash().await.expect("crashed");
        server.resume().await.expect("recovered");
        let mut shop = PgConnection::connect(&server.url("shop"))
            .await
            .expect("connected");
        let limit: String = sqlx::query_scalar("show max_connections")
            .fetch_one(&mut shop)
            .await
            .expect("answered");
        assert_eq!(limit, "7");

        let directory = server.directory().to_owned();
        assert!(directory.exists());
        server.stop().await.expect("stopped");
        assert!(!directory.exists());
    }

    #[tokio::test]
    async fn a_dropped_server_that_was_reached_by_port_goes_by_itself() {
        let options = Options {
            port: Some(0),
            ..quick()
        };
        let server = ThrowawayPostgres::start(options).await.expect("a server");
        assert!(
            server
                .url("postgres")
                .starts_with("postgres://postgres@127.0.0.1:")
        );
        let mut client = PgConnection::connect(&server.url("postgres"))
            .await
            .expect("connected");
        client.ping().await.expect("answered");
        let directory = server.directory().to_owned();
        drop(server);
        let gone = async {
            while directory.exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, gone).await.expect("gone within the time");
    }

    #[tokio::test]
    async fn a_server_that_cannot_start_says_why_and_leaves_nothing_behind() {
        let mut options = quick();
        options
            .settings
            .push(("no_such_setting".into(), "1".into()));
        let error = ThrowawayPostgres::start(options)
            .await
            .expect_err("refused");
        assert!(error.to_string().contains("no_such_setting"), "{error}");
    }
}
