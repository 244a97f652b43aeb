//! The same verbs as text.

use std::fmt::Write;

use super::{
    LOCK_TIMEOUT, MIGRATION_TABLE, SqlFile,
    assets::{CORE, FINISH, MIGRATIONS, Migration},
    session::INSTALLERS_LOCK,
};

/// `files` as one transaction.
pub(super) fn transaction(files: &[SqlFile]) -> String {
    let mut script = begin();
    for file in files {
        push(&mut script, file);
    }
    script.push_str("commit;\n");
    script
}

pub(super) fn install(more: &[SqlFile]) -> String {
    let mut script = format!(
        "-- pgbell {}: for a database that pgbell is not in yet.\n\n{}{}",
        env!("CARGO_PKG_VERSION"),
        begin(),
        bookkeeping()
    );
    for migration in MIGRATIONS {
        push(&mut script, &migration.file);
        script.push_str(&record(migration));
    }
    for file in CORE.iter().chain([&FINISH]).chain(more) {
        push(&mut script, file);
    }
    script.push_str("commit;\n");
    script
}

pub(super) fn begin() -> String {
    format!("begin;\nset local lock_timeout = '{LOCK_TIMEOUT}';\n{INSTALLERS_LOCK};\n\n")
}

/// What sqlx creates to remember migrations.
fn bookkeeping() -> String {
    format!(
        "create schema if not exists pgbell;
create table {MIGRATION_TABLE} (
    version        bigint primary key,
    description    text not null,
    installed_on   timestamptz not null default now(),
    success        boolean not null,
    checksum       bytea not null,
    execution_time bigint not null
);\n\n"
    )
}

fn record(migration: &Migration) -> String {
    let mut checksum = String::new();
    for byte in migration.to_sqlx().checksum.iter() {
        // Writing to a string cannot fail.
        let _ = write!(checksum, "{byte:02x}");
    }
    format!(
        "insert into {MIGRATION_TABLE} (version, description, success, checksum, execution_time)\n\
         values ({}, '{}', true, '\\x{checksum}', -1);\n\n",
        migration.version, migration.description
    )
}

fn push(script: &mut String, file: &SqlFile) {
    let (name, text) = (file.name(), file.text().trim_end());
    script.push_str(&format!("---- {name}\n\n{text}\n\n"));
}
