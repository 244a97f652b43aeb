use std::{error::Error, fmt, io, process::ExitCode};

use crate::{app, config, demo, install};

const PROBLEM: u8 = 1;
const USAGE: u8 = 2;
const UNREACHABLE: u8 = 3;

/// How a command failed: one line, and an exit code that scripts can branch on.
#[derive(Debug)]
pub(super) struct Failure {
    code: u8,
    line: String,
}

impl Failure {
    /// Something is wrong, with its causes.
    pub(super) fn problem(what: &str, cause: &dyn Error) -> Self {
        Self {
            code: PROBLEM,
            line: format!("{what}: {}", one_line(cause)),
        }
    }

    /// Something is wrong, and that is all there is to say.
    pub(super) fn plain(line: impl Into<String>) -> Self {
        Self {
            code: PROBLEM,
            line: line.into(),
        }
    }

    /// What was looked for was found, and has been printed.
    pub(super) fn found() -> Self {
        Self::plain("")
    }

    /// The command line is not enough.
    pub(super) fn wrong(line: impl Into<String>) -> Self {
        Self {
            code: USAGE,
            line: line.into(),
        }
    }

    /// The command line names something that is not there.
    pub(super) fn usage(what: &str, cause: &dyn Error) -> Self {
        Self {
            code: USAGE,
            ..Self::problem(what, cause)
        }
    }

    /// Database or daemon do not answer.
    pub(super) fn unreachable(what: &str, cause: &dyn Error) -> Self {
        Self {
            code: UNREACHABLE,
            ..Self::problem(what, cause)
        }
    }

    /// Whether nothing was even tried.
    pub(super) fn is_usage(&self) -> bool {
        self.code == USAGE
    }

    pub(super) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        let line = one_line(&error);
        Self { code: USAGE, line }
    }
}

impl From<install::Error> for Failure {
    fn from(error: install::Error) -> Self {
        let code = match error {
            install::Error::Unreachable { .. } => UNREACHABLE,
            install::Error::UnfitEntity { .. }
            | install::Error::UnfitRole { .. }
            | install::Error::Url { .. } => USAGE,
            _ => PROBLEM,
        };
        let line = one_line(&error);
        Self { code, line }
    }
}

impl From<app::Error> for Failure {
    fn from(error: app::Error) -> Self {
        Self::plain(one_line(&error))
    }
}

impl From<demo::Error> for Failure {
    fn from(error: demo::Error) -> Self {
        match error {
            demo::Error::Install(error) => error.into(),
            demo::Error::App(error) => error.into(),
            demo::Error::Print(error) => error.into(),
            demo::Error::Unreachable(_) => Self {
                code: UNREACHABLE,
                line: one_line(&error),
            },
            other => Self::plain(one_line(&other)),
        }
    }
}

/// Of printing: a reader that has seen enough is no failure worth a word.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self {
                code: 0,
                line: String::new(),
            };
        }
        Self::problem("cannot print", &error)
    }
}

/// An error and its causes, joined by `: `. Causes that the text before already quotes are left out.
pub(super) fn one_line(error: &dyn Error) -> String {
    let mut line = flat(&error.to_string());
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = flat(&error.to_string());
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
