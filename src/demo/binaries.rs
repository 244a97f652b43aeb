//! Where the server programs of Postgres are on this machine.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Directories that hold `initdb` and `postgres`, best first: `PGBELL_PG_BIN`, `PATH`,
/// `pg_config --bindir`, and where Debian and Red Hat keep theirs, newest release first.
pub(super) fn find() -> Option<PathBuf> {
    if let Some(named) = env::var_os("PGBELL_PG_BIN") {
        return Some(PathBuf::from(named)).filter(|dir| is_complete(dir));
    }
    on_path()
        .chain(pg_config())
        .chain(packaged())
        .find(|dir| is_complete(dir))
}

fn is_complete(dir: &Path) -> bool {
    ["initdb", "postgres"]
        .iter()
        .all(|program| dir.join(program).is_file())
}

fn on_path() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).collect::<Vec<_>>().into_iter()
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let dir = String::from_utf8(output.stdout).ok()?;
    Some(dir.trim().into())
}

fn packaged() -> Vec<PathBuf> {
    let debian = children("/usr/lib/postgresql").map(|release| release.join("bin"));
    let red_hat = children("/usr").filter(|dir| name(dir).starts_with("pgsql-"));
    let mut dirs: Vec<_> = debian.chain(red_hat.map(|dir| dir.join("bin"))).collect();
    dirs.sort_by_key(|dir| std::cmp::Reverse(release(dir)));
    dirs
}

fn children(dir: &str) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path()))
}

fn name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("")
}

/// The release in `/usr/lib/postgresql/17/bin` or `/usr/pgsql-17/bin`.
fn release(dir: &Path) -> u32 {
    let parent = dir.parent().map_or("", name);
    parent.trim_start_matches("pgsql-").parse().unwrap_or(0)
}
