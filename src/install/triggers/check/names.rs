//! The events and rooms that a piece of SQL names, as far as its strings tell.

use super::{
    problem::{Code, Problem},
    words::Words,
};
use crate::catalogue::Catalogue;

/// Typing errors of this many letters turn one name into another.
const MOST_LETTERS_WRONG: usize = 2;

/// What a string seems to name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Name {
    Event(String),
    /// A room, or a pattern of rooms.
    Room(String),
    /// What the name of rooms, or of events, begins with; the rest is put together.
    Beginning(String),
}

impl Name {
    fn problem(&self, catalogue: &Catalogue) -> Option<Problem> {
        match self {
            Self::Event(name) => {
                (!catalogue.contains(name)).then(|| unknown_event(name, catalogue))
            }
            Self::Room(name) => {
                (!catalogue.knows_room(name)).then(|| unknown_room(name, catalogue))
            }
            Self::Beginning(text) => {
                let known = catalogue.room_begins(text) || catalogue.event_begins(text);
                (!known).then(|| unknown_room(&format!("{text}*"), catalogue))
            }
        }
    }
}

/// Names that nobody knows, each with its place in bytes.
pub(super) fn problems(sql: &str, catalogue: &Catalogue) -> Vec<(usize, Problem)> {
    let problem = |(place, name): (usize, Name)| Some((place, name.problem(catalogue)?));
    names(sql, catalogue)
        .into_iter()
        .filter_map(problem)
        .collect()
}

/// All that is named, each with its place in bytes.
pub(super) fn names(sql: &str, catalogue: &Catalogue) -> Vec<(usize, Name)> {
    let words = Words::of(sql);
    let mut names = Vec::new();
    for index in 0..words.len() {
        let Some(text) = words.string(index) else {
            continue;
        };
        let found = match text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
        {
            Some(list) => in_list(list, catalogue),
            None => alone(&words, index, text, catalogue).into_iter().collect(),
        };
        names.extend(found.into_iter().map(|name| (words.place(index), name)));
    }
    names
}

/// `'{product:*,seller:*}'`
fn in_list(list: &str, catalogue: &Catalogue) -> Vec<Name> {
    let names: Vec<_> = list
        .split(',')
        .map(|name| name.trim().trim_matches('"'))
        .collect();
    let has_pattern = names.iter().any(|name| name.ends_with('*'));
    if !names
        .iter()
        .all(|name| is_name(name.trim_end_matches('*')) || *name == "*")
    {
        return Vec::new();
    }
    let named = names
        .iter()
        .filter(|name| has_pattern || name.contains(':'));
    named
        .map(|name| either(name, has_pattern, catalogue))
        .collect()
}

/// `'product:' || id`, `'shop_' || id`, `'product:created'`
fn alone(words: &Words<'_>, index: usize, text: &str, catalogue: &Catalogue) -> Option<Name> {
    if !is_name(text) {
        return None;
    }
    let goes_on = words.are(index + 1, &["|", "|"]);
    let in_array = array_around(words, index);
    if goes_on && (text.contains(':') || text.ends_with('_') && in_array.is_some()) {
        return Some(Name::Beginning(text.to_owned()));
    }
    let is_room = in_array.is_some_and(|goes_on_inside| goes_on_inside);
    (!goes_on && text.contains(':')).then(|| either(text, is_room, catalogue))
}

/// Whether the innermost brackets around are `array[…]`, and then whether rooms are put together in
/// them.
fn array_around(words: &Words<'_>, index: usize) -> Option<bool> {
    let open = (0..index).rev().scan(0_usize, |depth, before| {
        if words.is(before, "]") || words.is(before, ")") {
            *depth += 1;
        } else if (words.is(before, "[") || words.is(before, "(")) && *depth == 0 {
            return Some(Some(before));
        } else if words.is(before, "[") || words.is(before, "(") {
            *depth -= 1;
        }
        Some(None)
    });
    let open = open.flatten().next()?;
    if !words.is(open, "[") || !words.is(open.wrapping_sub(1), "array") {
        return None;
    }
    let inside = (open..words.len()).take_while(|at| !words.is(*at, "]"));
    Some(inside.into_iter().any(|at| words.are(at, &["|", "|"])))
}

/// A name that an event or a room may have.
fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_:.@/-".contains(&byte)
        })
}

fn either(name: &str, is_room: bool, catalogue: &Catalogue) -> Name {
    // A misspelt event of a known module looks like a room of that kind.
    let is_room = is_room || name.ends_with(|last: char| last.is_ascii_digit());
    match is_room || catalogue.names_room(name) && !catalogue.contains(name) {
        true => Name::Room(name.to_owned()),
        false => Name::Event(name.to_owned()),
    }
}

pub(super) fn unknown_event(event: &str, catalogue: &Catalogue) -> Problem {
    let near = catalogue.nearest_event(event);
    let module = event.split_once(':').map_or(event, |(module, _)| module);
    let declare =
        format!("declare it in pgbell.toml: catalogue.events = [\"{event}\"] (or \"{module}:*\")");
    let message = format!("event {event} is in no catalogue");
    let Some(near) = near else {
        return Problem::new(Code::UnknownEvent, message, declare);
    };
    let is_slip = catalogue.has_module(module)
        && strsim::damerau_levenshtein(event, &near) <= MOST_LETTERS_WRONG;
    let code = if is_slip {
        Code::MisspeltEvent
    } else {
        Code::UnknownEvent
    };
    Problem::new(
        code,
        message,
        format!("did you mean {near}? Otherwise {declare}"),
    )
}

pub(super) fn unknown_room(room: &str, catalogue: &Catalogue) -> Problem {
    let near = catalogue.nearest_room(room);
    let guess = near.map_or_else(String::new, |near| {
        format!("did you mean {near}? Otherwise ")
    });
    Problem::new(
        Code::UnknownRoom,
        format!("nobody knows rooms like {room}"),
        format!(
            "{guess}declare them in pgbell.toml: catalogue.rooms = [\"{}\"]",
            pattern(room)
        ),
    )
}

fn pattern(room: &str) -> String {
    match room.split_once(':') {
        Some((kind, _)) => format!("{kind}:*"),
        None => room.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sql: &str) -> Vec<(Code, String)> {
        let found = problems(sql, &Catalogue::default());
        found
            .into_iter()
            .map(|(_, problem)| (problem.code, problem.message))
            .collect()
    }

    #[test]
    fn unknown_names_are_found_wherever_they_stand() {
        for (sql, code, name) in [
            (
                "select '{product:prize_changed}'",
                Code::MisspeltEvent,
                "product:prize_changed",
            ),
            (
                "select 'prodcut:created', 1",
                Code::UnknownEvent,
                "prodcut:created",
            ),
            (
                "select array['film:rented']",
                Code::UnknownEvent,
                "film:rented",
            ),
            (
                "select '{prodcut:*,seller:*}'",
                Code::UnknownRoom,
                "prodcut:*",
            ),
            (
                "select array['film:' || id, 'seller:' || seller_id]",
                Code::UnknownRoom,
                "film:*",
            ),
            (
                "select array['film:1', 'seller:' || seller_id]",
                Code::UnknownRoom,
                "film:1",
            ),
            ("select array['shp_' || id]", Code::UnknownRoom, "shp_*"),
        ] {
            let found = found(sql);
            assert_eq!(found.len(), 1, "{sql}: {found:?}");
            assert!(
                found[0].0 == code && found[0].1.contains(name),
                "{sql}: {found:?}"
            );
        }
    }

    #[test]
    fn known_names_and_other_strings_are_let_through() {
        for sql in [
            "select '{product:*,seller:*,shop_*,admin:stock}', '{sale:created}'",
            "select array['shop_' || id, 'admin:orders'], 'order:' || n.status",
            "select jsonb_build_object('a:B', 1), 'YYYY-MM-DD HH24:MI', '{}', '{\"a\": 1}', 'id_' || n",
            "select 'insert', 'pgbell.enabled', '{}'::text[]",
        ] {
            assert_eq!(found(sql), [], "{sql}");
        }
    }
}
