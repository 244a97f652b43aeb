//! Has what is installed recorded, so that daemons notice when it is no longer so.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::{
    parts::Part,
    script::{Kind, literal},
};
use crate::install::{Error, query::run};

/// What was applied or removed, by names as files spell them.
#[derive(Debug, Default)]
pub(super) struct Concerned {
    tables: BTreeSet<String>,
    functions: BTreeSet<String>,
}

impl Concerned {
    /// The tables of these triggers, and those whose triggers call these functions.
    pub(super) fn by(parts: &[Part<'_>]) -> Self {
        let mut concerned = Self::default();
        for part in parts {
            match &part.statement.kind {
                Kind::Trigger(trigger) => concerned.tables.insert(trigger.table.to_string()),
                Kind::Function(function) => concerned.functions.insert(function.name.to_string()),
                _ => false,
            };
        }
        concerned
    }

    /// These tables.
    pub(super) fn tables<'a>(tables: impl Iterator<Item = &'a String>) -> Self {
        Self {
            tables: tables.cloned().collect(),
            ..Self::default()
        }
    }

    /// Records how these tables are now, and their partitions. What is recorded of others stays, so
    /// that nothing that has drifted there is forgotten. An older schema has no record.
    pub(super) fn record(&self) -> String {
        format!(
            "do $$
declare
    concerned text[] := array(
        select distinct format('%I.%I', n.nspname, c.relname)
          from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
         where c.oid in (select to_regclass(given) from unnest({}) as given)
            or c.oid in (select tgrelid from pg_trigger
                          where tgfoid in (select to_regproc(given) from unnest({}) as given)));
begin
    if to_regprocedure('pgbell.note_applied(text[])') is not null and concerned <> '{{}}' then
        perform pgbell.note_applied(variadic concerned);
    end if;
end
$$;",
            array(&self.tables),
            array(&self.functions)
        )
    }

    /// Does it.
    pub(super) async fn note(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let outcome = run(connection, &self.record()).await;
        outcome.map_err(|source| Error::statement("record what is installed", &source))
    }
}

fn array(names: &BTreeSet<String>) -> String {
    let literals: Vec<_> = names.iter().map(|name| literal(name)).collect();
    format!("array[{}]::text[]", literals.join(", "))
}
