//! A child process and what it uses, as the kernel counts it.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Linux counts CPU time for user space in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// Killed when dropped.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let child = command.stdin(Stdio::piped()).spawn()?;
        Ok(Self { child })
    }

    pub(crate) fn stdin(&mut self) -> io::Result<&mut ChildStdin> {
        self.child.stdin.as_mut().ok_or_else(|| no("stdin"))
    }

    /// The first thing after `mark` in what the process prints; the rest goes nowhere.
    pub(crate) fn word_after(&mut self, mark: &str) -> io::Result<String> {
        let output: Box<dyn io::Read + Send> =
            match (&mut self.child.stdout, &mut self.child.stderr) {
                (stdout @ Some(_), _) => Box::new(stdout.take().expect("just seen")),
                (None, stderr) => Box::new(stderr.take().ok_or_else(|| no("output"))?),
            };
        let mut lines = BufReader::new(output).lines();
        let word = loop {
            let line = lines.next().ok_or_else(|| no(mark))??;
            if let Some((_, after)) = line.split_once(mark) {
                let word = after.split_whitespace().next();
                break word.ok_or_else(|| no(mark))?.to_owned();
            }
        };
        // A pipe that nobody reads would stop the process once it is full.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(word)
    }

    /// CPU time of all threads so far, user and kernel.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name, in parentheses, may hold spaces; field 3 follows it.
        let (_, fields) = stat.rsplit_once(") ").ok_or_else(|| no("stat"))?;
        let ticks = |nth: usize| fields.split(' ').nth(nth - 3)?.parse::<u32>().ok();
        let (user, system) = ticks(14).zip(ticks(15)).ok_or_else(|| no("CPU time"))?;
        Ok(TICK * (user + system))
    }

    /// Resident memory in KiB. `smaps_rollup` counts pages, which `status` only estimates.
    pub(crate) fn resident(&self) -> io::Result<u64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.ok_or_else(|| no("Rss"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every socket is an open file here, too.
pub(crate) fn raise_open_files() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where it is refused, connecting will say so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

fn no(what: &str) -> io::Error {
    io::Error::other(format!("no {what}"))
}
