//! A physical standby, and other programs that must not outlive the test.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nix::{sys::signal::Signal, unistd::User};

use super::{
    PATIENCE,
    server::{Server, signal},
};

/// Runs the program until standard input ends, which it does however the test's process ends. Then
/// Postgres is asked by the first signal to stop at once, PgBouncer by the second.
const KEEPER: &str =
    r#""$@" & program=$!; cat >/dev/null; kill -INT $program; kill -TERM $program; wait $program"#;

/// A program that runs as the user that servers run as. Dropping it waits until it has ended, so
/// that nothing is written any more to the directory it works in.
pub(crate) struct Program {
    keeper: Child,
    log: PathBuf,
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

impl Program {
    pub(crate) fn start(program: &Path, arguments: &[String], log: &Path) -> Self {
        let file = fs::File::create(log).expect("a log");
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "keeper"]).arg(program);
        command.args(arguments).current_dir("/");
        command
            .stdin(Stdio::piped())
            .stdout(file.try_clone().expect("a log"))
            .stderr(file);
        if nix::unistd::geteuid().is_root() {
            let user = User::from_name("postgres").ok().flatten();
            let user = user.expect("a user called postgres");
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let keeper = command.spawn().expect("the shell");
        let log = log.to_owned();
        Self { keeper, log }
    }

    /// Waits until it takes connections.
    pub(crate) async fn answers(&self, addr: SocketAddr) {
        let answers = async {
            while tokio::net::TcpStream::connect(addr).await.is_err() {
                // A refusal may come without any waiting, and the bound on it needs its turn.
                tokio::task::yield_now().await;
            }
        };
        let answered = tokio::time::timeout(PATIENCE, answers).await;
        let log = || fs::read_to_string(&self.log).unwrap_or_default();
        assert!(answered.is_ok(), "nobody answers at {addr}: {}", log());
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// A standby of a [`Server`], whose directory it lives in.
pub(crate) struct Standby {
    pub(crate) addr: SocketAddr,
    data: PathBuf,
    _program: Program,
}

impl Standby {
    /// Copies the halted server's cluster, which makes a standby with every version of Postgres, and
    /// starts both. The standby follows what answers at `primary`.
    pub(crate) async fn of(server: &mut Server, primary: SocketAddr, setting: &str) -> Self {
        let directory = server.postgres.directory().to_owned();
        let binaries = binaries(&directory.join("data"));
        server.postgres.halt().await.expect("halted");
        let data = directory.join("standby");
        let copied = Command::new("cp")
            .arg("-a")
            .args([&directory.join("data"), &data])
            .status();
        assert!(copied.expect("cp").success());
        fs::write(data.join("standby.signal"), "").expect("written");
        server.postgres.resume().await.expect("resumed");

        let port = free_port();
        let mut arguments: Vec<String> = vec!["-D".into(), data.display().to_string()];
        for setting in [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".into(),
            format!("unix_socket_directories={}", directory.display()),
            "fsync=off".into(),
            format!(
                "primary_conninfo=host={} port={} user=postgres",
                primary.ip(),
                primary.port()
            ),
            "wal_retrieve_retry_interval=100ms".into(),
            setting.into(),
        ] {
            arguments.extend(["-c".into(), setting]);
        }
        let program = binaries.join("postgres");
        let log = directory.join("standby.log");
        let program = Program::start(&program, &arguments, &log);
        let addr = ([127, 0, 0, 1], port).into();
        program.answers(addr).await;
        Self {
            addr,
            data,
            _program: program,
        }
    }

    /// Makes it a primary, as `pg_ctl promote` does.
    pub(crate) fn promote(&self) {
        fs::write(self.data.join("promote"), "").expect("written");
        signal(&self.data, Signal::SIGUSR1);
    }
}

/// Where the programs of a running server are.
fn binaries(data: &Path) -> PathBuf {
    let file = fs::read_to_string(data.join("postmaster.pid")).expect("a running server");
    let pid = file.lines().next().expect("a pid");
    let program = fs::read_link(format!("/proc/{pid}/exe")).expect("a program");
    program.parent().expect("a directory").to_owned()
}
