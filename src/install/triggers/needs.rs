//! Who needs what: functions, the rights they use, and what they have scheduled.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    installed::FUNCTION_NAME,
    remove::Removal,
    script::{Kind, Script},
    uses::{Source, mentions},
};
use crate::install::assets::{CORE, MIGRATIONS};

/// Texts by whether they will be there afterwards.
pub(super) struct Texts {
    pub(super) gone: Vec<String>,
    pub(super) kept: Vec<String>,
}

impl Texts {
    fn only_gone(&self, says: impl Fn(&String) -> bool) -> bool {
        self.gone.iter().any(&says) && !self.kept.iter().any(&says)
    }
}

/// The functions of these schemas and of pgbell's, and those elsewhere that mention pgbell.
pub(super) async fn functions(
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
pub(super) async fn called_elsewhere(
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
pub(super) async fn rights(
    connection: &mut PgConnection,
    texts: &Texts,
) -> Result<Vec<Removal>, sqlx::Error> {
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

/// The policies that let only the owner of the functions read, on tables that only they read.
pub(super) async fn policies(
    connection: &mut PgConnection,
    texts: &Texts,
) -> Result<Vec<Removal>, sqlx::Error> {
    let made: Vec<(String, String, String)> = sqlx::query_as(
        "select quote_ident(polname), format('%I.%I', n.nspname, c.relname), c.relname::text
           from pg_policy join pg_class as c on c.oid = polrelid
           join pg_namespace as n on n.oid = c.relnamespace
          where n.nspname <> 'pgbell'
            and polroles = (select array_agg(oid) from pg_roles where rolname = 'pgbell_owner')
          order by 2, 1",
    )
    .fetch_all(connection)
    .await?;
    let is_done_with =
        |(_, _, table): &(String, String, String)| texts.only_gone(|text| mentions(text, table));
    let drop = |(policy, table, _): (String, String, String)| Removal {
        what: format!("policy {policy} on {table}"),
        sql: format!("drop policy {policy} on {table};"),
    };
    Ok(made.into_iter().filter(is_done_with).map(drop).collect())
}

/// What was going to happen by itself to things that only these functions schedule.
pub(super) async fn moments(
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
