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
mod roles;
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

use crate::database::{new_password, verifier};

pub use bridge::Bridge;
pub use error::Error;
pub use file::SqlFile;
pub use roles::Roles;
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
    committed(url, async |connection| bring_up_to_date(connection).await).await
}

/// The same, with the roles that a daemon is run with. A daemon's role that is new gets `password` or,
/// where there is none, one that is made up and returned; one that is there keeps its own, unless
/// there is a `password`.
pub async fn install_with_roles(
    url: &str,
    roles: &Roles,
    password: Option<&str>,
) -> Result<(Installed, Option<String>), Error> {
    let made_up = match password {
        Some(_) => None,
        None => Some(new_password().ok_or(Error::NoRandomness)?),
    };
    let verifier = verifier(password.or(made_up.as_deref()).unwrap_or_default());
    committed(url, async |connection| {
        let installed = bring_up_to_date(connection).await?;
        let known = query_scalar("select count(*) > 0 from pg_roles where rolname = $1")
            .bind(roles.daemon().to_owned())
            .fetch_one(&mut *connection)
            .await
            .map_err(|source| Error::statement("look for the daemon's role", &source))?;
        let keeps_its_own = known && made_up.is_some();
        let verifier = (!keeps_its_own).then_some(verifier.as_str());
        roles.sql(verifier).execute(connection).await?;
        Ok((installed, made_up.clone().filter(|_| !keeps_its_own)))
    })
    .await
}

async fn bring_up_to_date(connection: &mut PgConnection) -> Result<Installed, Error> {
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
}

/// Runs files as they are, all or none: tables and rows that are not pgbell's.
pub async fn run(url: &str, files: &[SqlFile]) -> Result<(), Error> {
    committed(url, async |connection| execute(connection, files).await).await
}

/// The SQL of [`install`] for a database without pgbell: what a careful administrator reads and
/// runs by hand. A later [`install`] takes it from there.
pub fn install_script() -> String {
    script::install(&[])
}

/// The SQL of [`install_with_roles`]. Without a password the daemon's role has none.
pub fn install_script_with_roles(roles: &Roles, password: Option<&str>) -> String {
    script::install(&[roles.sql(password.map(verifier).as_deref())])
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
