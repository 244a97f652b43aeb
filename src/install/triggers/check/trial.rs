//! Has the server say what is wrong: statements are run and taken back, triggers tried on copies.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{
    PgConnection,
    postgres::{PgDatabaseError, PgErrorPosition},
};

use super::{
    Report,
    file::plain,
    many, names,
    problem::{Code, Problem},
    size,
};
use crate::{
    catalogue::Catalogue,
    install::{
        Error,
        error::{missing_grant, reason, reason_in_function, server_error},
        triggers::{
            examine::MANNERS,
            locate,
            parts::Part,
            savepoint::Savepoint,
            script::{Kind, Trigger, quoted},
            shadow::{Shadow, has_rows, run},
            table::Table,
        },
    },
    room::Room,
};

const SYNTAX_ERROR: &str = "42601";
const UNDEFINED_COLUMN: &str = "42703";
const UNDEFINED_TABLE: &str = "42P01";
/// Of errors that are about names and types: wrong whatever the rows are.
const ABOUT_NAMES: &str = "42";
/// A row that is written a second time may break a promise that only holds for the first.
const UNIQUE_VIOLATION: &str = "23505";

pub(super) async fn begin(connection: &mut PgConnection) -> Result<(), Error> {
    let outcome = run(connection, MANNERS).await;
    outcome.map_err(|source| Error::statement("begin", &source))
}

/// Tries the statements, and leaves the transaction as it was.
pub(super) async fn check(
    connection: &mut PgConnection,
    parts: &[Part<'_>],
    catalogue: &Catalogue,
    report: &mut Report,
) -> Result<(), Error> {
    let savepoint = Savepoint::set(connection).await?;
    let mut trial = Trial {
        connection,
        parts,
        catalogue,
        report,
        broken: BTreeSet::new(),
        tables: BTreeMap::new(),
    };
    trial.run_all().await?;
    let Trial { connection, .. } = trial;
    savepoint.roll_back(connection).await
}

/// Events and rooms of a row of the log, whether it stands for many, and its size in bytes.
type Logged = (Option<Vec<String>>, Option<Vec<Option<String>>>, bool, i32);

struct Watched<'p> {
    shadow: Shadow,
    /// As the file names it.
    name: String,
    triggers: Vec<(&'p Part<'p>, &'p Trigger)>,
}

struct Trial<'c, 'p> {
    connection: &'c mut PgConnection,
    parts: &'p [Part<'p>],
    catalogue: &'p Catalogue,
    report: &'c mut Report,
    /// Functions that the server would not make.
    broken: BTreeSet<String>,
    tables: BTreeMap<u32, Watched<'p>>,
}

impl<'p> Trial<'_, 'p> {
    async fn run_all(&mut self) -> Result<(), Error> {
        for part in self.parts {
            match &part.statement.kind {
                Kind::Function(function) => {
                    let is_made = self.make(part).await?;
                    self.broken
                        .extend((!is_made).then(|| function.name.name.clone()));
                }
                Kind::Catalogue if !self.is_about_broken(part) => drop(self.make(part).await?),
                Kind::Other if part.is_ground() => drop(self.make(part).await?),
                _ => {}
            }
        }
        for part in self.parts {
            if let Kind::Trigger(trigger) = &part.statement.kind {
                self.attach(part, trigger).await?;
            }
        }
        for watched in std::mem::take(&mut self.tables).values() {
            self.probe(watched).await?;
            size::check(
                self.connection,
                self.parts,
                &watched.shadow,
                &watched.name,
                self.report,
            )
            .await?;
            self.plpgsql_check(watched).await?;
        }
        Ok(())
    }

    /// Whether the statement has an error already, which the server would only repeat.
    fn is_known(&self, part: &Part<'_>) -> bool {
        let (file, line) = (part.file.name(), part.statement.line);
        let at =
            |problem: &Problem| problem.file.as_deref() == Some(file) && problem.line == Some(line);
        self.report.problems.iter().any(at)
    }

    fn is_about_broken(&self, part: &Part<'_>) -> bool {
        let mut broken = self.broken.iter();
        broken.any(|function| part.statement.text.contains(function.as_str()))
    }

    /// Runs a statement, and takes it back if the server does not like it.
    async fn make(&mut self, part: &Part<'_>) -> Result<bool, Error> {
        let savepoint = Savepoint::set(self.connection).await?;
        match run(self.connection, part.statement.text).await {
            Ok(()) => savepoint.keep(self.connection).await.map(|()| true),
            Err(source) => {
                savepoint.roll_back(self.connection).await?;
                self.refused(part, &source)?;
                Ok(false)
            }
        }
    }

    fn refused(&mut self, part: &Part<'_>, source: &sqlx::Error) -> Result<(), Error> {
        let Some(error) = server_error(source) else {
            return Err(Error::statement("check", source));
        };
        let (code, mend) = match error.code() {
            SYNTAX_ERROR => (Code::Syntax, "mend the statement at this place".to_owned()),
            UNDEFINED_COLUMN => (
                Code::MissingColumn,
                "name a column that is there".to_owned(),
            ),
            UNDEFINED_TABLE => (
                Code::MissingTable,
                "name a table that is there, with its schema".to_owned(),
            ),
            _ => (
                Code::Refused,
                "mend the statement, or ask who may run it".to_owned(),
            ),
        };
        let statement = &part.statement;
        let line = match error.position() {
            Some(PgErrorPosition::Original(position)) => {
                let before = statement.text.chars().take(position.saturating_sub(1));
                statement.line_of(before.map(char::len_utf8).sum())
            }
            _ => statement.line,
        };
        self.report
            .problems
            .push(Problem::new(code, reason(error), mend).at(part.file.name(), line));
        Ok(())
    }

    async fn attach(&mut self, part: &'p Part<'p>, trigger: &'p Trigger) -> Result<(), Error> {
        let name = plain(&trigger.table);
        let savepoint = Savepoint::set(self.connection).await?;
        let found = Table::find(self.connection, &trigger.table).await;
        let failed = |source| Error::statement(&format!("look at {name}"), &source);
        let Some(table) = found.map_err(failed)? else {
            savepoint.keep(self.connection).await?;
            let problem = Problem::new(
                Code::MissingTable,
                format!("there is no table {name}"),
                "name a table that is there, with its schema",
            );
            self.report.problems.push(
                problem
                    .at(part.file.name(), part.statement.line)
                    .about(name),
            );
            return Ok(());
        };
        savepoint.keep(self.connection).await?;
        let oid = table.oid.0;
        if !self.tables.contains_key(&oid) {
            let shadow = Shadow::of(self.connection, &table).await.map_err(failed)?;
            let triggers = Vec::new();
            let name = name.clone();
            self.tables.insert(
                oid,
                Watched {
                    shadow,
                    name,
                    triggers,
                },
            );
        }
        if self.broken.contains(&trigger.function.name) || self.is_known(part) {
            return Ok(());
        }
        let Some(watched) = self.tables.get_mut(&oid) else {
            return Ok(());
        };
        let savepoint = Savepoint::set(self.connection).await?;
        match watched
            .shadow
            .attach(self.connection, &part.statement, trigger)
            .await
        {
            Ok(_) => {
                watched.triggers.push((part, trigger));
                savepoint.keep(self.connection).await
            }
            Err(source) => {
                savepoint.roll_back(self.connection).await?;
                self.refused(part, &source)
            }
        }
    }

    /// With no row, with a few, and with a few that are taken for very many. A trigger that fails is
    /// taken off, so that the others are tried, too.
    async fn probe(&mut self, watched: &Watched<'_>) -> Result<(), Error> {
        let shadow = &watched.shadow;
        let failed = |source| Error::statement(&format!("look at {}", watched.name), &source);
        let savepoint = Savepoint::set(self.connection).await?;
        let rows = has_rows(self.connection, &shadow.of).await;
        savepoint.roll_back(self.connection).await?;
        let rows = match rows {
            Ok(rows) => rows,
            Err(source) if server_error(&source).is_some() => {
                let note = format!(
                    "{}: its rows cannot be read, so triggers were tried without any",
                    watched.name
                );
                self.report.unchecked.push(note);
                false
            }
            Err(source) => return Err(failed(source)),
        };
        let few = match rows {
            true => shadow.touching_rows(),
            false => shadow.touching_nulls(),
        };
        let many = ["set local pgbell.bulk_limit = 0".to_owned()];
        let many: Vec<_> = many.into_iter().chain(few.iter().cloned()).collect();
        for (statements, is_real) in [(shadow.touching_nothing(), true), (few, rows), (many, rows)]
        {
            for _ in 0..=watched.triggers.len() {
                let savepoint = Savepoint::set(self.connection).await?;
                let outcome = run_each(self.connection, &statements).await;
                if outcome.is_ok() && is_real {
                    self.read_log(watched).await?;
                }
                savepoint.roll_back(self.connection).await?;
                let Err((statement, source)) = outcome else {
                    break;
                };
                if !self.failed(watched, &statement, &source, is_real).await? {
                    break;
                }
            }
        }
        if rows {
            self.many(watched).await?;
        }
        Ok(())
    }

    /// Whether many rows tell whom single ones tell.
    async fn many(&mut self, watched: &Watched<'_>) -> Result<(), Error> {
        for (verb, problem) in many::check(self.connection, &watched.shadow).await? {
            let fires = |(_, trigger): &&(&Part<'_>, &Trigger)| {
                trigger.events.iter().any(|event| event.verb() == verb)
            };
            let Some((part, _)) = watched.triggers.iter().find(fires) else {
                continue;
            };
            let problem = problem.at(part.file.name(), part.statement.line);
            self.report.problems.push(problem.about(&watched.name));
        }
        Ok(())
    }

    /// Whether it is worth another try.
    async fn failed(
        &mut self,
        watched: &Watched<'_>,
        statement: &str,
        source: &sqlx::Error,
        is_real: bool,
    ) -> Result<bool, Error> {
        let Some(error) = server_error(source) else {
            return Err(Error::statement("check", source));
        };
        let counts = match is_real {
            true => error.code() != UNIQUE_VIOLATION,
            false => error.code().starts_with(ABOUT_NAMES),
        };
        let located = locate::in_function(
            self.parts
                .iter()
                .map(|part| (part.file.name(), &part.statement)),
            error,
        );
        let Some((place, function)) = located else {
            if counts {
                self.report
                    .problems
                    .push(would_fail(watched, statement, error));
            }
            return Ok(false);
        };
        if counts && let Some((file, line)) = place.rsplit_once(':') {
            let line = line.parse().unwrap_or(1);
            let is_here = |problem: &Problem| {
                problem.file.as_deref() == Some(file) && problem.line == Some(line)
            };
            if !self.report.problems.iter().any(is_here) {
                self.report
                    .problems
                    .push(would_fail(watched, statement, error).at(file, line));
            }
        }
        let guilty = watched
            .triggers
            .iter()
            .filter(|(_, trigger)| trigger.function.name == function);
        let mut is_off = false;
        for (_, trigger) in guilty {
            let name = quoted(&trigger.name);
            let off = format!("alter table {} disable trigger {name}", watched.shadow.name);
            run(self.connection, &off)
                .await
                .map_err(|source| Error::statement("check", &source))?;
            is_off = true;
        }
        Ok(is_off)
    }

    /// Judges what the triggers have put into the log.
    async fn read_log(&mut self, watched: &Watched<'_>) -> Result<(), Error> {
        let savepoint = Savepoint::set(self.connection).await?;
        let logged: Result<Vec<Logged>, _> = sqlx::query_as(
            "select events, rooms, id is not distinct from '*',
                    octet_length(concat(entity, id, events::text, rooms::text, old::text, new::text))
               from pgbell.change where xid = pg_current_xact_id()",
        )
        .fetch_all(&mut *self.connection)
        .await;
        savepoint.roll_back(self.connection).await?;
        let Ok(logged) = logged else {
            let note = "pgbell.change cannot be read by this role, so what triggers write to it was not judged";
            if !self.report.unchecked.iter().any(|known| known == note) {
                self.report.unchecked.push(note.into());
            }
            return Ok(());
        };
        let place = watched
            .triggers
            .first()
            .map(|(part, _)| (part.file.name(), part.statement.line));
        let mut found = Vec::new();
        for (events, rooms, is_many, bytes) in logged {
            for event in events
                .into_iter()
                .flatten()
                .filter(|event| !self.catalogue.contains(event))
            {
                found.push(names::unknown_event(&event, self.catalogue));
            }
            for room in rooms.into_iter().flatten().flatten() {
                let name = if is_many {
                    room.trim_end_matches('*')
                } else {
                    &room
                };
                if !name.is_empty() && Room::is_unusual(name) {
                    found.push(invalid_room(&room));
                }
            }
            found.extend(size::of_row(bytes));
        }
        for problem in found {
            let is_said = self
                .report
                .problems
                .iter()
                .any(|known| known.message == problem.message);
            if let (false, Some((file, line))) = (is_said, place) {
                self.report
                    .problems
                    .push(problem.at(file, line).about(&watched.name));
            }
        }
        Ok(())
    }

    /// Its findings, where the extension is installed.
    async fn plpgsql_check(&mut self, watched: &Watched<'_>) -> Result<(), Error> {
        for (_, trigger) in &watched.triggers {
            let savepoint = Savepoint::set(self.connection).await?;
            let found =
                super::installed::plpgsql_check(self.connection, watched.shadow.oid, trigger).await;
            savepoint.roll_back(self.connection).await?;
            let Ok(found) = found else {
                continue;
            };
            let of = |part: &&Part<'_>| matches!(&part.statement.kind, Kind::Function(function) if function.name == trigger.function);
            let Some(part) = self.parts.iter().find(of) else {
                continue;
            };
            let Kind::Function(function) = &part.statement.kind else {
                continue;
            };
            let start = part
                .statement
                .line_of(function.body.clone().map_or(0, |body| body.start));
            for (line, message) in found {
                let line = start + usize::try_from(line).unwrap_or(1).saturating_sub(1);
                let known = self
                    .report
                    .problems
                    .iter()
                    .any(|known| known.message.contains(&message));
                if !known {
                    let mend = "mend the statement at this place";
                    let problem = Problem::new(Code::PlpgsqlCheck, message, mend);
                    self.report
                        .problems
                        .push(problem.at(part.file.name(), line).about(&watched.name));
                }
            }
        }
        Ok(())
    }
}

async fn run_each(
    connection: &mut PgConnection,
    statements: &[String],
) -> Result<(), (String, sqlx::Error)> {
    for statement in statements {
        let outcome = run(connection, statement).await;
        outcome.map_err(|source| (statement.clone(), source))?;
    }
    Ok(())
}

fn would_fail(watched: &Watched<'_>, statement: &str, error: &PgDatabaseError) -> Problem {
    let verb = statement.split(' ').next().unwrap_or_default();
    let (code, mend) = match error.code() {
        UNDEFINED_COLUMN => {
            let columns = watched.shadow.columns().join(", ");
            (
                Code::MissingColumn,
                format!("{} has {columns}", watched.name),
            )
        }
        _ => (
            Code::WouldFail,
            missing_grant(error).unwrap_or_else(|| {
                "mend it before applying: each such write would fail".to_owned()
            }),
        ),
    };
    let reason = reason_in_function(error);
    Problem::new(code, format!("{verb} fails: {reason}"), mend).about(&watched.name)
}

fn invalid_room(room: &str) -> Problem {
    Problem::new(
        Code::InvalidRoom,
        format!("{room:?} is no room, so nobody hears of it there"),
        "rooms are 1 to 128 characters of A-Z a-z 0-9 _ . : @ / -",
    )
}
