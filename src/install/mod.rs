//! Install: puts schema `pgbell` into a database and takes it out again.
//!
//! Every verb is one transaction: it either happens or leaves the database as it was. None waits
//! longer than [`LOCK_TIMEOUT`] for a lock, because whatever waits for a lock on a business table
//! makes the writers behind it wait too. A lock that is not free is asked for again a little later.

mod assets;
mod bridge;
mod error;
mod file;
mod query;
mod script;
mod session;
pub mod triggers;

use sqlx::{
    PgConnection,
    migrate::{MigrateError, Migrator},
};

use assets::{CORE, FINISH, MIGRATIONS, UNINSTALL};
use query::query_scalar;
use session::committed;

pub use error::Error;
pub use file::SqlFile;
pub use session::connect;

/// Longest wait for a lock, as Postgres writes it. Well below `deadlock_timeout`, one second: where a
/// writer and a verb wait for each other, the verb gives up before the server ends one of them, which
/// would be the writer if that began to wait first.
pub const LOCK_TIMEOUT: &str = "500ms";

const MIGRATION_TABLE: &str = "pgbell.migration";

/// What came of an [`install`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Installed {
    /// Whether daemons are told of DDL by an event trigger, which takes a superuser to create.
    /// Otherwise they look at the triggers by the clock.
    pub told_of_ddl: bool,
}

/// Installs schema `pgbell`, or brings it up to date. Harmless to repeat.
pub async fn install(url: &str) -> Result<Installed, Error> {
    committed(url, async |connection| {
        migrator()
            .run(&mut *connection)
            .await
            .map_err(migration_error)?;
        execute(connection, CORE.iter().chain([&FINISH])).await?;
        let told_of_ddl = query_scalar(
            "select count(*) = 2 from pg_event_trigger where evtname in ('pgbell_drift', 'pgbell_drift_drop')",
        )
        .fetch_one(connection)
        .await
        .map_err(|source| Error::statement("look for the event triggers", &source))?;
        Ok(Installed { told_of_ddl })
    })
    .await
}

/// Runs files as they are, all or none: tables and rows that are not pgbell's.
pub async fn run(url: &str, files: &[SqlFile]) -> Result<(), Error> {
    committed(url, async |connection| execute(connection, files).await).await
}

/// The SQL of [`install`] for a database without pgbell: what a careful administrator reads and
/// runs by hand. A later [`install`] takes it from there.
pub fn install_script() -> String {
    script::install()
}

/// Removes schema `pgbell` with its triggers on other tables and its rights, and its roles unless
/// another database uses them. Leaves nothing behind. Harmless to repeat.
pub async fn uninstall(url: &str) -> Result<(), Error> {
    committed(url, async |connection| UNINSTALL.execute(connection).await).await
}

/// The SQL of [`uninstall`].
pub fn uninstall_script() -> String {
    script::transaction(std::slice::from_ref(&UNINSTALL))
}

async fn execute(
    connection: &mut PgConnection,
    files: impl IntoIterator<Item = &SqlFile>,
) -> Result<(), Error> {
    for file in files {
        file.execute(connection).await?;
    }
    Ok(())
}

fn migrator() -> Migrator {
    let mut migrator =
        Migrator::with_migrations(MIGRATIONS.iter().map(assets::Migration::to_sqlx).collect());
    migrator.dangerous_set_table_name(MIGRATION_TABLE);
    migrator.create_schema("pgbell");
    // The transaction holds a lock of its own, which goes when the transaction goes.
    migrator.set_locking(false);
    migrator
}

fn migration_error(error: MigrateError) -> Error {
    match error {
        MigrateError::ExecuteMigration(source, version) => {
            let of_version = MIGRATIONS.iter().find(|known| known.version == version);
            match of_version {
                Some(migration) => Error::in_file(&migration.file, &source),
                None => Error::statement("migrate", &source),
            }
        }
        MigrateError::Execute(source) => Error::statement("read the installed version", &source),
        MigrateError::VersionMissing(version) => Error::Newer { version },
        other => Error::Migration(other),
    }
}
