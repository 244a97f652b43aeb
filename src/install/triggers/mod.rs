//! Trigger files: SQL that administrators own and edit.

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

async fn current_transaction(connection: &mut sqlx::PgConnection) -> Result<String, Error> {
    sqlx::query_scalar("select pg_current_xact_id()::text")
        .fetch_one(connection)
        .await
        .map_err(|source| Error::statement("look at the transaction", &source))
}
