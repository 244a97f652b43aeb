//! Edited trigger files, tried before the statement in the same transaction.

use sqlx::PgConnection;

use super::refused;
use crate::install::{
    Error, SqlFile,
    triggers::script::{Event, Firing, Function, Kind, Level, Script, Statement, Timing, Trigger},
};

/// What a file did when it was tried.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    /// The file.
    pub file: String,
    /// Functions that are not as they are in the database.
    pub changed: Vec<String>,
    /// Triggers that are not as they are in the database. Making them locked their tables until the end
    /// of the trace.
    pub locked_for: Vec<String>,
}

/// Runs the statements of a file, except for triggers that are there already: making them again would
/// lock their tables for nothing.
pub(super) async fn try_file(
    connection: &mut PgConnection,
    file: &SqlFile,
) -> Result<Tried, Error> {
    let script = Script::parse(file);
    let mut tried = Tried {
        file: file.name().to_owned(),
        ..Tried::default()
    };
    for statement in script.statements.iter().filter(|one| !one.is_empty()) {
        let at = format!("{}:{}", file.name(), statement.line);
        let outcome = try_statement(connection, statement, &mut tried).await;
        outcome.map_err(|source| match source {
            Some(source) => refused(&at, &source),
            None => Error::Refused {
                at,
                reason: "a trigger file must not contain begin, commit or rollback".into(),
            },
        })?;
    }
    Ok(tried)
}

/// Fails without a cause for what would end the transaction.
async fn try_statement(
    connection: &mut PgConnection,
    statement: &Statement<'_>,
    tried: &mut Tried,
) -> Result<(), Option<sqlx::Error>> {
    match &statement.kind {
        Kind::Transaction => return Err(None),
        Kind::Trigger(trigger) if is_there(connection, trigger).await? => return Ok(()),
        Kind::Firing(firing) if fires_so(connection, firing).await? => return Ok(()),
        Kind::Trigger(trigger) => {
            let name = format!("{} on {}", trigger.name, trigger.table.name);
            tried.locked_for.push(name);
        }
        Kind::Firing(firing) => {
            let name = format!("{} on {}", firing.trigger, firing.table.name);
            tried.locked_for.push(name);
        }
        Kind::Function(function) => {
            let before = definition(connection, function).await?;
            super::query(statement.text)
                .execute(&mut *connection)
                .await?;
            if definition(connection, function).await? != before {
                tried.changed.push(function.name.name.clone());
            }
            return Ok(());
        }
        Kind::Catalogue | Kind::Other => {}
    }
    super::query(statement.text).execute(connection).await?;
    Ok(())
}

async fn definition(
    connection: &mut PgConnection,
    function: &Function,
) -> Result<Option<String>, sqlx::Error> {
    let sql = "select string_agg(pg_get_functiondef(oid), '' order by oid) from pg_proc
                where proname = $1 and prokind in ('f', 'p')
                  and ($2::text is null or pronamespace = to_regnamespace($2))";
    let schema = function.name.schema.as_ref();
    let schema = schema.map(|schema| format!("\"{}\"", schema.replace('"', "\"\"")));
    sqlx::query_scalar(sql)
        .persistent(false)
        .bind(&function.name.name)
        .bind(schema)
        .fetch_one(connection)
        .await
}

/// Whether the trigger exists as its statement would make it. One that has more to it than the trigger
/// files of pgbell use counts as another one.
async fn is_there(connection: &mut PgConnection, trigger: &Trigger) -> Result<bool, sqlx::Error> {
    let Some(kind) = kind(trigger) else {
        return Ok(false);
    };
    let sql = "select exists (
                   select from pg_trigger
                    where tgrelid = to_regclass($1) and tgname = $2 and not tgisinternal and tgtype = $3
                      and tgfoid = to_regproc($4) and coalesce(tgoldtable, '') = $5 and coalesce(tgnewtable, '') = $6
                      and tgqual is null and tgconstraint = 0 and tgnargs = 0 and cardinality(tgattr::int2[]) = 0)";
    sqlx::query_scalar(sql)
        .persistent(false)
        .bind(trigger.table.to_string())
        .bind(&trigger.name)
        .bind(kind)
        .bind(trigger.function.to_string())
        .bind(trigger.old_table.as_deref().unwrap_or_default())
        .bind(trigger.new_table.as_deref().unwrap_or_default())
        .fetch_one(connection)
        .await
}

/// As `pg_trigger.tgtype` has it; `None` for a trigger that is told from others by more.
fn kind(trigger: &Trigger) -> Option<i16> {
    if trigger.has_condition || trigger.is_constraint {
        return None;
    }
    let level = match trigger.level {
        Level::Row => 1,
        Level::Statement => 0,
    };
    let timing = match trigger.timing {
        Timing::Before => 2,
        Timing::After => 0,
        Timing::InsteadOf => 64,
    };
    let events = trigger.events.iter().map(|event| match event {
        Event::Insert => Some(4),
        Event::Delete => Some(8),
        Event::Update(columns) => columns.is_empty().then_some(16),
        Event::Truncate => Some(32),
    });
    let events: Option<i16> = events.sum();
    Some(level + timing + events?)
}

async fn fires_so(connection: &mut PgConnection, firing: &Firing) -> Result<bool, sqlx::Error> {
    let sql = "select exists (select from pg_trigger
                               where tgrelid = to_regclass($1) and tgname = $2 and tgenabled::text = $3)";
    sqlx::query_scalar(sql)
        .persistent(false)
        .bind(firing.table.to_string())
        .bind(&firing.trigger)
        .bind(firing.fires.code().to_string())
        .fetch_one(connection)
        .await
}
