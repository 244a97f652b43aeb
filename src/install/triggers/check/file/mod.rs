//! What a file says that is wrong whatever the database is. Pure.

mod functions;
mod triggers;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    names,
    problem::{Code, Problem},
    words::Words,
};
use crate::{
    catalogue::Catalogue,
    install::triggers::{
        parts::Part,
        script::{Fires, Function, Kind, Name, Trigger},
    },
};

/// Names of transition tables, also where a trigger has forgotten them.
const USUAL: [&str; 2] = ["old_rows", "new_rows"];

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
                .on(part),
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
            Kind::Trigger(trigger) => Some(trigger.table.plain()),
            Kind::Firing(firing) => Some(firing.table.plain()),
            Kind::Function(function) => {
                let callers = self.triggers.get(function.name.name.as_str())?;
                callers.first().map(|trigger| trigger.table.plain())
            }
            _ => None,
        }
    }
}

/// Functions named from a word on: `pgbell.a(), pgbell.b(int)`.
fn function_names(words: &Words<'_>, start: usize) -> Vec<String> {
    let opens = (start..words.len()).filter(|index| words.is(index + 1, "("));
    opens.filter_map(|index| words.name(index)).collect()
}

fn outside(name: &Name) -> Problem {
    Problem::new(
        Code::FunctionSchema,
        format!("trigger function {} is outside schema pgbell", name.plain()),
        format!(
            "call it pgbell.{}, so that uninstalling finds it",
            name.name
        ),
    )
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
        .on(part)
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
