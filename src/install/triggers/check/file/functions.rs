//! What a file says wrong about its functions: their bodies, and with whose rights they run.

use super::{Files, outside};
use crate::install::triggers::{
    check::{
        body,
        problem::{Code, Problem},
        words::Words,
    },
    parts::Part,
    script::{Function, Name},
};

/// What nobody but a superuser can put anything into; `pg_temp` only where it comes last.
const SAFE_SCHEMAS: [&str; 3] = ["pg_catalog", "pg_temp", ""];

impl Files<'_> {
    pub(super) fn function(&self, part: &Part<'_>, function: &Function) -> Vec<Problem> {
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
