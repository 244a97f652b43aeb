//! Business tables, as the catalogue has them.

use sqlx::{PgConnection, postgres::types::Oid};

use super::script::Name;
use crate::install::query::query_as;

/// A table that a trigger watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::install) struct Table {
    pub(in crate::install) oid: Oid,
    /// Schema and name, in quotes where they need them.
    pub(in crate::install) name: String,
    /// Whether it is a partition: then row triggers of its parent are its own.
    pub(in crate::install) is_partition: bool,
}

/// As the queries below select it.
type Row = (Oid, String, bool);

impl From<Row> for Table {
    fn from((oid, name, is_partition): Row) -> Self {
        Self {
            oid,
            name,
            is_partition,
        }
    }
}

impl Table {
    /// The table that a file means, if there is one.
    pub(in crate::install) async fn find(
        connection: &mut PgConnection,
        name: &Name,
    ) -> Result<Option<Self>, sqlx::Error> {
        Self::named(connection, &name.to_string()).await
    }

    /// The table that somebody names as in SQL.
    pub(in crate::install) async fn named(
        connection: &mut PgConnection,
        name: &str,
    ) -> Result<Option<Self>, sqlx::Error> {
        let found: Option<Row> = query_as(
            "select c.oid, format('%I.%I', n.nspname, c.relname) as name,
                    c.relispartition as is_partition
               from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
              where c.oid = to_regclass($1)",
        )
        .bind(name)
        .fetch_optional(connection)
        .await?;
        Ok(found.map(Self::from))
    }

    /// Its partitions and inheriting tables, and theirs. Foreign ones cannot have such triggers.
    pub(in crate::install) async fn children(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Vec<Self>, sqlx::Error> {
        let found: Vec<Row> = query_as(
            "with recursive tree (oid, depth) as (
                 select inhrelid, 1 from pg_inherits where inhparent = $1
                 union all
                 select inhrelid, depth + 1 from tree join pg_inherits on inhparent = tree.oid
             )
             select c.oid, format('%I.%I', n.nspname, c.relname) as name,
                    c.relispartition as is_partition
               from (select oid, min(depth) as depth from tree group by oid) as tree
               join pg_class as c using (oid) join pg_namespace as n on n.oid = c.relnamespace
              where c.relkind in ('r', 'p')
              order by depth, name",
        )
        .bind(self.oid)
        .fetch_all(connection)
        .await?;
        Ok(found.into_iter().map(Self::from).collect())
    }
}
