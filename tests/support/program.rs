//! The daemon as a program of its own, which can be limited, signalled and replaced.

use std::{
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    process::Stdio,
    sync::{Arc, Mutex},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
};

use super::{database::Database, soon};

/// Killed when dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) addr: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    /// Changes with each line of the log.
    lines: watch::Receiver<usize>,
}

impl Program {
    /// A daemon that may have so many files open.
    pub(crate) async fn with_files(
        database: &Database,
        files: u32,
        settings: Settings<'_>,
    ) -> Self {
        let prepare = format!("ulimit -n {files};");
        Self::start(&database.url, &prepare, Stdio::null(), settings).await
    }

    pub(crate) async fn with(database: &Database, settings: Settings<'_>) -> Self {
        Self::at(&database.url, settings).await
    }

    /// A daemon whose database need not be there.
    pub(crate) async fn at(url: &str, settings: Settings<'_>) -> Self {
        Self::start(url, "", Stdio::null(), settings).await
    }

    /// A daemon that serves this socket, as systemd would start it.
    pub(crate) async fn on(
        database: &Database,
        socket: &TcpListener,
        settings: Settings<'_>,
    ) -> Self {
        let socket: OwnedFd = socket.try_clone().expect("a descriptor").into();
        let prepare = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$;";
        Self::start(&database.url, prepare, socket.into(), settings).await
    }

    /// Done when it listens. `prepare` is what a shell does before it becomes the daemon.
    async fn start(url: &str, prepare: &str, stdin: Stdio, settings: Settings<'_>) -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!(r#"{prepare} exec "$0" "$@""#)])
            .args([
                env!("CARGO_BIN_EXE_pgbell"),
                "serve",
                "--listen",
                "127.0.0.1:0",
            ])
            .env("DATABASE_URL", url)
            .env("PGBELL_COALESCE__WINDOW", "0ms")
            .env("PGBELL_ACCESS__OPEN", "true")
            .envs(settings.iter().copied())
            .stdin(stdin)
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("the daemon starts");
        let (log, (counted, lines)) = (Arc::<Mutex<Vec<String>>>::default(), watch::channel(0));
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let written = log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = stderr.next_line().await {
                written.lock().expect("no panic").push(line);
                counted.send_modify(|lines| *lines += 1);
            }
        });
        let mut program = Self {
            child,
            addr: ([127, 0, 0, 1], 0).into(),
            log,
            lines,
        };
        let line = program.says("listening on http").await;
        let (_, addr) = line.split_once("://").expect("an address");
        let addr = addr.split_whitespace().next().expect("an address");
        program.addr = addr.parse().expect("an address");
        program
    }

    /// The first line of its log with these words.
    pub(crate) async fn says(&mut self, words: &str) -> String {
        let said = async {
            loop {
                let log = self.log();
                match log.iter().find(|line| line.contains(words)) {
                    Some(line) => return line.clone(),
                    None => self
                        .lines
                        .changed()
                        .await
                        .unwrap_or_else(|_| panic!("{log:?}")),
                }
            }
        };
        soon(words, said).await
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().expect("no panic").clone()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).expect("a process id");
        kill(Pid::from_raw(id), signal).expect("sent");
    }

    /// Its exit code, and the last line of its log.
    pub(crate) async fn end(mut self) -> (Option<i32>, String) {
        let status = soon("the daemon to end", self.child.wait())
            .await
            .expect("an end");
        // The log ends after the process.
        let all = async { while self.lines.changed().await.is_ok() {} };
        soon("the end of the log", all).await;
        (status.code(), self.log().pop().unwrap_or_default())
    }
}

/// Environment variables.
pub(crate) type Settings<'a> = &'a [(&'a str, &'a str)];
