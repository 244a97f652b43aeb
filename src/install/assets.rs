//! Table of contents of what is installed, in order.

use sqlx::{SqlStr, migrate};

use super::SqlFile;

/// A step that runs once in the life of an installation.
pub(super) struct Migration {
    pub(super) version: i64,
    pub(super) description: &'static str,
    pub(super) file: SqlFile,
}

macro_rules! migration {
    ($version:literal, $description:literal, $path:literal) => {
        Migration {
            version: $version,
            description: $description,
            file: sql!($path),
        }
    };
}

macro_rules! sql {
    ($path:literal) => {
        SqlFile::embedded($path, include_str!(concat!("../../", $path)))
    };
}

/// Never edited, only added to: an installation remembers their checksums.
pub(super) static MIGRATIONS: &[Migration] = &[
    migration!(1, "roles", "migrations/0001_roles.sql"),
    migration!(2, "log", "migrations/0002_log.sql"),
    migration!(3, "schedule", "migrations/0003_schedule.sql"),
    migration!(4, "histories", "migrations/0004_histories.sql"),
    migration!(5, "recurring", "migrations/0005_recurring.sql"),
    migration!(6, "drift", "migrations/0006_drift.sql"),
    migration!(7, "payload key", "migrations/0007_payload_key.sql"),
    migration!(8, "revocation", "migrations/0008_revocation.sql"),
];

/// Replaced by every install. A function stands after those it calls.
pub(super) static CORE: &[SqlFile] = &[
    sql!("sql/core/current_timeline.sql"),
    sql!("sql/core/enter_timeline.sql"),
    sql!("sql/core/epoch.sql"),
    sql!("sql/core/cursor.sql"),
    sql!("sql/core/bulk_limit.sql"),
    sql!("sql/core/applied.sql"),
    sql!("sql/core/mute.sql"),
    sql!("sql/core/arm.sql"),
    sql!("sql/core/carry.sql"),
    sql!("sql/core/use_transport.sql"),
    sql!("sql/core/rotate.sql"),
    sql!("sql/core/ring_for_moment.sql"),
    sql!("sql/core/again.sql"),
    sql!("sql/core/fire_due.sql"),
    sql!("sql/core/revoke.sql"),
    sql!("sql/core/forget_revocations.sql"),
    sql!("sql/core/recheck.sql"),
    sql!("sql/core/current_trigger.sql"),
    sql!("sql/core/note_applied.sql"),
    sql!("sql/core/drift.sql"),
    sql!("sql/core/note_ddl.sql"),
];

pub(super) static FINISH: SqlFile = sql!("src/install/finish.sql");

pub(super) static UNINSTALL: SqlFile = sql!("src/install/uninstall.sql");

impl Migration {
    pub(super) fn to_sqlx(&self) -> migrate::Migration {
        migrate::Migration::new(
            self.version,
            self.description.into(),
            migrate::MigrationType::Simple,
            SqlStr::from_static(self.file.embedded_text()),
            false,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;

    #[test]
    fn every_file_is_listed() {
        let listed: BTreeSet<_> = MIGRATIONS
            .iter()
            .map(|migration| &migration.file)
            .chain(CORE)
            .map(|file| file.name().to_owned())
            .collect();
        let root = env!("CARGO_MANIFEST_DIR");
        let on_disk = ["migrations", "sql/core"].iter().flat_map(|directory| {
            let entries = fs::read_dir(format!("{root}/{directory}")).expect("a directory");
            entries.map(move |entry| {
                let name = entry.expect("an entry").file_name();
                format!("{directory}/{}", name.display())
            })
        });
        assert_eq!(listed, on_disk.collect());
    }
}
