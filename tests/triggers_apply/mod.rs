//! Trigger files and a database: what differs, and that only this is applied.

mod changes;
mod command;
mod refused;
mod remove;
mod tables;

use pgbell::install::{
    SqlFile,
    triggers::{self, Action, Finding, Target},
};

use crate::support::{
    database::{Database, core_files, edited, sql_file, trigger_file},
    soon,
};

/// A table `note` and the trigger file for it, `after` at its end.
fn notes(after: &str) -> SqlFile {
    let text = format!(
        "create or replace function pgbell.note_written()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into pgbell.change (entity, id, op, events, rooms)
    select 'note', id, 'insert', '{{note:written}}', array['note:' || id] from new_rows;
    return null;
end
$$;

alter function pgbell.note_written() owner to pgbell_owner;
revoke all on function pgbell.note_written() from public;

create or replace trigger pgbell_note_insert
after insert on public.note
referencing new table as new_rows
for each statement
execute function pgbell.note_written();
{after}"
    );
    sql_file("note.sql", &text)
}

async fn apply(database: &Database, file: &SqlFile) -> Vec<Finding> {
    database.apply(std::slice::from_ref(file)).await
}

async fn diff(database: &Database, file: &SqlFile) -> Vec<Finding> {
    let files = std::slice::from_ref(file);
    let findings = soon("diff", triggers::diff(&database.url, files)).await;
    let mut findings = findings.expect("compared");
    findings.retain(Finding::differs);
    findings
}

/// What `apply` would do, but for what it leaves alone.
fn actions(findings: &[Finding]) -> Vec<(Action, &str)> {
    findings
        .iter()
        .filter(|finding| finding.action() != Action::Unchanged)
        .map(|finding| (finding.action(), finding.name.as_str()))
        .collect()
}

/// Every version of a function, table or trigger that there has been.
async fn versions(database: &Database) -> String {
    let sql = "select string_agg(version, ' ' order by version) from (
                   select format('%s %s', oid, xmin) from pg_proc
                   union all select format('%s %s', oid, xmin) from pg_class
                   union all select format('%s %s %s', attrelid, attnum, xmin) from pg_attribute
                   union all select format('%s %s', oid, xmin) from pg_trigger
                   union all select format('%s %s', objoid, xmin) from pg_description
               ) as found (version)";
    database.value(sql).await
}

async fn remove(database: &Database, targets: &[Target]) -> Vec<String> {
    let removals = soon("remove", triggers::remove(&database.url, targets)).await;
    removals
        .expect("removed")
        .into_iter()
        .map(|one| one.what)
        .collect()
}
