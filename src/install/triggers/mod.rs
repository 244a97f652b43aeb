//! Trigger files: SQL that administrators own and edit.

mod shape;
mod starter;

use crate::catalogue::Catalogue;

pub use starter::Options as StarterOptions;

use super::{
    Error, SqlFile, script,
    session::{Session, commit, retrying},
};

/// Applies all files or none.
pub async fn apply(url: &str, files: &[SqlFile]) -> Result<(), Error> {
    retrying(async || {
        let mut session = Session::open(url).await?;
        let mut transaction = session.begin().await?;
        let begun = current_transaction(&mut transaction).await?;
        for file in files {
            file.execute(&mut transaction).await?;
            if current_transaction(&mut transaction).await? != begun {
                let file = file.name().to_owned();
                return Err(Error::EndedTransaction { file });
            }
        }
        commit(transaction).await
    })
    .await
}

/// The SQL of [`apply`].
pub fn apply_script(files: &[SqlFile]) -> String {
    script::transaction(files)
}

/// A first trigger file for a table of the database.
pub async fn new_file(
    url: &str,
    table: &str,
    options: &StarterOptions,
    catalogue: &Catalogue,
) -> Result<String, Error> {
    let mut session = Session::open(url).await?;
    let table = shape::Table::read(session.connection(), table).await?;
    starter::text(&table, options, catalogue)
}

async fn current_transaction(connection: &mut sqlx::PgConnection) -> Result<String, Error> {
    sqlx::query_scalar("select pg_current_xact_id()::text")
        .fetch_one(connection)
        .await
        .map_err(|source| Error::statement("look at the transaction", &source))
}
