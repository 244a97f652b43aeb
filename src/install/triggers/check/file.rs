//! What a file says that is wrong whatever the database is. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    body, names,
    problem::{Code, Problem},
    words::Words,
};
use crate::{
    catalogue::Catalogue,
    install::triggers::{
        parts::Part,
        script::{Event, Fires, Function, Kind, Level, Name, Timing, Trigger},
    },
};

/// Names of transition tables, also where a trigger has forgotten them.
const USUAL: [&str; 2] = ["old_rows", "new_rows"];

/// What nobody but a superuser can put anything into; `pg_temp` only where it comes last.
const SAFE_SCHEMAS: [&str; 3] = ["pg_catalog", "pg_temp", ""];

/// Everything that is wrong with these statements.
pub(super) fn problems(parts: &[Part<'_>], catalogue: &Catalogue) -> Vec<Problem> {
    let files = Files::read(parts);
    let mut found = Vec::new();
    for part in parts {
        match &part.statement.kind {
            Kind::Transaction => found.push(
                Problem::new(
                    Code::Transaction,
                    "this would end the transaction that all files share",
                    "take begin, commit and rollback out",
                )
                .at(part.file.name(), part.statement.line),
            ),
            Kind::Function(function) => found.extend(files.function(part, function)),
            Kind::Trigger(trigger) => found.extend(files.trigger(part, trigger)),
            Kind::Other => found.extend(not_understood(part)),
            Kind::Firing(_) | Kind::Catalogue => {}
        }
        found.extend(
            named(part, catalogue).map(|problem| match files.table_of(part) {
                Some(table) => problem.about(table),
                None => problem,
            }),
        );
    }
    found.extend(files.without_truncate(parts));
    found
}

/// What the statements say about each other.
struct Files<'a> {
    /// The triggers that call a function, by its name without schema.
    triggers: BTreeMap<&'a str, Vec<&'a Trigger>>,
    /// Functions that are given to `pgbell_owner`.
    owned: BTreeSet<String>,
    /// Functions that are taken from PUBLIC.
    revoked: BTreeSet<String>,
    /// Triggers that fire for what replication writes.
    for_replication: BTreeSet<&'a str>,
}

impl<'a> Files<'a> {
    fn read(parts: &'a [Part<'a>]) -> Self {
        let mut files = Self {
            triggers: BTreeMap::new(),
            owned: BTreeSet::new(),
            revoked: BTreeSet::new(),
            for_replication: BTreeSet::new(),
        };
        for part in parts {
            match &part.statement.kind {
                Kind::Trigger(trigger) => {
                    let name = trigger.function.name.as_str();
                    files.triggers.entry(name).or_default().push(trigger);
                }
                Kind::Firing(firing) if matches!(firing.fires, Fires::Replica | Fires::Always) => {
                    files.for_replication.insert(&firing.trigger);
                }
                Kind::Catalogue => files.catalogue(&Words::of(part.statement.text)),
                _ => {}
            }
        }
        files
    }

    fn catalogue(&mut self, words: &Words<'_>) {
        if words.are(0, &["alter", "function"])
            && words.find(&["owner", "to", "pgbell_owner"]).is_some()
        {
            self.owned.extend(function_names(words, 2));
        }
        let from_public = words.find(&["from", "public"]);
        if let (true, Some(end), Some(start)) =
            (words.is(0, "revoke"), from_public, words.find(&["on"]))
        {
            let names = function_names(words, start + 2);
            match words.are(start + 1, &["all", "functions", "in", "schema", "pgbell"]) {
                true => drop(self.revoked.insert("*".into())),
                false => self.revoked.extend(names.into_iter().take(end)),
            }
        }
    }

    fn function(&self, part: &Part<'_>, function: &Function) -> Vec<Problem> {
        let statement = &part.statement;
        let words = Words::of(statement.text);
        let mut found = Vec::new();
        let place =
            |problem: Problem, at: usize| problem.at(part.file.name(), statement.line_of(at));
        if words.find(&["returns", "trigger"]).is_some() {
            found.extend(
                self.rights(&function.name, &words)
                    .into_iter()
                    .map(|problem| place(problem, 0)),
            );
        }
        if let Some(span) = &function.body {
            let body = &statement.text[span.clone()];
            let problems = body::problems(body, &self.transition_tables(&function.name.name));
            found.extend(
                problems
                    .into_iter()
                    .map(|(at, problem)| place(problem, span.start + at)),
            );
        }
        match self.table_of(part) {
            Some(table) => found
                .into_iter()
                .map(|problem| problem.about(&table))
                .collect(),
            None => found,
        }
    }

    /// Who may run a trigger function, as whom, and what its names mean then.
    fn rights(&self, name: &Name, words: &Words<'_>) -> Vec<Problem> {
        let mut found = Vec::new();
        if name.schema.as_deref() != Some("pgbell") {
            found.push(outside(name));
            return found;
        }
        let full = format!("pgbell.{}", name.name);
        if words.find(&["security", "definer"]).is_none() {
            found.push(Problem::new(
                Code::SecurityInvoker,
                format!(
                    "{full} runs with the rights of whoever writes, who has none on schema pgbell"
                ),
                "say security definer",
            ));
        }
        if let Err(message) = search_path(words) {
            let mend = "say set search_path = pg_catalog, pg_temp";
            found.push(Problem::new(
                Code::SearchPath,
                format!("{full} {message}"),
                mend,
            ));
        }
        if !self.owned.contains(&name.name) {
            found.push(Problem::new(
                Code::Owner,
                format!("{full} belongs to whoever applies the file, and runs with all of that role's rights"),
                format!("say alter function {full}() owner to pgbell_owner;"),
            ));
        }
        if !self.revoked.contains(&name.name) && !self.revoked.contains("*") {
            found.push(Problem::new(
                Code::PublicExecute,
                format!("everybody may execute {full}, and so put it on tables of their own"),
                format!("say revoke all on function {full}() from public;"),
            ));
        }
        found
    }

    fn trigger(&self, part: &Part<'_>, trigger: &Trigger) -> Vec<Problem> {
        let name = &trigger.name;
        let mut found = Vec::new();
        if trigger.timing != Timing::After {
            found.push(Problem::new(
                Code::Timing,
                format!("{name} runs before the write, which may still become another or none"),
                "say after",
            ));
        } else if trigger.level == Level::Row && !self.for_replication.contains(name.as_str()) {
            found.push(Problem::new(
                Code::RowLevel,
                format!("{name} runs once for each row"),
                "say for each statement, with transition tables; or, for a table that logical replication writes \
                 to, alter table … enable replica trigger …",
            ));
        } else if trigger
            .events
            .iter()
            .any(|event| matches!(event, Event::Update(of) if !of.is_empty()))
        {
            found.push(Problem::new(
                Code::UpdateOfColumns,
                format!(
                    "{name} looks at the columns that a statement names, not at those that change"
                ),
                "say update, without columns, and compare the values in the function",
            ));
        } else if trigger.level == Level::Statement {
            found.extend(without_rows(trigger));
        }
        if trigger.function.schema.as_deref() != Some("pgbell") {
            found.push(outside(&trigger.function));
        }
        let place = |problem: Problem| {
            problem
                .at(part.file.name(), part.statement.line)
                .about(plain(&trigger.table))
        };
        found.into_iter().map(place).collect()
    }

    /// Tables whose TRUNCATE is told to nobody. One that is only added to may have been meant so.
    fn without_truncate(&self, parts: &[Part<'_>]) -> Vec<Problem> {
        let mut tables: BTreeMap<String, (&Part<'_>, bool, bool)> = BTreeMap::new();
        for part in parts {
            if let Kind::Trigger(trigger) = &part.statement.kind {
                let has = |wanted: fn(&Event) -> bool| trigger.events.iter().any(wanted);
                let entry = tables
                    .entry(plain(&trigger.table))
                    .or_insert((part, false, false));
                entry.1 |= has(|event| matches!(event, Event::Update(_) | Event::Delete));
                entry.2 |= has(|event| *event == Event::Truncate);
            }
        }
        let problem = |(table, (part, ..)): (String, (&Part<'_>, bool, bool))| {
            Problem::new(
                Code::NoTruncate,
                "TRUNCATE is told to nobody",
                format!(
                    "add a trigger after truncate on {table}, which writes one row with id '*'"
                ),
            )
            .at(part.file.name(), part.statement.line)
            .about(table)
        };
        let lacking = tables
            .into_iter()
            .filter(|(_, (_, goes, has))| *goes && !has);
        lacking.map(problem).collect()
    }

    fn transition_tables(&self, function: &str) -> BTreeSet<String> {
        let of = |trigger: &&Trigger| [trigger.old_table.clone(), trigger.new_table.clone()];
        let callers = self.triggers.get(function).into_iter().flatten();
        callers
            .flat_map(of)
            .flatten()
            .chain(USUAL.map(str::to_owned))
            .collect()
    }

    /// The table that a statement is about.
    fn table_of(&self, part: &Part<'_>) -> Option<String> {
        match &part.statement.kind {
            Kind::Trigger(trigger) => Some(plain(&trigger.table)),
            Kind::Firing(firing) => Some(plain(&firing.table)),
            Kind::Function(function) => {
                let callers = self.triggers.get(function.name.name.as_str())?;
                callers.first().map(|trigger| plain(&trigger.table))
            }
            _ => None,
        }
    }
}

/// A name as people read it.
pub(super) fn plain(name: &Name) -> String {
    match &name.schema {
        Some(schema) => format!("{schema}.{}", name.name),
        None => name.name.clone(),
    }
}

fn outside(name: &Name) -> Problem {
    Problem::new(
        Code::FunctionSchema,
        format!("trigger function {} is outside schema pgbell", plain(name)),
        format!(
            "call it pgbell.{}, so that uninstalling finds it",
            name.name
        ),
    )
}

fn without_rows(trigger: &Trigger) -> Option<Problem> {
    let needs_old = |event: &Event| matches!(event, Event::Update(_) | Event::Delete);
    let needs_new = |event: &Event| matches!(event, Event::Update(_) | Event::Insert);
    let lacks_old = trigger.old_table.is_none() && trigger.events.iter().any(needs_old);
    let lacks_new = trigger.new_table.is_none() && trigger.events.iter().any(needs_new);
    let lacking = match (lacks_old, lacks_new) {
        (false, false) => return None,
        (true, true) => "old table as old_rows new table as new_rows",
        (true, false) => "old table as old_rows",
        (false, true) => "new table as new_rows",
    };
    Some(Problem::new(
        Code::TransitionTables,
        format!("{} cannot tell which rows were written", trigger.name),
        format!("say referencing {lacking}"),
    ))
}

/// Functions named from a word on: `pgbell.a(), pgbell.b(int)`.
fn function_names(words: &Words<'_>, start: usize) -> Vec<String> {
    let opens = (start..words.len()).filter(|index| words.is(index + 1, "("));
    opens.filter_map(|index| words.name(index)).collect()
}

/// Why the search_path of a function is not safe.
fn search_path(words: &Words<'_>) -> Result<(), String> {
    let Some(set) = words.find(&["set", "search_path"]) else {
        return Err("looks names up in the search_path of whoever writes".into());
    };
    let mut schemas = Vec::new();
    let mut at = set + 3;
    loop {
        schemas.extend(
            words
                .string(at)
                .map(str::to_owned)
                .or_else(|| words.name(at)),
        );
        if !words.is(at + 1, ",") {
            break;
        }
        at += 2;
    }
    if let Some(open) = schemas
        .iter()
        .find(|schema| !SAFE_SCHEMAS.contains(&schema.as_str()))
    {
        return Err(format!(
            "looks names up in {open}, where others may put theirs"
        ));
    }
    match schemas.iter().position(|schema| schema == "pg_temp") {
        Some(place) if place + 1 < schemas.len() => {
            Err("looks names up among temporary tables first".into())
        }
        _ => Ok(()),
    }
}

/// A statement that begins like a trigger's and is none.
fn not_understood(part: &Part<'_>) -> Option<Problem> {
    let words = Words::of(part.statement.text);
    let is_trigger = words.are(0, &["create", "trigger"])
        || words.are(0, &["create", "or", "replace", "trigger"])
        || words.are(0, &["create", "constraint", "trigger"]);
    is_trigger.then(|| {
        Problem::new(
            Code::Syntax,
            "this is no trigger as Postgres writes them",
            "compare it with sql/triggers/products.sql",
        )
        .at(part.file.name(), part.statement.line)
    })
}

/// Unknown events and rooms, once for each statement.
fn named<'a>(part: &'a Part<'_>, catalogue: &Catalogue) -> impl Iterator<Item = Problem> + 'a {
    let (start, sql) = match &part.statement.kind {
        Kind::Function(Function {
            body: Some(span), ..
        }) => (span.start, &part.statement.text[span.clone()]),
        Kind::Function(_) | Kind::Other => (0, part.statement.text),
        _ => (0, ""),
    };
    let mut said = BTreeSet::new();
    let found = names::problems(sql, catalogue).into_iter();
    found.filter_map(move |(at, problem)| {
        let line = part.statement.line_of(start + at);
        said.insert(problem.message.clone())
            .then(|| problem.at(part.file.name(), line))
    })
}
