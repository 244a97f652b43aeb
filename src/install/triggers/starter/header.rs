//! The comment at the top of a starter file: what it tells, what it leaves out, and what to think about.

use std::fmt::Write;

use super::{
    names::singular,
    plan::{Plan, Room},
    shape::Column,
    sql::{WIDTH, one_line, wrapped},
};
use crate::catalogue::Catalogue;

/// Where the second column of the list of events begins.
const EVENT_WIDTH: usize = 48;

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
                singular(column.name.trim_end_matches("_id")),
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
