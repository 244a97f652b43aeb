mod print;
mod report;

use std::{
    io::{self, Read},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use jiff::SignedDuration;

use super::{Failure, files, report::json as print_json};
use crate::{
    cli::{database::Database, output},
    config::Config,
    install::triggers::trace::{Request, judge, trace},
    room::Room,
};
use report::Report;

/// Longest statement that is read from stdin, in bytes.
const MOST_SQL: u64 = 1 << 20;

/// Most statements of one trace.
const MOST_STATEMENTS: usize = 100;

/// `pgbell triggers trace`
#[derive(Args, Debug)]
pub(in crate::cli) struct Trace {
    /// One statement: insert, update, delete, merge, select, with, values, truncate, call, do or set;
    /// `-` reads it from stdin
    sql: String,
    /// A further statement in the same transaction, which shows how changes fold
    #[arg(long, value_name = "SQL")]
    also: Vec<String>,
    /// A trigger file to try first, in the same transaction
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Only what a client in this room would be sent; may be given several times
    #[arg(long, value_name = "ROOM")]
    room: Vec<Room>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Longest time for each statement
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    timeout: Duration,
    /// Most changes, messages and moments that are shown; further ones are counted
    #[arg(long, value_name = "N", default_value_t = 200)]
    limit: usize,
    #[command(flatten)]
    database: Database,
}

impl Trace {
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        let statements = self.statements()?;
        let files = files::read(&self.file)?;
        let (rooms, limit, json) = (self.room, self.limit, self.json);
        let Config {
            database,
            coalesce,
            resume,
            ..
        } = self.database.require()?;
        let request = Request {
            statements,
            files,
            timeout: self.timeout,
            most_rows: database.read_limit,
        };
        let traced = trace(database.url.reveal(), &request).await?;
        let daemon = report::Daemon {
            coalesce,
            read_limit: database.read_limit,
            spread: resume.spread,
        };
        let report = Report::new(traced, &rooms, daemon).map_err(Failure::plain)?;
        let report = report.cut(limit);
        if json {
            return print_json(&report);
        }
        Ok(output::text(&print::text(&report))?)
    }

    /// All statements, as long as each can be traced.
    fn statements(&self) -> Result<Vec<String>, Failure> {
        let mut statements = vec![self.sql.clone()];
        statements.extend(self.also.iter().cloned());
        if statements.len() > MOST_STATEMENTS {
            let line = format!("more than {MOST_STATEMENTS} statements");
            return Err(Failure::wrong(line));
        }
        if statements.iter().filter(|sql| *sql == "-").count() > 1 {
            return Err(Failure::wrong("stdin can be read only once"));
        }
        for sql in statements.iter_mut().filter(|sql| *sql == "-") {
            *sql = from_stdin()?;
        }
        for sql in &statements {
            judge(sql).map_err(Failure::wrong)?;
        }
        Ok(statements)
    }
}

fn from_stdin() -> Result<String, Failure> {
    let mut sql = String::new();
    let read = io::stdin()
        .lock()
        .take(MOST_SQL + 1)
        .read_to_string(&mut sql);
    read.map_err(|error| Failure::usage("cannot read stdin", &error))?;
    if sql.len() as u64 > MOST_SQL {
        return Err(Failure::wrong(
            "the statement on stdin is longer than 1 MiB",
        ));
    }
    Ok(sql)
}

/// At least a millisecond: to the server zero means no bound.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a time such as 5s or 500ms, up to 1h, is needed".to_owned();
    let time: SignedDuration = text.parse().map_err(|_| wrong())?;
    let time = Duration::try_from(time).map_err(|_| wrong())?;
    let sensible = Duration::from_millis(1)..=Duration::from_secs(3600);
    sensible.contains(&time).then_some(time).ok_or_else(wrong)
}
