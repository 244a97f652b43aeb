//! Takes triggers off business tables, with what only they needed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    apply::{NOTE_APPLIED, note_applied},
    installed::{self, FUNCTION_NAME},
    parts::{Part, parts},
    script::{Kind, Script, Trigger, quoted},
    shadow::run,
    table::Table,
    uses::{Source, mentions, reachable, unused},
};
use crate::install::{
    Error, SqlFile,
    assets::{CORE, MIGRATIONS},
    script,
    session::{Session, commit, retrying},
};

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
    retrying(async || {
        let mut session = Session::open(url).await?;
        let mut transaction = session.begin().await?;
        let removals = plan(&mut transaction, targets).await?;
        for Removal { what, sql } in &removals {
            let outcome = run(&mut transaction, sql).await;
            outcome.map_err(|source| Error::statement(&format!("remove {what}"), &source))?;
        }
        note_applied(&mut transaction).await?;
        commit(transaction).await?;
        Ok(removals)
    })
    .await
}

/// The SQL that [`remove`] would run now.
pub async fn remove_script(url: &str, targets: &[Target]) -> Result<String, Error> {
    retrying(async || {
        let mut session = Session::open(url).await?;
        let mut transaction = session.begin().await?;
        let removals = plan(&mut transaction, targets).await?;
        let statements: String = removals
            .iter()
            .map(|one| format!("{}\n", one.sql))
            .collect();
        Ok(format!(
            "{}{statements}\n{NOTE_APPLIED}\n\ncommit;\n",
            script::begin()
        ))
    })
    .await
}

async fn plan(connection: &mut PgConnection, targets: &[Target]) -> Result<Vec<Removal>, Error> {
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
    removals.extend(rights(connection, &texts).await.map_err(failed)?);
    removals.extend(moments(connection, &texts).await.map_err(failed)?);
    Ok(removals)
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

/// Texts by whether they will be there afterwards.
struct Texts {
    gone: Vec<String>,
    kept: Vec<String>,
}

impl Texts {
    fn only_gone(&self, says: impl Fn(&String) -> bool) -> bool {
        self.gone.iter().any(&says) && !self.kept.iter().any(&says)
    }
}

fn trigger((table, trigger): &(String, String)) -> Removal {
    Removal {
        what: format!("trigger {trigger} on {table}"),
        sql: format!("drop trigger {} on {table};", quoted(trigger)),
    }
}

/// The functions of these schemas and of pgbell's, and those elsewhere that mention pgbell.
async fn functions(
    connection: &mut PgConnection,
    schemas: &BTreeSet<String>,
) -> Result<BTreeMap<String, Source>, sqlx::Error> {
    let core = core_functions();
    let schemas: Vec<_> = schemas
        .iter()
        .cloned()
        .chain(["pgbell".to_owned()])
        .collect();
    let query = format!(
        "select {FUNCTION_NAME}, fn.nspname::text, p.proname::text, pg_get_functiondef(p.oid)
           from pg_proc as p join pg_namespace as fn on fn.oid = p.pronamespace
          where p.prokind in ('f', 'p')
            and (fn.nspname = any($1) or p.oid >= 16384 and strpos(p.prosrc, 'pgbell.') > 0)"
    );
    let rows: Vec<(String, String, String, String)> = sqlx::query_as(AssertSqlSafe(query))
        .bind(schemas)
        .fetch_all(connection)
        .await?;
    let functions = rows.into_iter().map(|(key, schema, name, text)| {
        let is_core = schema == "pgbell" && core.contains(&name);
        let source = Source {
            schema,
            name,
            text,
            is_core,
        };
        (key, source)
    });
    Ok(functions.collect())
}

/// The names of the functions that pgbell itself brings.
fn core_functions() -> BTreeSet<String> {
    let migrations = MIGRATIONS.iter().map(|migration| &migration.file);
    let statements = CORE
        .iter()
        .chain(migrations)
        .flat_map(|file| Script::parse(file).statements);
    let name = |kind| match kind {
        Kind::Function(function) => Some(function.name.name),
        _ => None,
    };
    statements
        .filter_map(|statement| name(statement.kind))
        .collect()
}

/// The functions that other triggers call.
async fn called_elsewhere(
    connection: &mut PgConnection,
    going: &BTreeSet<(String, String)>,
) -> Result<BTreeSet<String>, sqlx::Error> {
    let query = format!(
        "select {FUNCTION_NAME}, coalesce(quote_ident(n.nspname) || '.' || quote_ident(c.relname), ''),
                used.name
           from (select tgfoid, tgrelid, tgname::text from pg_trigger
                  where not tgisinternal and tgparentid = 0
                 union all select evtfoid, 0, evtname::text from pg_event_trigger
                ) as used (function, relation, name)
           join pg_proc as p on p.oid = used.function
           join pg_namespace as fn on fn.oid = p.pronamespace
           left join pg_class as c on c.oid = used.relation
           left join pg_namespace as n on n.oid = c.relnamespace"
    );
    let rows: Vec<(String, String, String)> = sqlx::query_as(AssertSqlSafe(query))
        .fetch_all(connection)
        .await?;
    let stays = |(function, table, trigger): (String, String, String)| {
        (!going.contains(&(table, trigger))).then_some(function)
    };
    Ok(rows.into_iter().filter_map(stays).collect())
}

/// What the owner of the functions may read in tables that only they read.
async fn rights(connection: &mut PgConnection, texts: &Texts) -> Result<Vec<Removal>, sqlx::Error> {
    let granted: Vec<(String, String)> = sqlx::query_as(
        "select distinct format('%I.%I', n.nspname, c.relname), c.relname::text
           from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
           join pg_roles as owner on owner.rolname = 'pgbell_owner'
           left join pg_attribute as a on a.attrelid = c.oid and a.attacl is not null
          where n.nspname <> 'pgbell' and c.relowner <> owner.oid
            and (exists (select from aclexplode(c.relacl) where grantee = owner.oid)
                 or exists (select from aclexplode(a.attacl) where grantee = owner.oid))
          order by 1",
    )
    .fetch_all(connection)
    .await?;
    let is_done_with =
        |(_, table): &(String, String)| texts.only_gone(|text| mentions(text, table));
    let revoke = |(name, _): (String, String)| Removal {
        what: format!("rights of pgbell_owner on {name}"),
        sql: format!("revoke all on {name} from pgbell_owner;"),
    };
    Ok(granted
        .into_iter()
        .filter(is_done_with)
        .map(revoke)
        .collect())
}

/// What was going to happen by itself to things that only these functions schedule.
async fn moments(
    connection: &mut PgConnection,
    texts: &Texts,
) -> Result<Vec<Removal>, sqlx::Error> {
    let scheduled: Vec<(String, i64, String)> = sqlx::query_as(
        "select entity, count(*), quote_literal(entity)
           from pgbell.schedule where entity is not null group by entity order by entity",
    )
    .fetch_all(connection)
    .await?;
    let is_done_with = |(_, _, literal): &(String, i64, String)| {
        texts.only_gone(|text| text.contains("pgbell.schedule") && text.contains(literal.as_str()))
    };
    let delete = |(entity, count, literal): (String, i64, String)| Removal {
        what: format!("{count} scheduled moments of {entity}"),
        sql: format!("delete from pgbell.schedule where entity = {literal};"),
    };
    Ok(scheduled
        .into_iter()
        .filter(is_done_with)
        .map(delete)
        .collect())
}
