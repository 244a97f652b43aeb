//! What the database has: functions, triggers and rights, by content.

use std::collections::BTreeMap;

use sqlx::{PgConnection, postgres::types::Oid};

use super::{script::Fires, shadow::DEFINITION, table::Table};
use crate::install::query::{query_as, query_scalar};

/// A function by everything that a file can say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InstalledFunction {
    pub(super) definition: String,
    pub(super) owner: String,
    pub(super) rights: String,
    pub(super) comment: String,
}

/// A trigger on one table.
#[derive(Clone, Debug)]
pub(super) struct InstalledTrigger {
    pub(super) name: String,
    /// Without its table.
    pub(super) definition: String,
    pub(super) fires: Fires,
    /// As [`functions`] names it.
    pub(super) function: String,
    /// Whether its function is one of schema pgbell.
    pub(super) is_ours: bool,
}

/// How functions are named: with schema and types, the same for everybody.
pub(super) const FUNCTION_NAME: &str =
    "format('%I.%I(%s)', fn.nspname, p.proname, pg_get_function_identity_arguments(p.oid))";

/// All functions of these schemas, by name.
pub(super) async fn functions(
    connection: &mut PgConnection,
    schemas: &[String],
) -> Result<BTreeMap<String, InstalledFunction>, sqlx::Error> {
    let query = format!(
        "select {FUNCTION_NAME}, pg_get_functiondef(p.oid), pg_get_userbyid(p.proowner)::text,
                coalesce(p.proacl, acldefault('f', p.proowner))::text,
                coalesce(obj_description(p.oid, 'pg_proc'), '')
           from pg_proc as p join pg_namespace as fn on fn.oid = p.pronamespace
          where fn.nspname = any($1) and p.prokind in ('f', 'p')"
    );
    let rows: Vec<(String, String, String, String, String)> =
        query_as(&query).bind(schemas).fetch_all(connection).await?;
    let functions = rows
        .into_iter()
        .map(|(name, definition, owner, rights, comment)| {
            let function = InstalledFunction {
                definition,
                owner,
                rights,
                comment,
            };
            (name, function)
        });
    Ok(functions.collect())
}

/// The version of each function of this name, by the function's full name. Every `create or
/// replace` makes a new one.
pub(super) async fn versions(
    connection: &mut PgConnection,
    name: &str,
) -> Result<BTreeMap<String, String>, sqlx::Error> {
    let query = format!(
        "select {FUNCTION_NAME}, p.ctid::text
           from pg_proc as p join pg_namespace as fn on fn.oid = p.pronamespace
          where p.proname = $1"
    );
    let rows: Vec<(String, String)> = query_as(&query).bind(name).fetch_all(connection).await?;
    Ok(rows.into_iter().collect())
}

/// The triggers of a table, without those that belong to a trigger of its parent.
pub(super) async fn triggers(
    connection: &mut PgConnection,
    table: Oid,
) -> Result<Vec<InstalledTrigger>, sqlx::Error> {
    let query = format!(
        "select t.tgname::text, {DEFINITION}, t.tgenabled::text, {FUNCTION_NAME},
                fn.nspname = 'pgbell'
           from pg_trigger as t
           join pg_class as c on c.oid = t.tgrelid
           join pg_namespace as n on n.oid = c.relnamespace
           join pg_proc as p on p.oid = t.tgfoid
           join pg_namespace as fn on fn.oid = p.pronamespace
          where t.tgrelid = $1 and not t.tgisinternal and t.tgparentid = 0
          order by t.tgname"
    );
    let rows: Vec<(String, String, String, String, bool)> =
        query_as(&query).bind(table).fetch_all(connection).await?;
    let triggers = rows.into_iter().map(|row| {
        let (name, definition, enabled, function, is_ours) = row;
        InstalledTrigger {
            name,
            definition,
            fires: Fires::of(&enabled),
            function,
            is_ours,
        }
    });
    Ok(triggers.collect())
}

/// A digest of all rights, owners, function settings and comments: it changes when a statement such
/// as `grant` changes anything.
pub(super) async fn fingerprint(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    query_scalar(
        "select md5(string_agg(part, ' ' order by part)) from (
            select md5(string_agg(format('%s %s %s', oid, relowner, relacl), ' ' order by oid))
              from pg_class where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
            union all
            select md5(string_agg(format('%s %s %s', attrelid, attnum, attacl), ' ' order by attrelid, attnum))
              from pg_attribute where attacl is not null
            union all
            select md5(string_agg(format('%s %s %s', oid, nspowner, nspacl), ' ' order by oid))
              from pg_namespace
            union all
            select md5(string_agg(p::text, ' ' order by oid)) from pg_proc as p where oid >= 16384
            union all
            select md5(string_agg(d::text, ' ' order by classoid, objoid, objsubid))
              from pg_description as d where objoid >= 16384
            union all
            select md5(string_agg(m::text, ' ' order by roleid, member)) from pg_auth_members as m
        ) as parts (part)",
    )
    .fetch_one(connection)
    .await
}

/// A table and those that inherit from it.
pub(super) async fn tree(
    connection: &mut PgConnection,
    table: &Table,
) -> Result<Vec<Table>, sqlx::Error> {
    let mut tree = vec![table.clone()];
    tree.extend(table.children(connection).await?);
    Ok(tree)
}
