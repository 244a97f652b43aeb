//! What the trigger functions of a starter file do.

use super::{
    changes::changes,
    plan::Plan,
    shape::Column,
    sql::{differ, shown, wrapped},
};

const SWITCH: &str = "    if current_setting('pgbell.enabled', true) = 'off' then
        return null;
    end if;

";

pub(super) fn inserted(plan: &Plan<'_>) -> String {
    let Plan {
        entity, created, ..
    } = plan;
    let of_new = |column: &Column| format!("n.{}", column.quoted);
    let shown = shown(&plan.introduced(), "n", 11);
    let (into, value) = match shown.as_str() {
        "null" => ("", String::new()),
        _ => (", new", format!(",\n           {shown}")),
    };
    format!(
        "{SWITCH}    if exists (select from new_rows offset pgbell.bulk_limit()) then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('{entity}', '*', 'insert', '{{{created}}}', {});
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms{into})
    select {},
           {}{value}
      from new_rows as n;
",
        plan.patterns(),
        told(plan, &plan.id(of_new), "insert", created),
        plan.rooms_of(&plan.rooms, 11, of_new),
    )
}

/// Entity, id, op and events of a row of the log.
fn told(plan: &Plan<'_>, id: &str, op: &str, event: &str) -> String {
    let items = [
        format!("'{}'", plan.entity),
        id.to_owned(),
        format!("'{op}'"),
        format!("'{{{event}}}'"),
    ];
    wrapped(&items, 11)
}

pub(super) fn deleted(plan: &Plan<'_>) -> String {
    let Plan {
        entity, deleted, ..
    } = plan;
    let of_old = |column: &Column| format!("o.{}", column.quoted);
    format!(
        "{SWITCH}    if exists (select from old_rows offset pgbell.bulk_limit()) then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('{entity}', '*', 'delete', '{{{deleted}}}', {});
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms)
    select {},
           {}
      from old_rows as o;
",
        plan.patterns(),
        told(plan, &plan.id(of_old), "delete", deleted),
        plan.rooms_of(&plan.rooms, 11, of_old),
    )
}

pub(super) fn truncated(plan: &Plan<'_>) -> String {
    let Plan {
        entity, deleted, ..
    } = plan;
    format!(
        "{SWITCH}    insert into pgbell.change (entity, id, op, events, rooms)
    values ('{entity}', '*', 'delete', '{{{deleted}}}', {});
",
        plan.patterns()
    )
}

pub(super) fn updated(plan: &Plan<'_>) -> String {
    let Plan {
        entity, updated, ..
    } = plan;
    let watched: Vec<&Column> = plan.key.iter().copied().chain(plan.compared()).collect();
    format!(
        "{SWITCH}    -- A statement that touches very many rows may still have changed only a few: counting is worth it then.
    if exists (select from new_rows offset pgbell.bulk_limit()) then
        insert into pgbell.change (entity, id, op, events, rooms)
        select '{entity}', '*', 'update', '{{{updated}}}', {}
          from old_rows as o full join new_rows as n {}
         where {}
        having count(*) > pgbell.bulk_limit();

        if found then
            return null;
        end if;
    end if;

    -- FULL JOIN, because a changed key is one {entity} gone and another one come, and because a plan that the session
    -- made for one row can then never become a nested loop over ten thousand.
{}",
        plan.patterns(),
        plan.pairing(),
        differ(&watched, 15),
        changes(plan, "old_rows as o", "new_rows as n"),
    )
}

pub(super) fn replicated(plan: &Plan<'_>) -> String {
    // OFFSET 0 keeps the two selves apart, as FULL JOIN needs them.
    let before = "(select old.* where tg_op <> 'INSERT' offset 0) as o";
    let after = "(select new.* where tg_op <> 'DELETE' offset 0) as n";
    format!(
        "{SWITCH}    -- One row's two selves; a changed key is one {} gone and another one come.
{}",
        plan.entity,
        changes(plan, before, after)
    )
}
