//! What trigger files would make of the functions that are installed.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use crate::install::{
    Error,
    query::{query_scalar, run},
    triggers::{
        installed::{self, InstalledFunction},
        manners::prepare,
        parts::Part,
        savepoint::Savepoint,
        script::Kind,
    },
};

/// The functions as they are, and as the files would have them.
pub(super) struct Functions {
    pub(super) before: BTreeMap<String, InstalledFunction>,
    pub(super) after: BTreeMap<String, InstalledFunction>,
    /// Which function each statement makes, by the statement's place.
    pub(super) made: BTreeMap<String, String>,
}

impl Functions {
    /// Makes the functions of the files and takes them back.
    pub(super) async fn compare(
        connection: &mut PgConnection,
        parts: &[Part<'_>],
    ) -> Result<Self, Error> {
        let failed = |source| Error::statement("read the functions", &source);
        let current = query_scalar("select current_schema()::text");
        let current: Option<String> = current.fetch_one(&mut *connection).await.map_err(failed)?;
        let mut schemas: Vec<_> = current.into_iter().chain(["pgbell".to_owned()]).collect();
        for part in parts {
            if let Kind::Function(function) = &part.statement.kind {
                schemas.extend(function.name.schema.clone());
            }
        }
        let before = installed::functions(connection, &schemas)
            .await
            .map_err(failed)?;
        let savepoint = Savepoint::set(connection).await?;
        prepare(connection).await?;
        let mut made = BTreeMap::new();
        for part in parts {
            match &part.statement.kind {
                Kind::Function(function) => {
                    let name = &function.name.name;
                    let before = installed::versions(connection, name)
                        .await
                        .map_err(failed)?;
                    run(connection, part.statement.text)
                        .await
                        .map_err(|e| part.refused(&e))?;
                    let after = installed::versions(connection, name)
                        .await
                        .map_err(failed)?;
                    let is_new =
                        |(name, version): &(&String, &String)| before.get(*name) != Some(*version);
                    if let Some((name, _)) = after.iter().find(is_new) {
                        made.insert(part.place(), name.clone());
                    }
                }
                kind if *kind == Kind::Catalogue || part.is_ground() => {
                    run(connection, part.statement.text)
                        .await
                        .map_err(|e| part.refused(&e))?;
                }
                _ => {}
            }
        }
        let after = installed::functions(connection, &schemas)
            .await
            .map_err(failed)?;
        savepoint.roll_back(connection).await?;
        Ok(Self {
            before,
            after,
            made,
        })
    }
}
