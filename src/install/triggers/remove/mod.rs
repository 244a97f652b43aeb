//! Takes triggers off business tables, with what only they needed.

mod needs;
mod uses;

use std::collections::BTreeSet;

use serde::Serialize;
use sqlx::PgConnection;

use super::{
    installed,
    parts::{Part, parts},
    record::Concerned,
    script::{Kind, Trigger, quoted},
    table::Table,
};
use crate::install::{
    Error, SqlFile,
    query::run,
    script,
    session::{committed, undone},
};
use needs::{Texts, called_elsewhere, functions, moments, policies, rights};
use uses::{Source, reachable, unused};

/// What is to be taken out.
#[derive(Clone, Debug)]
pub enum Target {
    /// All triggers of pgbell on this table and its partitions.
    Table(String),
    /// What this file makes.
    File(SqlFile),
}

/// One thing that goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Removal {
    /// What it is, for people.
    pub what: String,
    /// The statement that takes it out.
    pub sql: String,
}

/// Takes out triggers, then functions, rights and moments that nothing else needs: all or nothing.
/// Harmless to repeat.
pub async fn remove(url: &str, targets: &[Target]) -> Result<Vec<Removal>, Error> {
    committed(url, async |connection| {
        let (removals, concerned) = plan(connection, targets).await?;
        for Removal { what, sql } in &removals {
            let outcome = run(connection, sql).await;
            outcome.map_err(|source| Error::statement(&format!("remove {what}"), &source))?;
        }
        concerned.note(connection).await?;
        Ok(removals)
    })
    .await
}

/// The SQL that [`remove`] would run now.
pub async fn remove_script(url: &str, targets: &[Target]) -> Result<String, Error> {
    undone(url, async |connection| {
        let (removals, concerned) = plan(connection, targets).await?;
        let statements: String = removals
            .iter()
            .map(|one| format!("{}\n", one.sql))
            .collect();
        Ok(format!(
            "{}{statements}\n{}\n\ncommit;\n",
            script::begin(),
            concerned.record()
        ))
    })
    .await
}

/// What goes, and the tables it goes from.
async fn plan(
    connection: &mut PgConnection,
    targets: &[Target],
) -> Result<(Vec<Removal>, Concerned), Error> {
    let failed = |source| Error::statement("look at what is installed", &source);
    let mut going = Going::default();
    for target in targets {
        match target {
            Target::Table(name) => going.add_table(connection, name).await?,
            Target::File(file) => going.add_file(connection, file).await?,
        }
    }
    let functions = functions(connection, &going.schemas)
        .await
        .map_err(failed)?;
    let called = called_elsewhere(connection, &going.triggers)
        .await
        .map_err(failed)?;
    let helpers = reachable(going.functions_of_tables.clone(), &functions);
    let is_named = |(_, function): &(&String, &Source)| {
        let name = (function.schema.clone(), function.name.clone());
        going.names_of_files.contains(&name)
    };
    let named = functions
        .iter()
        .filter(is_named)
        .map(|(key, _)| key.clone());
    let candidates = helpers
        .into_iter()
        .chain(named)
        .chain(going.functions_of_files.iter().cloned())
        .collect();
    let unused = unused(&candidates, &called, &functions);
    let (gone, kept): (Vec<_>, Vec<_>) = functions
        .iter()
        .filter(|(_, function)| !function.is_core)
        .partition(|(key, _)| unused.contains(*key));
    let text = |of: Vec<(&String, &Source)>| of.iter().map(|(_, one)| one.text.clone()).collect();
    let texts = Texts {
        gone: [text(gone), going.texts].concat(),
        kept: text(kept),
    };

    let mut removals: Vec<_> = going.triggers.iter().map(trigger).collect();
    removals.extend(unused.iter().map(|key| Removal {
        what: format!("function {key}"),
        sql: format!("drop function {key};"),
    }));
    removals.extend(policies(connection, &texts).await.map_err(failed)?);
    removals.extend(rights(connection, &texts).await.map_err(failed)?);
    removals.extend(moments(connection, &texts).await.map_err(failed)?);
    let tables = going.triggers.iter().map(|(table, _)| table);
    Ok((removals, Concerned::tables(tables)))
}

/// What was asked for.
#[derive(Default)]
struct Going {
    /// Table and trigger.
    triggers: BTreeSet<(String, String)>,
    /// What the triggers of named tables call: they take along what only they need.
    functions_of_tables: BTreeSet<String>,
    /// What the triggers of files call.
    functions_of_files: BTreeSet<String>,
    /// Functions that files make, by schema and name.
    names_of_files: BTreeSet<(String, String)>,
    /// Where all these functions live.
    schemas: BTreeSet<String>,
    /// Statements of files that are no functions.
    texts: Vec<String>,
}

impl Going {
    async fn add_table(&mut self, connection: &mut PgConnection, name: &str) -> Result<(), Error> {
        let failed = |source| Error::statement(name, &source);
        let table = Table::named(connection, name).await.map_err(failed)?;
        let table = table.ok_or_else(|| Error::Unknown {
            at: name.to_owned(),
            what: "there is no such table, and no such file".to_owned(),
            mend: "name a table with its schema, or a trigger file".to_owned(),
        })?;
        for table in installed::tree(connection, &table).await.map_err(failed)? {
            let triggers = installed::triggers(connection, table.oid)
                .await
                .map_err(failed)?;
            for trigger in triggers.into_iter().filter(|trigger| trigger.is_ours) {
                self.triggers.insert((table.name.clone(), trigger.name));
                self.functions_of_tables.insert(trigger.function);
            }
        }
        Ok(())
    }

    async fn add_file(
        &mut self,
        connection: &mut PgConnection,
        file: &SqlFile,
    ) -> Result<(), Error> {
        for part in parts(std::slice::from_ref(file))? {
            match &part.statement.kind {
                Kind::Function(function) => {
                    let schema = function.name.schema.clone();
                    let schema = schema.unwrap_or_else(|| "public".to_owned());
                    let name = (schema.clone(), function.name.name.clone());
                    self.names_of_files.insert(name);
                    self.schemas.insert(schema);
                }
                Kind::Trigger(trigger) => {
                    self.add_trigger(connection, &part, trigger).await?;
                }
                _ => self.texts.push(part.statement.text.to_owned()),
            }
        }
        Ok(())
    }

    async fn add_trigger(
        &mut self,
        connection: &mut PgConnection,
        part: &Part<'_>,
        trigger: &Trigger,
    ) -> Result<(), Error> {
        let failed = |source| Error::statement(part.file.name(), &source);
        // A table that is gone took its triggers along.
        let Some(table) = Table::find(connection, &trigger.table)
            .await
            .map_err(failed)?
        else {
            return Ok(());
        };
        for table in installed::tree(connection, &table).await.map_err(failed)? {
            let triggers = installed::triggers(connection, table.oid)
                .await
                .map_err(failed)?;
            for found in triggers
                .into_iter()
                .filter(|found| found.name == trigger.name)
            {
                self.triggers.insert((table.name.clone(), found.name));
                self.functions_of_files.insert(found.function);
            }
        }
        Ok(())
    }
}

fn trigger((table, trigger): &(String, String)) -> Removal {
    Removal {
        what: format!("trigger {trigger} on {table}"),
        sql: format!("drop trigger {} on {table};", quoted(trigger)),
    }
}
