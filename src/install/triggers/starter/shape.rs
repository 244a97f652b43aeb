//! A table as the live catalogue describes it, for a starter file.

use sqlx::PgConnection;

use crate::install::{
    Error,
    query::{query_as, query_scalar},
};

/// Names this close to one that does not exist are worth a guess.
const MOST_LETTERS_WRONG: usize = 3;

/// What a starter file is made from.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// Unquoted.
    pub(super) schema: String,
    /// Unquoted.
    pub(super) name: String,
    /// Schema and name, quoted where they must be.
    pub(super) quoted: String,
    /// In the order of the table, without dropped ones.
    pub(super) columns: Vec<Column>,
    /// Names of the columns that tell rows apart.
    pub(super) key: Vec<String>,
    pub(super) references: Vec<Reference>,
    pub(super) partitioned: bool,
    /// Eight letters that are this table's alone.
    pub(super) digest: String,
    /// Whether triggers of another table use the functions this one would call its own.
    pub(super) stems_taken: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Column {
    /// Unquoted.
    pub(super) name: String,
    /// Quoted where it must be.
    pub(super) quoted: String,
    /// As Postgres writes it, with its length: `character varying(40)`.
    pub(super) written: String,
    /// The name of the type below all domains, `int8`; arrays begin with `_`.
    pub(super) base: String,
    /// `b` for base types, `e` for enums, `c` for composite ones, and so on.
    pub(super) class: String,
    pub(super) is_domain: bool,
    /// The type is part of Postgres and can be compared by `=`.
    pub(super) comparable: bool,
    /// `s` for stored, `v` for virtual generated columns.
    pub(super) generated: String,
}

/// One foreign key.
#[derive(Clone, Debug, Default)]
pub(super) struct Reference {
    /// The referencing columns, in the order of the other table's key.
    pub(super) columns: Vec<String>,
    /// Name of the other table, without its schema.
    pub(super) table: String,
    /// Whether they reference the primary key of the other table, and so name a row of it.
    pub(super) by_key: bool,
}

impl Table {
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Reads the table that `name` means: an exact name, or one as it would stand in a statement.
    pub(super) async fn read(connection: &mut PgConnection, name: &str) -> Result<Self, Error> {
        let (oid, table) = Self::find(connection, name).await?;
        Ok(Self {
            columns: columns(connection, oid).await?,
            key: key(connection, oid).await?,
            references: references(connection, oid).await?,
            stems_taken: stems_taken(connection, oid).await?,
            ..table
        })
    }

    async fn find(connection: &mut PgConnection, name: &str) -> Result<(i64, Self), Error> {
        let found: Option<i64> = query_scalar(EXACT)
            .bind(name)
            .fetch_optional(&mut *connection)
            .await
            .map_err(|source| Error::statement("look for the table", &source))?;
        let oid = match found {
            Some(oid) => Some(oid),
            None => as_written(connection, name).await,
        };
        let Some(oid) = oid else {
            return Err(missing(connection, name).await);
        };
        let (schema, table, quoted, kind, parent, digest) =
            query_as::<(String, String, String, String, Option<String>, String)>(BY_OID)
                .bind(oid)
                .fetch_one(&mut *connection)
                .await
                .map_err(|source| Error::statement("look at the table", &source))?;
        let unfit = |reason: String| Error::UnfitTable {
            table: quoted.clone(),
            reason,
        };
        if schema == "pgbell" || schema == "pg_catalog" || schema == "information_schema" {
            return Err(unfit("is not a table of an application".into()));
        }
        match kind.as_str() {
            "r" | "p" => {}
            "v" | "m" => {
                let reason = "is a view; watch the tables it reads";
                return Err(unfit(reason.into()));
            }
            _ => return Err(unfit("is not a table that triggers can watch".into())),
        }
        if let Some(parent) = parent {
            let reason = format!(
                "is a partition of {parent}; make a file for that one: \
                 `pgbell triggers apply` gives every partition its triggers"
            );
            return Err(unfit(reason));
        }
        let table = Self {
            schema,
            name: table,
            quoted: quoted.clone(),
            partitioned: kind == "p",
            digest,
            ..Self::default()
        };
        Ok((oid, table))
    }
}

const EXACT: &str = "select c.oid::bigint
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_(toast|temp)'
   and (n.nspname || '.' || c.relname = $1 or c.relname = $1)
 order by n.nspname || '.' || c.relname = $1 desc, pg_table_is_visible(c.oid) desc, n.nspname
 limit 1";

const BY_OID: &str = "select n.nspname::text, c.relname::text,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind::text,
       case when c.relispartition
            then (select inhparent::regclass::text from pg_inherits where inhrelid = c.oid) end,
       substr(md5(n.nspname || '.' || c.relname), 1, 8)
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
 where c.oid = $1::oid";

/// A type is comparable if it and what it is made of are part of Postgres, because trigger functions
/// see no other operators. What is made of other types is compared as text to be safe.
const COLUMNS: &str = "with recursive base as (
    select attnum, attname, atttypid, atttypmod, attgenerated, atttypid as type
      from pg_attribute where attrelid = $1::oid and attnum > 0 and not attisdropped
    union all
    select attnum, attname, atttypid, atttypmod, attgenerated, typbasetype
      from base join pg_type on pg_type.oid = type where typtype = 'd'
)
select attname::text, quote_ident(attname), format_type(atttypid, atttypmod), t.typname::text,
       t.typtype::text, atttypid <> type,
       t.typtype = 'e'
       or exists (select from pg_opclass join pg_am on pg_am.oid = opcmethod
                   where opcintype = case when t.typname = 'varchar' then 'text'::regtype::oid else t.oid end
                     and opcdefault and amname = 'btree'
                     and opcnamespace = 'pg_catalog'::regnamespace)
       or exists (select from pg_opclass join pg_am on pg_am.oid = opcmethod
                   where t.typcategory = 'A' and opcintype = t.typelem
                     and opcdefault and amname = 'btree'
                     and opcnamespace = 'pg_catalog'::regnamespace),
       attgenerated::text
  from base join pg_type as t on t.oid = type
 where t.typtype <> 'd'
 order by attnum";

/// The primary key, or else a unique key that no row can lack.
const KEY: &str = "select array(
    select attname::text
      from unnest(indkey::int2[]) with ordinality as part (number, place)
      join pg_attribute on attrelid = indrelid and attnum = number
     where place <= indnkeyatts
     order by place)
  from pg_index
 where indrelid = $1::oid and indisunique and indisvalid and indimmediate
   and indpred is null and indexprs is null
   and (indisprimary or not exists (
        select from unnest(indkey::int2[]) as part (number)
          join pg_attribute on attrelid = indrelid and attnum = number
         where not attnotnull))
 order by indisprimary desc, indisreplident desc, indnkeyatts, indexrelid
 limit 1";

const REFERENCES: &str = "select array(
    select here.attname::text
      from unnest(conkey, confkey) with ordinality as pair (mine, theirs, place)
      join pg_attribute as here on here.attrelid = conrelid and here.attnum = mine
     order by array_position(pk.indkey::int2[], theirs), place),
       relname::text,
       coalesce(confkey @> pk.indkey::int2[] and confkey <@ pk.indkey::int2[], false)
  from pg_constraint
  join pg_class on pg_class.oid = confrelid
  left join pg_index as pk on pk.indrelid = confrelid and pk.indisprimary
 where conrelid = $1::oid and contype = 'f' and conparentid = 0
 order by conkey";

const STEMS_TAKEN: &str = "select distinct regexp_replace(proname, '_(inserted|updated|deleted|truncated|replicated|replica_truncated)$', '')
  from pg_trigger join pg_proc on pg_proc.oid = tgfoid
 where pronamespace::regnamespace::text = 'pgbell' and tgrelid <> $1::oid
   and not exists (select from pg_inherits where inhrelid = tgrelid and inhparent = $1::oid)";

async fn columns(connection: &mut PgConnection, oid: i64) -> Result<Vec<Column>, Error> {
    type Row = (String, String, String, String, String, bool, bool, String);
    let rows: Vec<Row> = query_as(COLUMNS)
        .bind(oid)
        .fetch_all(connection)
        .await
        .map_err(|source| Error::statement("look at the columns", &source))?;
    let column = |(name, quoted, written, base, class, is_domain, comparable, generated)| Column {
        name,
        quoted,
        written,
        base,
        class,
        is_domain,
        comparable,
        generated,
    };
    Ok(rows.into_iter().map(column).collect())
}

async fn key(connection: &mut PgConnection, oid: i64) -> Result<Vec<String>, Error> {
    query_scalar(KEY)
        .bind(oid)
        .fetch_optional(connection)
        .await
        .map(Option::unwrap_or_default)
        .map_err(|source| Error::statement("look at the keys", &source))
}

async fn references(connection: &mut PgConnection, oid: i64) -> Result<Vec<Reference>, Error> {
    let rows: Vec<(Vec<String>, String, bool)> = query_as(REFERENCES)
        .bind(oid)
        .fetch_all(connection)
        .await
        .map_err(|source| Error::statement("look at the foreign keys", &source))?;
    let reference = |(columns, table, by_key)| Reference {
        columns,
        table,
        by_key,
    };
    Ok(rows.into_iter().map(reference).collect())
}

async fn stems_taken(connection: &mut PgConnection, oid: i64) -> Result<Vec<String>, Error> {
    query_scalar(STEMS_TAKEN)
        .bind(oid)
        .fetch_all(connection)
        .await
        .map_err(|source| Error::statement("look at other triggers", &source))
}

/// What Postgres makes of the name, with folding and quotes.
async fn as_written(connection: &mut PgConnection, name: &str) -> Option<i64> {
    let found: Result<Option<i64>, _> = query_scalar("select to_regclass($1)::oid::bigint")
        .bind(name)
        .fetch_one(connection)
        .await;
    found.ok().flatten()
}

async fn missing(connection: &mut PgConnection, name: &str) -> Error {
    let tables: Vec<String> = query_scalar(
        "select oid::regclass::text from pg_class
          where relkind in ('r', 'p') and not relispartition
            and relnamespace::regnamespace::text !~ '^(pg_|information_schema$|pgbell$)'",
    )
    .fetch_all(connection)
    .await
    .unwrap_or_default();
    let near = tables
        .into_iter()
        .map(|table| (strsim::damerau_levenshtein(name, &table), table))
        .min()
        .filter(|(distance, _)| *distance <= MOST_LETTERS_WRONG);
    Error::NoTable {
        name: name.to_owned(),
        hint: near.map_or_else(String::new, |(_, table)| format!("; did you mean {table}?")),
    }
}
