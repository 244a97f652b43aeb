//! The functions and triggers of a starter file, in the shape of `sql/triggers/products.sql`.

use std::fmt::Write;

use super::{
    bodies::{deleted, inserted, replicated, truncated, updated},
    plan::Plan,
    shape::Table,
    sql::wrapped,
};
use crate::install::triggers::script::literal;

pub(super) fn statement_level(plan: &Plan<'_>) -> String {
    let mut text = function(plan, "inserted", &inserted(plan));
    text.push_str(&function(plan, "updated", &updated(plan)));
    text.push_str(&function(plan, "deleted", &deleted(plan)));
    text.push_str(&function(plan, "truncated", &truncated(plan)));
    let functions = [
        ("inserted", "came"),
        ("updated", "changed"),
        ("deleted", "went"),
        ("truncated", "went, all at once"),
    ];
    text.push_str(&ownership(plan, &functions));
    text.push_str(&trigger(
        plan,
        "insert",
        "inserted",
        "referencing new table as new_rows\n",
    ));
    text.push_str(&trigger(
        plan,
        "update",
        "updated",
        "referencing old table as old_rows new table as new_rows\n",
    ));
    text.push_str(&trigger(
        plan,
        "delete",
        "deleted",
        "referencing old table as old_rows\n",
    ));
    text.push_str(trigger(plan, "truncate", "truncated", "").trim_end());
    text.push('\n');
    text
}

pub(super) fn row_level(plan: &Plan<'_>) -> String {
    let mut text = function(plan, "replicated", &replicated(plan));
    text.push_str(&function(plan, "replica_truncated", &truncated(plan)));
    let functions = [
        ("replicated", "were written"),
        ("replica_truncated", "went, all at once"),
    ];
    text.push_str(&ownership(plan, &functions));
    let (stem, table) = (&plan.stem, &plan.table.quoted);
    let _ = write!(
        text,
        "create or replace trigger pgbell_{stem}_replicated
after insert or update or delete on {table}
for each row
execute function pgbell.{stem}_replicated();

create or replace trigger pgbell_{stem}_replica_truncate
after truncate on {table}
for each statement
execute function pgbell.{stem}_replica_truncated();

-- Only what replication writes: what is written here has the statement triggers. Without those, say always.
alter table {table} enable replica trigger pgbell_{stem}_replicated;
alter table {table} enable replica trigger pgbell_{stem}_replica_truncate;
"
    );
    text
}

fn function(plan: &Plan<'_>, what: &str, body: &str) -> String {
    let mut quote = "$$".to_owned();
    while body.contains(&quote) {
        quote.insert_str(1, "body");
    }
    format!(
        "create or replace function pgbell.{}_{what}()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as {quote}
begin
{body}    return null;
end
{quote};

",
        plan.stem
    )
}

fn ownership(plan: &Plan<'_>, functions: &[(&str, &str)]) -> String {
    let stem = &plan.stem;
    let mut text = String::new();
    for (what, done) in functions {
        let comment = literal(&format!("Logs rows of {} that {done}.", plan.table.quoted));
        let _ = writeln!(
            text,
            "comment on function pgbell.{stem}_{what}() is {comment};"
        );
    }
    text.push('\n');
    for (what, _) in functions {
        let _ = writeln!(
            text,
            "alter function pgbell.{stem}_{what}() owner to pgbell_owner;"
        );
    }
    let names: Vec<_> = functions
        .iter()
        .map(|(what, _)| format!("pgbell.{stem}_{what}()"))
        .collect();
    let start = "revoke all on function ";
    let _ = write!(
        text,
        "\n{start}{} from public;\n\n",
        wrapped(&names, start.len())
    );
    text
}

fn trigger(plan: &Plan<'_>, event: &str, function: &str, referencing: &str) -> String {
    let Plan {
        stem,
        table: Table { quoted, .. },
        ..
    } = plan;
    format!(
        "create or replace trigger pgbell_{stem}_{event}
after {event} on {quoted}
{referencing}for each statement
execute function pgbell.{stem}_{function}();

"
    )
}
