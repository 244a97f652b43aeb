//! The file itself, in the shape of `sql/triggers/products.sql`.

use std::fmt::Write;

use super::{
    names::literal,
    plan::{Event, Plan, Room},
    sql::{WIDTH, differ, shown, wrapped},
};
use crate::{
    catalogue::Catalogue,
    install::triggers::shape::{Column, Table},
};

/// Where the second column of the list of events begins.
const EVENT_WIDTH: usize = 48;

/// Suggestions beyond this many are noise.
const MOST_SUGGESTED: usize = 3;

pub(super) fn header(plan: &Plan<'_>, catalogue: &Catalogue) -> String {
    let mut text = format!(
        "-- What a change of {} tells browsers.\n--\n",
        one_line(&plan.table.quoted)
    );
    let mut event = |names: String, what: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "--   {names:EVENT_WIDTH$} {what}");
    };
    let entity = &plan.entity;
    let article = if entity.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    event(
        format!("{}, {}", plan.created, plan.deleted),
        format!("{article} {entity} comes or goes"),
    );
    for told in &plan.events {
        event(told.name.clone(), listed(&told.columns, 6 + EVENT_WIDTH));
    }
    text.push_str("--\n");
    let rooms: Vec<String> = plan.rooms.iter().map(room_name).collect();
    comment(&mut text, "Rooms: ", &rooms);
    text.push_str("--\n");
    remarks(&mut text, plan);
    declarations(&mut text, plan, catalogue);
    text.push('\n');
    text
}

fn room_name(room: &Room<'_>) -> String {
    let columns = room
        .columns
        .iter()
        .map(|column| format!("{{{}}}", one_line(&column.name)));
    format!("{}:{}", room.kind, columns.collect::<Vec<_>>().join(":"))
}

/// What was left out and why, and what to think about.
fn remarks(text: &mut String, plan: &Plan<'_>) {
    let left_out: Vec<_> = plan
        .left_out()
        .map(|column| one_line(&column.name))
        .collect();
    if !left_out.is_empty() {
        comment(
            text,
            "Not watched, because they change with everything else or no trigger sees them: ",
            &left_out,
        );
    }
    let hidden = plan
        .compared()
        .filter_map(|column| Some((column, column.hidden()?)));
    let hidden: Vec<_> = hidden
        .map(|(column, why)| format!("{} ({why})", one_line(&column.name)))
        .collect();
    if !hidden.is_empty() {
        comment(text, "Watched, but never shown: ", &hidden);
    }
    let possible: Vec<_> = plan
        .possible_rooms()
        .map(|column| {
            format!(
                "'{}:' || {}",
                super::names::singular(column.name.trim_end_matches("_id")),
                one_line(&column.quoted)
            )
        })
        .collect();
    if !possible.is_empty() {
        comment(
            text,
            "No foreign keys, but perhaps rooms to add: ",
            &possible,
        );
    }
    if plan.key.iter().any(|column| column.may_spoil_a_room()) {
        text.push_str(
            "-- A room's name is made of letters, digits and _ . : @ / - only: a row whose key has others in it is told\n\
             -- in its other rooms alone.\n",
        );
    }
    text.push_str(
        "-- Only values that everybody in the rooms may see belong into old and new. Lists that show all rows want a\n\
         -- room of their own, without an id, in the arrays below and in the lists for many rows.\n",
    );
    if plan.row_level {
        text.push_str(
            "--\n-- For a table that logical replication writes to: that fires row triggers only, and only those enabled\n\
             -- `replica` or `always`. Statement triggers may stand beside these for what is written here.\n\
             -- A row trigger is called for every row, and knows no bulk limit.\n",
        );
    } else if plan.table.partitioned {
        text.push_str(
            "-- What is written to a partition by its own name fires the partition's triggers only:\n\
             -- `pgbell triggers apply` gives each of them the same.\n",
        );
    }
    text.push_str(
        "-- set pgbell.enabled = off (session, role, database) silences the triggers. jit is off because a session keeps\n\
         -- the plan of its first statement: a large first one would have every small one after it compiled.\n",
    );
}

/// What `check` wants to be told about names that are not pgbell's own.
fn declarations(text: &mut String, plan: &Plan<'_>, catalogue: &Catalogue) {
    let all = plan.events.iter().map(|event| &event.name).chain([
        &plan.created,
        &plan.updated,
        &plan.deleted,
    ]);
    let unknown_event = all.into_iter().any(|event| !catalogue.contains(event));
    let mut rooms: Vec<String> = Vec::new();
    for room in &plan.rooms {
        let kind = format!("\"{}:*\"", room.kind);
        if !catalogue.knows_room(&format!("{}:*", room.kind)) && !rooms.contains(&kind) {
            rooms.push(kind);
        }
    }
    if !unknown_event && rooms.is_empty() {
        return;
    }
    text.push_str("--\n-- `pgbell triggers check` knows these names once they stand in pgbell.toml:\n--   [catalogue]\n");
    if unknown_event {
        let _ = writeln!(text, "--   events = [\"{}:*\"]", plan.entity);
    }
    if !rooms.is_empty() {
        let _ = writeln!(text, "--   rooms = [{}]", rooms.join(", "));
    }
}

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

const SWITCH: &str = "    if current_setting('pgbell.enabled', true) = 'off' then
        return null;
    end if;

";

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

fn inserted(plan: &Plan<'_>) -> String {
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

fn deleted(plan: &Plan<'_>) -> String {
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

fn truncated(plan: &Plan<'_>) -> String {
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

fn updated(plan: &Plan<'_>) -> String {
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

fn replicated(plan: &Plan<'_>) -> String {
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

/// One INSERT for every event of every pair of rows.
fn changes(plan: &Plan<'_>, before: &str, after: &str) -> String {
    let first = &plan.key[0].quoted;
    let either = |column: &Column| Plan::either(column);
    let of_new = |column: &Column| match plan.is_key(column) {
        true => Plan::either(column),
        false => format!("n.{}", column.quoted),
    };
    let of_old = |column: &Column| format!("o.{}", column.quoted);
    let (moved, rooms_before) = moved(plan, of_old);
    format!(
        "    insert into pgbell.change (entity, id, op, events, rooms, old, new)
    select '{}', change.id, change.op, array[event.name], change.rooms{rooms_before}, event.old, event.new
      from {before} full join {after} {}
     cross join lateral (
        select {},
               case when o.{first} is null then 'insert' when n.{first} is null then 'delete' else 'update' end,
               {}{moved}
        offset 0
     ) as change (id, op, rooms{})
     cross join lateral (
{}     ) as event (name, old, new);
",
        plan.entity,
        plan.pairing(),
        plan.id(either),
        plan.rooms_of(&plan.rooms, 15, of_new),
        if moved.is_empty() { "" } else { ", rooms_before" },
        events(plan),
    )
}

/// The rooms that a row has left, and how they are added.
fn moved(plan: &Plan<'_>, of_old: impl Fn(&Column) -> String) -> (String, &'static str) {
    let can_move = |room: &&Room<'_>| room.columns.iter().any(|column| !plan.is_key(column));
    let leaves: Vec<Room<'_>> = plan
        .rooms
        .iter()
        .filter(can_move)
        .map(|room| Room {
            kind: room.kind.clone(),
            columns: room.columns.clone(),
        })
        .collect();
    if leaves.is_empty() && plan.rooms.len() == 1 {
        return (String::new(), "");
    }
    // A changed key leaves the rooms that are made of the key, too.
    let others: Vec<Room<'_>> = plan.rooms[1..]
        .iter()
        .map(|room| Room {
            kind: room.kind.clone(),
            columns: room.columns.clone(),
        })
        .collect();
    let mut columns: Vec<&Column> = Vec::new();
    for column in others.iter().flat_map(|room| &room.columns) {
        if columns.iter().all(|known| known.name != column.name) {
            columns.push(column);
        }
    }
    let text = format!(
        ",\n               -- Where it was before hears that it has moved away.
               case when {}
                    then {}
               end",
        differ(&columns, 25),
        plan.rooms_of(&others, 25, of_old),
    );
    (text, " || change.rooms_before")
}

fn events(plan: &Plan<'_>) -> String {
    // The first line tells the types of all.
    let introduced = match plan.introduced().as_slice() {
        [] => " null::jsonb, null::jsonb".to_owned(),
        columns => format!("\n               null::jsonb, {}", shown(columns, "n", 28)),
    };
    let mut text = format!(
        "        select '{}',{introduced}
         where change.op = 'insert'
        union all
        select '{}', null, null
         where change.op = 'delete'
",
        plan.created, plan.deleted
    );
    for event in &plan.events {
        text.push_str(&event_line(event));
    }
    text.push_str(&suggestions(plan));
    text
}

fn event_line(event: &Event<'_>) -> String {
    let columns = event.shown();
    let values = ["o", "n"].map(|alias| shown(&columns, alias, 15));
    format!(
        "        union all
        select '{}',
               {}
         where change.op = 'update'
           and {}
",
        event.name,
        wrapped(&values, 15),
        differ(&event.columns, 15),
    )
}

/// How to tell a column's change apart, for the first that have no event of their own.
fn suggestions(plan: &Plan<'_>) -> String {
    let rest = plan.events.iter().find(|event| event.name == plan.updated);
    let columns = rest.map_or(&[][..], |event| &event.columns[..]);
    let alone = |column: &&&Column| {
        let is_room = plan
            .rooms
            .iter()
            .any(|room| room.columns.iter().any(|c| c.name == column.name));
        !is_room && columns.len() > 1
    };
    let mut text = String::new();
    for (index, column) in columns
        .iter()
        .filter(alone)
        .take(MOST_SUGGESTED)
        .enumerate()
    {
        if index == 0 {
            text.push_str(
                "        -- An event of its own for a column, if somebody waits for just that:\n",
            );
        }
        let values = match column.hidden() {
            Some(_) => "null, null".to_owned(),
            None => format!("{}, {}", shown(&[column], "o", 0), shown(&[column], "n", 0)),
        };
        let select = format!(
            "        -- select '{}:{}_changed',",
            plan.entity,
            super::names::plain(&column.name)
        );
        let values = one_line(&values);
        let gap = match select.chars().count() + 1 + values.chars().count() <= WIDTH {
            true => " ",
            false => "\n        --        ",
        };
        let _ = write!(
            text,
            "        -- union all\n{select}{gap}{values}\n        --  where change.op = 'update' and {}\n",
            one_line(&differ(&[column], 0)),
        );
    }
    text
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

/// A paragraph of the header: a list that wraps.
fn comment(text: &mut String, start: &str, items: &[String]) {
    let line = format!("-- {start}{}", items.join(", "));
    let list = match line.chars().count() <= WIDTH {
        true => line,
        false => {
            let list = wrapped(items, 6).replace("\n      ", "\n--    ");
            format!("-- {}\n--    {list}", start.trim_end())
        }
    };
    let _ = writeln!(text, "{list}");
}

fn listed(columns: &[&Column], indent: usize) -> String {
    let names: Vec<_> = columns
        .iter()
        .map(|column| one_line(&column.name))
        .collect();
    let pad = " ".repeat(indent - 2);
    wrapped(&names, indent).replace(&format!("\n{}", " ".repeat(indent)), &format!("\n--{pad}"))
}

/// A name may hold line ends, which would end a comment.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
