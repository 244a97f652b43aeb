//! Temporary copies of business tables, to try triggers on.
//!
//! Making one reads the table (ACCESS SHARE) and waits for no writer. It is for transactions, or
//! savepoints, that are rolled back.

use sqlx::{PgConnection, postgres::types::Oid};

use super::{
    script::{Statement, Trigger},
    table::Table,
};
use crate::install::query::{query_as, query_scalar, run};

/// Rows that are copied to see a trigger work: more would tell no more.
const ROWS: u32 = 3;

/// How a trigger is defined, its table left out, so that triggers of different tables compare.
pub(in crate::install) const DEFINITION: &str = "
    replace(replace(pg_get_triggerdef(t.oid),
            ' ON ' || format('%I.%I', n.nspname, c.relname) || ' ', ' ON … '),
            ' ON pg_temp.' || quote_ident(c.relname) || ' ', ' ON … ')";

/// A temporary table with the columns of a business table, and none of its indexes and checks.
#[derive(Clone, Debug)]
pub(in crate::install) struct Shadow {
    /// The table it is a copy of.
    pub(in crate::install) of: Table,
    /// Its own name, as SQL.
    pub(in crate::install) name: String,
    /// Its own number in the catalogue.
    pub(in crate::install) oid: Oid,
    /// The columns, in quotes.
    columns: Vec<String>,
    /// Those of the primary key.
    key: Vec<String>,
}

impl Shadow {
    /// Makes a copy without rows. Its name is not that of the table, which a function that forgot a
    /// schema would find.
    pub(in crate::install) async fn of(
        connection: &mut PgConnection,
        table: &Table,
    ) -> Result<Self, sqlx::Error> {
        let name = format!("pg_temp.pgbell_shadow_{}", table.oid.0);
        let make = format!("create table {name} (like {})", table.name);
        run(connection, &make).await?;
        let oid = query_scalar("select $1::regclass::oid").bind(&name);
        let oid = oid.fetch_one(&mut *connection).await?;
        let columns: Vec<(String, bool)> = query_as(
            "select quote_ident(attname), attnum = any (coalesce(indkey::int2[], '{}'))
               from pg_attribute left join pg_index on indrelid = attrelid and indisprimary
              where attrelid = $1 and attnum > 0 and not attisdropped
              order by attnum",
        )
        .bind(table.oid)
        .fetch_all(connection)
        .await?;
        let key = columns.iter().filter(|(_, is_key)| *is_key);
        Ok(Self {
            of: table.clone(),
            name,
            oid,
            key: key.map(|(name, _)| name.clone()).collect(),
            columns: columns.iter().map(|(name, _)| name.clone()).collect(),
        })
    }

    /// Attaches the trigger of a statement to the copy, and says how it is then defined.
    pub(in crate::install) async fn attach(
        &self,
        connection: &mut PgConnection,
        statement: &Statement<'_>,
        trigger: &Trigger,
    ) -> Result<String, sqlx::Error> {
        let create = statement.with(&trigger.table_span, &self.name);
        run(connection, &create).await?;
        let attached = definition(connection, self.oid, &trigger.name).await?;
        attached.ok_or(sqlx::Error::RowNotFound)
    }

    /// The names of its columns, as SQL.
    pub(in crate::install) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Statements that touch no row: statement triggers fire all the same.
    pub(in crate::install) fn touching_nothing(&self) -> Vec<String> {
        let Self { of, name, .. } = self;
        let (columns, same) = (self.columns.join(", "), self.every_column());
        vec![
            format!(
                "insert into {name} ({columns}) select {columns} from {} where false",
                of.name
            ),
            format!("update {name} set {same} where false"),
            format!("delete from {name} where false"),
            format!("truncate {name}"),
        ]
    }

    /// Statements that write a few rows of the table: they come, keep their values, get those of
    /// each other, and go.
    pub(in crate::install) fn touching_rows(&self) -> Vec<String> {
        let Self { of, name, .. } = self;
        let columns = self.columns.join(", ");
        let insert = format!(
            "insert into {name} ({columns}) select {columns} from {} limit {ROWS}",
            of.name
        );
        let mut statements = vec![insert];
        statements.extend(self.changing());
        statements
    }

    /// The same for a table without rows: one row of nulls. What it makes a trigger complain about
    /// may be the nulls.
    pub(in crate::install) fn touching_nulls(&self) -> Vec<String> {
        let name = &self.name;
        let drop = |column: &String| format!("alter column {column} drop not null");
        let drops: Vec<_> = self.columns.iter().map(drop).collect();
        let mut statements = vec![
            format!("alter table {name} {}", drops.join(", ")),
            format!("insert into {name} default values"),
        ];
        statements.extend(self.changing());
        statements
    }

    fn changing(&self) -> Vec<String> {
        let name = &self.name;
        let same = self.every_column();
        let mut statements = vec![format!("update {name} set {same}")];
        let theirs = |column: &String| format!("{column} = other.{column}");
        let others = self
            .columns
            .iter()
            .filter(|column| !self.key.contains(column));
        let others: Vec<_> = others.map(theirs).collect();
        if !others.is_empty() {
            statements.push(format!(
                "update {name} as mine set {}
                   from (select ctid as place, coalesce(lead(ctid) over (order by ctid),
                                                        first_value(ctid) over (order by ctid)) as next
                           from {name}) as turn
                   join {name} as other on other.ctid = turn.next
                  where mine.ctid = turn.place",
                others.join(", ")
            ));
        }
        statements.push(format!("delete from {name}"));
        statements
    }

    fn every_column(&self) -> String {
        let set = |column: &String| format!("{column} = {column}");
        self.columns.iter().map(set).collect::<Vec<_>>().join(", ")
    }
}

/// Whether a table has rows that the current role can see.
pub(in crate::install) async fn has_rows(
    connection: &mut PgConnection,
    table: &Table,
) -> Result<bool, sqlx::Error> {
    let query = format!("select exists (select from {})", table.name);
    query_scalar(&query).fetch_one(connection).await
}

/// How a trigger that is installed is defined, its table left out.
pub(in crate::install) async fn definition(
    connection: &mut PgConnection,
    table: Oid,
    trigger: &str,
) -> Result<Option<String>, sqlx::Error> {
    let query = format!(
        "select {DEFINITION}
           from pg_trigger as t join pg_class as c on c.oid = t.tgrelid
           join pg_namespace as n on n.oid = c.relnamespace
          where c.oid = $1 and t.tgname = $2"
    );
    query_scalar(&query)
        .bind(table)
        .bind(trigger)
        .fetch_optional(connection)
        .await
}
