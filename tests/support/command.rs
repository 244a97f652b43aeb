//! The program as scripts run it.

use std::{path::Path, process::Command};

/// Exit code, stdout and stderr in a directory, with this database (none if the URL is empty) and
/// nothing else of the environment.
pub(crate) fn command(directory: &Path, url: &str, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgbell"));
    command.args(arguments).current_dir(directory).env_clear();
    if !url.is_empty() {
        command.env("DATABASE_URL", url);
    }
    let output = command.output().expect("the command runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let code = output.status.code().expect("an exit code");
    (code, text(output.stdout), text(output.stderr))
}
