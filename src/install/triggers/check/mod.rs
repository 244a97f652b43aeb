//! Checks trigger files and what is installed, without changing anything or locking any table.
//!
//! What a file says is judged first, then tried on copies of its tables; what is installed is read
//! back from the database and goes the same way.

mod body;
mod file;
mod installed;
mod many;
mod names;
mod problem;
mod size;
mod trial;
mod vocabulary;
mod wanted;
mod words;

use std::collections::BTreeSet;

use serde::Serialize;

use super::{manners::prepare, parts::all_parts};
use crate::{
    catalogue::Catalogue,
    install::{Error, SqlFile, session::Session},
};

pub use problem::{Code, Problem, Severity};
pub use vocabulary::{Vocabulary, vocabulary};

/// What a check has found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// In the order of files and lines; what is about the database comes first.
    pub problems: Vec<Problem>,
    /// What could not be checked, and why.
    pub unchecked: Vec<String>,
}

impl Report {
    /// How many problems are that bad.
    pub fn count(&self, severity: Severity) -> usize {
        self.problems
            .iter()
            .filter(|problem| problem.severity == severity)
            .count()
    }

    /// Sorted, each warning once in a file, and each error once at its line.
    fn tidy(mut self) -> Self {
        self.problems.sort();
        let mut said = BTreeSet::new();
        self.problems.retain(|problem| {
            let is_error = problem.severity == Severity::Error;
            let line = problem.line.filter(|_| is_error);
            let Problem {
                file,
                code,
                table,
                message,
                ..
            } = problem;
            said.insert((file.clone(), line, *code, table.clone(), message.clone()))
        });
        self
    }
}

/// What to compare with.
#[derive(Clone, Copy, Debug)]
pub struct Against<'a> {
    /// The database; without one, only the files are read.
    pub url: Option<&'a str>,
    /// Known events and rooms.
    pub catalogue: &'a Catalogue,
    /// Whether triggers on tables that no file mentions are looked at, too.
    pub everything: bool,
}

/// Checks files, and what is installed.
pub async fn check(files: &[SqlFile], against: Against<'_>) -> Result<Report, Error> {
    let parts = all_parts(files);
    let mut report = Report {
        problems: file::problems(&parts, against.catalogue),
        unchecked: Vec::new(),
    };
    let Some(url) = against.url else {
        report.unchecked.push(
            "no database is configured, so tables, columns and what is installed were not looked at; \
             --database-url names one"
                .into(),
        );
        return Ok(report.tidy());
    };
    let mut session = Session::open(url).await?;
    let mut transaction = session.begin().await?;
    prepare(&mut transaction).await?;
    if !installed::has_pgbell(&mut transaction).await? {
        report.problems.push(Problem::new(
            Code::NotInstalled,
            "schema pgbell is not in this database",
            "run pgbell install first",
        ));
        return Ok(report.tidy());
    }
    let existing = installed::check(&mut transaction, &parts, against).await?;
    trial::check(&mut transaction, &parts, against.catalogue, &mut report).await?;
    let truncates = installed::truncates(&mut transaction).await?;
    let is_told = |table: &String| truncates.contains(table);
    report.problems.retain(|problem| {
        problem.code != Code::NoTruncate || !problem.table.as_ref().is_some_and(is_told)
    });
    // What is installed as the files have it has been told of there.
    let said = |problem: &Problem| {
        report.problems.iter().any(|known| {
            (known.code, &known.table, &known.message)
                == (problem.code, &problem.table, &problem.message)
        })
    };
    let news: Vec<_> = existing
        .problems
        .into_iter()
        .filter(|problem| !said(problem))
        .collect();
    report.problems.extend(news);
    report.unchecked.extend(existing.unchecked);
    Ok(report.tidy())
}
