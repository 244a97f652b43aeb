//! The INSERT for rows that have changed: each event of each pair of a row's two selves.

use std::fmt::Write;

use super::{
    names::plain,
    plan::{Event, Plan, Room},
    shape::Column,
    sql::{WIDTH, differ, one_line, shown, wrapped},
};

/// Suggestions beyond this many are noise.
const MOST_SUGGESTED: usize = 3;

/// One INSERT for every event of every pair of rows.
pub(super) fn changes(plan: &Plan<'_>, before: &str, after: &str) -> String {
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
            plain(&column.name)
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
