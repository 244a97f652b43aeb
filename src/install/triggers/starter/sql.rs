//! Pieces of SQL: lists that wrap, rows that are compared, values that are shown.

use super::{
    plan::{Plan, Room},
    shape::Column,
};
use crate::install::triggers::script::literal;

/// Lines longer than this are broken between the items of a list.
pub(super) const WIDTH: usize = 110;

/// `items`, separated by commas, with further lines indented.
pub(super) fn wrapped(items: &[String], indent: usize) -> String {
    let mut text = String::new();
    let mut column = indent;
    for (index, item) in items.iter().enumerate() {
        let last = index + 1 == items.len();
        let length = item.chars().count() + usize::from(!last);
        if index > 0 {
            let fits = column + 1 + length <= WIDTH;
            let space = if fits {
                " ".to_owned()
            } else {
                format!("\n{}", " ".repeat(indent))
            };
            column = if fits { column + 1 } else { indent };
            text.push_str(&space);
        }
        text.push_str(item);
        text.push_str(if last { "" } else { "," });
        column += length;
    }
    text
}

/// `(o.a, o.b) is distinct from (n.a, n.b)`, on more lines if it is long.
pub(super) fn differ(columns: &[&Column], indent: usize) -> String {
    let row = |alias: &str| -> Vec<String> {
        columns
            .iter()
            .map(|column| column.compared(alias))
            .collect()
    };
    let (before, after) = (row("o"), row("n"));
    if columns.len() == 1 {
        return format!("{} is distinct from {}", before[0], after[0]);
    }
    let (before, after) = (wrapped(&before, indent + 1), wrapped(&after, indent + 1));
    let length = indent + before.len() + after.len() + 24;
    match length <= WIDTH && !before.contains('\n') {
        true => format!("({before}) is distinct from ({after})"),
        false => {
            let pad = " ".repeat(indent);
            format!("({before})\n{pad}is distinct from\n{pad}({after})")
        }
    }
}

/// `jsonb_build_object('a', n.a)`, or null where nothing is shown.
pub(super) fn shown(columns: &[&Column], alias: &str, indent: usize) -> String {
    if columns.is_empty() {
        return "null".into();
    }
    let pair = |column: &&Column| format!("{}, {alias}.{}", literal(&column.name), column.quoted);
    let pairs: Vec<_> = columns.iter().map(pair).collect();
    format!(
        "jsonb_build_object({})",
        wrapped(&pairs, indent + "jsonb_build_object(".len())
    )
}

impl Plan<'_> {
    /// The id that clients know, from the columns of one row.
    pub(super) fn id(&self, value: impl Fn(&Column) -> String) -> String {
        joined(&self.key, value)
    }

    /// `array['film:' || n.film_id, …]`
    pub(super) fn rooms_of(
        &self,
        rooms: &[Room<'_>],
        indent: usize,
        value: impl Fn(&Column) -> String,
    ) -> String {
        let name = |room: &Room<'_>| {
            let prefix = literal(&format!("{}:", room.kind));
            match self.is_own(room) || room.columns.len() == 1 {
                true => format!("{prefix} || {}", joined(&room.columns, &value)),
                // Null if any part is, which is nobody's room.
                false => {
                    let part =
                        |column: &&Column| format!("{}::text", column.as_text(&value(column)));
                    let parts: Vec<_> = room.columns.iter().map(part).collect();
                    format!("{prefix} || {}", parts.join(" || ':' || "))
                }
            }
        };
        let names: Vec<_> = rooms.iter().map(name).collect();
        format!("array[{}]", wrapped(&names, indent + "array[".len()))
    }

    fn is_own(&self, room: &Room<'_>) -> bool {
        room.kind == self.entity && std::ptr::eq(room, &self.rooms[0])
    }

    /// Every kind of room, `'{film:*,language:*}'`
    pub(super) fn patterns(&self) -> String {
        let mut kinds: Vec<String> = Vec::new();
        for room in &self.rooms {
            let kind = format!("{}:*", room.kind);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        format!("'{{{}}}'", kinds.join(","))
    }

    /// What pairs the two selves of a row. Types that trigger functions cannot compare are compared
    /// as text.
    pub(super) fn pairing(&self) -> String {
        let names: Vec<_> = self
            .key
            .iter()
            .map(|column| column.quoted.clone())
            .collect();
        if self.key.iter().all(|column| column.comparable) {
            return format!("using ({})", names.join(", "));
        }
        let equal =
            |column: &&Column| format!("{} = {}", column.compared("o"), column.compared("n"));
        let pairs: Vec<_> = self.key.iter().map(equal).collect();
        format!("on ({})", pairs.join(" and "))
    }

    /// A column of the key, of whichever self there is.
    pub(super) fn either(column: &Column) -> String {
        format!("coalesce(n.{0}, o.{0})", column.quoted)
    }
}

fn joined(columns: &[&Column], value: impl Fn(&Column) -> String) -> String {
    let part = |column: &&Column| column.as_text(&value(column));
    let parts: Vec<_> = columns.iter().map(part).collect();
    match parts.as_slice() {
        [only] => only.clone(),
        _ => format!("concat_ws(':', {})", parts.join(", ")),
    }
}

/// A name may hold line ends, which would end a comment.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
