//! Compares trigger files with what is installed, by content.
//!
//! The server itself says what a file means: its functions are made and taken back, its triggers
//! attached to copies of their tables. No business table is locked beyond ACCESS SHARE, and nothing
//! is changed. What comes out is in the order of the files, with the SQL that would mend each
//! difference: `diff` shows it, `apply` runs it.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use super::{
    finding::{Finding, State, Subject, text_diff},
    installed::{self, InstalledFunction, InstalledTrigger},
    probe::probe,
    savepoint::Savepoint,
    script::{Firing, Kind, Level, Script, Statement, Trigger},
    shadow::{Shadow, run},
    table::Table,
};
use crate::install::{Error, SqlFile};

/// What a look at the files may do to the database's patience.
pub(super) const MANNERS: &str = "set local statement_timeout = '10s'; set local pgbell.enabled = 'on'; \
                       set local client_min_messages = 'error'";

/// A statement and the file it is in.
pub(super) struct Part<'a> {
    pub(super) file: &'a SqlFile,
    pub(super) statement: Statement<'a>,
}

impl Part<'_> {
    fn refused(&self, source: &sqlx::Error) -> Error {
        let Statement { line, text, .. } = self.statement;
        Error::in_statement(self.file.name(), line, text, source)
    }

    fn place(&self) -> String {
        format!("{}:{}", self.file.name(), self.statement.line)
    }

    /// Whether functions may need it that are made after it.
    pub(super) fn is_ground(&self) -> bool {
        let mut words = self.statement.text.split_whitespace();
        let create = words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("create"));
        let grounds = [
            "type",
            "domain",
            "schema",
            "sequence",
            "aggregate",
            "operator",
            "cast",
        ];
        let made = words.find(|word| !["or", "replace"].contains(&word.to_lowercase().as_str()));
        create && made.is_some_and(|made| grounds.contains(&made.to_lowercase().as_str()))
    }
}

/// All statements of the files, in order.
pub(super) fn parts(files: &[SqlFile]) -> Result<Vec<Part<'_>>, Error> {
    let mut parts = Vec::new();
    for file in files {
        for statement in Script::parse(file).statements {
            let part = Part { file, statement };
            if part.statement.kind == Kind::Transaction {
                return Err(Error::EndsTransaction { at: part.place() });
            }
            if !part.statement.is_empty() {
                parts.push(part);
            }
        }
    }
    Ok(parts)
}

/// Compares, and leaves the transaction as it was. If there is a difference and `probes`, the
/// triggers are tried as well.
pub(super) async fn examine(
    connection: &mut PgConnection,
    files: &[SqlFile],
    probes: bool,
) -> Result<Vec<Finding>, Error> {
    let parts = parts(files)?;
    let functions = Functions::compare(connection, &parts).await?;
    let savepoint = Savepoint::set(connection).await?;
    look(connection, MANNERS).await?;
    let mut examiner = Examiner {
        connection,
        parts: &parts,
        functions,
        firings: BTreeMap::new(),
        tables: BTreeMap::new(),
        findings: Vec::new(),
    };
    examiner.read_firings().await?;
    for part in &parts {
        examiner.part(part).await?;
    }
    let is_different = |finding: &Finding| finding.differs() && !finding.sql.is_empty();
    if probes && examiner.findings.iter().any(is_different) {
        for watched in examiner.tables.values() {
            probe(examiner.connection, &watched.shadow, &parts).await?;
        }
    }
    examiner.extras();
    let Examiner {
        connection,
        findings,
        ..
    } = examiner;
    savepoint.roll_back(connection).await?;
    Ok(findings)
}

async fn look(connection: &mut PgConnection, sql: &str) -> Result<(), Error> {
    let outcome = run(connection, sql).await;
    outcome.map_err(|source| Error::statement("look", &source))
}

/// The functions as they are, and as the files would have them.
struct Functions {
    before: BTreeMap<String, InstalledFunction>,
    after: BTreeMap<String, InstalledFunction>,
    /// Which function each statement makes, by the statement's place.
    made: BTreeMap<String, String>,
}

impl Functions {
    async fn compare(connection: &mut PgConnection, parts: &[Part<'_>]) -> Result<Self, Error> {
        let mut schemas = vec!["pgbell".to_owned()];
        for part in parts {
            if let Kind::Function(function) = &part.statement.kind {
                schemas.extend(function.name.schema.clone().or(Some("public".to_owned())));
            }
        }
        let failed = |source| Error::statement("read the functions", &source);
        let before = installed::functions(connection, &schemas)
            .await
            .map_err(failed)?;
        let savepoint = Savepoint::set(connection).await?;
        look(connection, MANNERS).await?;
        let mut made = BTreeMap::new();
        for part in parts {
            match &part.statement.kind {
                Kind::Function(function) => {
                    let name = &function.name.name;
                    let before = installed::versions(connection, name)
                        .await
                        .map_err(failed)?;
                    run(connection, part.statement.text)
                        .await
                        .map_err(|e| part.refused(&e))?;
                    let after = installed::versions(connection, name)
                        .await
                        .map_err(failed)?;
                    let is_new =
                        |(name, version): &(&String, &String)| before.get(*name) != Some(*version);
                    if let Some((name, _)) = after.iter().find(is_new) {
                        made.insert(part.place(), name.clone());
                    }
                }
                Kind::Catalogue => {
                    run(connection, part.statement.text)
                        .await
                        .map_err(|e| part.refused(&e))?;
                }
                _ if part.is_ground() => {
                    run(connection, part.statement.text)
                        .await
                        .map_err(|e| part.refused(&e))?;
                }
                _ => {}
            }
        }
        let after = installed::functions(connection, &schemas)
            .await
            .map_err(failed)?;
        savepoint.roll_back(connection).await?;
        Ok(Self {
            before,
            after,
            made,
        })
    }
}

/// A table that the files watch.
struct Watched {
    shadow: Shadow,
    /// The table, then its children, each with the triggers it has.
    tree: Vec<(Table, Vec<InstalledTrigger>)>,
    /// The triggers that the files mention, by table.
    mentioned: BTreeSet<(u32, String)>,
}

struct Examiner<'c, 'p> {
    connection: &'c mut PgConnection,
    parts: &'p [Part<'p>],
    functions: Functions,
    /// What the files say about who fires a trigger, by table and trigger.
    firings: BTreeMap<(u32, String), char>,
    tables: BTreeMap<u32, Watched>,
    findings: Vec<Finding>,
}

impl Examiner<'_, '_> {
    async fn read_firings(&mut self) -> Result<(), Error> {
        for part in self.parts {
            if let Kind::Firing(firing) = &part.statement.kind {
                let table = self.find(part, &firing.table).await?;
                let key = (table.oid.0, firing.trigger.clone());
                self.firings.insert(key, firing.fires.code());
            }
        }
        Ok(())
    }

    async fn part(&mut self, part: &Part<'_>) -> Result<(), Error> {
        match &part.statement.kind {
            Kind::Function(_) => self.function(part).await,
            Kind::Trigger(trigger) => self.trigger(part, trigger).await,
            Kind::Firing(firing) => self.firing(part, firing).await,
            Kind::Catalogue => self.catalogue(part).await,
            Kind::Transaction | Kind::Other => {
                if part.is_ground() {
                    self.run(part).await?;
                }
                let sql = part.statement.text.to_owned();
                self.push(
                    part,
                    Subject::Statement,
                    gist(&sql),
                    State::Unknown,
                    vec![sql],
                );
                Ok(())
            }
        }
    }

    async fn function(&mut self, part: &Part<'_>) -> Result<(), Error> {
        let Functions {
            before,
            after,
            made,
        } = &self.functions;
        let Some(name) = made.get(&part.place()).cloned() else {
            return Ok(());
        };
        let (old, new) = (before.get(&name).cloned(), after.get(&name).cloned());
        let text = part.statement.text.to_owned();
        let (state, notes, diff, sql) = match (old, new) {
            (Some(old), Some(new)) if old == new => (State::Same, vec![], None, vec![]),
            (Some(old), Some(new)) => {
                let diff = (old.definition != new.definition)
                    .then(|| text_diff(&old.definition, &new.definition, part.file.name()));
                let sql = diff.iter().map(|_| text.clone()).collect();
                (State::Changed, differences(&old, &new), diff, sql)
            }
            _ => (State::Missing, vec![], None, vec![text]),
        };
        if !sql.is_empty() {
            self.run(part).await?;
        }
        let finding = self.push(part, Subject::Function, name, state, sql);
        finding.notes = notes;
        finding.diff = diff;
        Ok(())
    }

    async fn trigger(&mut self, part: &Part<'_>, trigger: &Trigger) -> Result<(), Error> {
        let table = self.find(part, &trigger.table).await?;
        let connection = &mut *self.connection;
        let failed = |source| Error::statement(&format!("look at {}", table.name), &source);
        if !self.tables.contains_key(&table.oid.0) {
            let mut tree = Vec::new();
            for table in installed::tree(connection, &table).await.map_err(failed)? {
                let triggers = installed::triggers(connection, table.oid).await;
                tree.push((table, triggers.map_err(failed)?));
            }
            let watched = Watched {
                shadow: Shadow::of(connection, &table).await.map_err(failed)?,
                tree,
                mentioned: BTreeSet::new(),
            };
            self.tables.insert(table.oid.0, watched);
        }
        let Some(watched) = self.tables.get_mut(&table.oid.0) else {
            return Ok(());
        };
        let wanted = watched
            .shadow
            .attach(connection, &part.statement, trigger)
            .await;
        let wanted = wanted.map_err(|source| part.refused(&source))?;
        let mut found = Vec::new();
        for (member, installed) in &watched.tree {
            // Postgres itself gives the row triggers of a table to its partitions.
            if member.oid != table.oid && member.is_partition && trigger.level == Level::Row {
                continue;
            }
            watched
                .mentioned
                .insert((member.oid.0, trigger.name.clone()));
            let installed = installed.iter().find(|one| one.name == trigger.name);
            let says = self
                .firings
                .get(&(table.oid.0, trigger.name.clone()))
                .copied();
            found.push(compare_trigger(
                part, trigger, member, installed, &wanted, says,
            ));
        }
        self.findings.extend(found);
        Ok(())
    }

    /// Who fires a trigger: for the table and its children, as far as it is not so already.
    async fn firing(&mut self, part: &Part<'_>, firing: &Firing) -> Result<(), Error> {
        let table = self.find(part, &firing.table).await?;
        let text = part.statement.text;
        let mut changes = Vec::new();
        let mut is_mentioned = false;
        if let Some(watched) = self.tables.get(&table.oid.0) {
            for (member, installed) in &watched.tree {
                let key = (member.oid.0, firing.trigger.clone());
                if !watched.mentioned.contains(&key) {
                    continue;
                }
                is_mentioned = true;
                let installed = installed.iter().find(|one| one.name == firing.trigger);
                let now = installed.map_or("O", |one| one.enabled.as_str());
                if now != "D" && now != firing.fires.code().to_string() {
                    changes.push(part.statement.with(&firing.table_span, &member.name));
                }
            }
        }
        if !is_mentioned {
            self.push(
                part,
                Subject::Statement,
                gist(text),
                State::Unknown,
                vec![text.to_owned()],
            );
        } else if !changes.is_empty() {
            self.push(
                part,
                Subject::Statement,
                gist(text),
                State::Missing,
                changes,
            );
        }
        Ok(())
    }

    /// Rights, owners and comments: kept in the list only where they change anything.
    async fn catalogue(&mut self, part: &Part<'_>) -> Result<(), Error> {
        let failed = |source| Error::statement("read the rights", &source);
        let savepoint = Savepoint::set(self.connection).await?;
        let before = installed::fingerprint(self.connection)
            .await
            .map_err(failed)?;
        self.run(part).await?;
        let after = installed::fingerprint(self.connection)
            .await
            .map_err(failed)?;
        if before == after {
            return savepoint.roll_back(self.connection).await;
        }
        savepoint.keep(self.connection).await?;
        let sql = part.statement.text.to_owned();
        self.push(
            part,
            Subject::Statement,
            gist(&sql),
            State::Missing,
            vec![sql],
        );
        Ok(())
    }

    /// What is on the watched tables and no file mentions.
    fn extras(&mut self) {
        let made: BTreeSet<_> = self.functions.made.values().collect();
        let mut functions = BTreeSet::new();
        for watched in self.tables.values() {
            for (table, installed) in &watched.tree {
                for trigger in installed {
                    let key = (table.oid.0, trigger.name.clone());
                    if !trigger.is_ours || watched.mentioned.contains(&key) {
                        continue;
                    }
                    let name = format!("{} on {}", trigger.name, table.name);
                    let note = format!("calls {}; no file mentions it", trigger.function);
                    self.findings
                        .push(Finding::extra(Subject::Trigger, name, note));
                    if !made.contains(&trigger.function) {
                        functions.insert(trigger.function.clone());
                    }
                }
            }
        }
        for name in functions {
            let note = "no file mentions it".to_owned();
            self.findings
                .push(Finding::extra(Subject::Function, name, note));
        }
    }

    async fn find(&mut self, part: &Part<'_>, name: &super::script::Name) -> Result<Table, Error> {
        let found = Table::find(self.connection, name).await;
        let found = found.map_err(|source| part.refused(&source))?;
        found.ok_or_else(|| Error::Unknown {
            at: part.place(),
            what: format!("there is no table {name}"),
            mend: "name a table of this database, with its schema".to_owned(),
        })
    }

    async fn run(&mut self, part: &Part<'_>) -> Result<(), Error> {
        let outcome = run(self.connection, part.statement.text).await;
        outcome.map_err(|source| part.refused(&source))
    }

    fn push(
        &mut self,
        part: &Part<'_>,
        subject: Subject,
        name: String,
        state: State,
        sql: Vec<String>,
    ) -> &mut Finding {
        self.findings.push(finding(part, subject, name, state, sql));
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }
}

fn finding(
    part: &Part<'_>,
    subject: Subject,
    name: String,
    state: State,
    sql: Vec<String>,
) -> Finding {
    Finding {
        subject,
        name,
        state,
        file: Some(part.file.name().to_owned()),
        line: Some(part.statement.line),
        notes: Vec::new(),
        diff: None,
        sql,
    }
}

/// One trigger on one table.
fn compare_trigger(
    part: &Part<'_>,
    trigger: &Trigger,
    table: &Table,
    installed: Option<&InstalledTrigger>,
    wanted: &str,
    says: Option<char>,
) -> Finding {
    let name = format!("{} on {}", trigger.name, table.name);
    let mut create = part.statement.with(&trigger.table_span, &table.name);
    let Some(installed) = installed else {
        return finding(part, Subject::Trigger, name, State::Missing, vec![create]);
    };
    let mut found = finding(part, Subject::Trigger, name, State::Same, vec![]);
    if installed.definition != wanted {
        if !trigger.replaces && !trigger.is_constraint {
            create.insert_str(trigger.after_create, "or replace ");
        }
        found.state = State::Changed;
        found.diff = Some(text_diff(
            &format!("{}\n", installed.definition),
            &format!("{wanted}\n"),
            part.file.name(),
        ));
        found.sql.push(create);
        // Replacing a trigger forgets who fires it.
        if let Some(firing) = firing_sql(&installed.enabled, trigger, table) {
            found.sql.push(firing);
        }
    }
    let wanted = says.unwrap_or('O').to_string();
    if installed.enabled != wanted {
        found.state = State::Changed;
        found
            .notes
            .push(firing_note(&installed.enabled, says, trigger, table));
    }
    found
}

fn firing_sql(enabled: &str, trigger: &Trigger, table: &Table) -> Option<String> {
    let how = match enabled {
        "D" => "disable",
        "A" => "enable always",
        "R" => "enable replica",
        _ => return None,
    };
    let name = super::script::quoted(&trigger.name);
    Some(format!("alter table {} {how} trigger {name};", table.name))
}

fn firing_note(enabled: &str, says: Option<char>, trigger: &Trigger, table: &Table) -> String {
    let name = super::script::quoted(&trigger.name);
    let table = &table.name;
    match (enabled, says) {
        ("D", _) => format!(
            "IS DISABLED in the database and stays so: changes are told to nobody; to enable it: \
             alter table {table} enable trigger {name};"
        ),
        (_, Some(_)) => "the file says which sessions fire it, the database another".to_owned(),
        (how, None) => format!(
            "the database has it as ENABLE {}, of which the file says nothing; it stays so",
            if how == "A" { "ALWAYS" } else { "REPLICA" }
        ),
    }
}

/// What differs beside the definition.
fn differences(old: &InstalledFunction, new: &InstalledFunction) -> Vec<String> {
    let pairs = [
        ("owner", &old.owner, &new.owner),
        ("rights", &old.rights, &new.rights),
        ("comment", &old.comment, &new.comment),
    ];
    let differing = pairs.iter().filter(|(_, old, new)| old != new);
    let say = |(what, old, new): &(&str, &String, &String)| {
        format!("{what}: {old:?} in the database, {new:?} by the file")
    };
    differing.map(say).collect()
}

/// The first words of a statement.
fn gist(sql: &str) -> String {
    const LENGTH: usize = 70;
    let words = sql
        .trim_end_matches(';')
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    match words.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{} …", words[..end].trim_end()),
        None => words,
    }
}
