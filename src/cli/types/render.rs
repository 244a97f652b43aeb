//! Events and rooms as TypeScript. Pure.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::{
    catalogue::{Catalogue, kind_of},
    room::Target,
};

/// What an installation has besides pgbell's own, which the client brings along.
pub(super) fn augmentation(
    own: &Catalogue,
    rooms: &BTreeSet<Target>,
    events: &BTreeSet<Target>,
) -> String {
    let taken: BTreeSet<String> = own.rooms().iter().map(kind).collect();
    let rooms = rooms.iter().filter(|room| !own.rooms().contains(room));
    let (extended, new): (Vec<_>, Vec<_>) = rooms.partition(|room| taken.contains(&kind(room)));
    // A member of an interface may not be declared twice with different types.
    let extended = extended
        .into_iter()
        .map(|room| (room.to_string(), type_of(room)));
    let rooms: IndexMap<String, String> = by_kind(new.into_iter())
        .into_iter()
        .chain(extended)
        .collect();
    let events = events.iter().filter(|event| !own.events().contains(event));
    format!(
        "// Written by `pgbell types`: the events and rooms of this installation besides pgbell's own.\n\
         import \"pgbell\";\n\n\
         declare module \"pgbell\" {{\n{}{}}}\n",
        interface(
            "  ",
            "Rooms",
            rooms.iter().map(|(name, of)| member(name, of))
        ),
        interface("  ", "Events", events.map(event)),
    )
}

/// Rooms of a kind in one type.
fn by_kind<'a>(rooms: impl Iterator<Item = &'a Target>) -> IndexMap<String, String> {
    let mut kinds: IndexMap<String, Vec<String>> = IndexMap::new();
    for room in rooms {
        kinds.entry(kind(room)).or_default().push(type_of(room));
    }
    let kinds = kinds.into_iter();
    kinds
        .map(|(kind, types)| (kind, types.join(" | ")))
        .collect()
}

fn kind(room: &Target) -> String {
    match room.to_string() {
        every if every == "*" => every,
        room => kind_of(&room).to_owned(),
    }
}

fn type_of(target: &Target) -> String {
    match target {
        Target::Room(only) => format!("\"{only}\""),
        Target::Prefix(prefix) => format!("`{prefix}${{string}}`"),
    }
}

fn event(event: &Target) -> String {
    match event {
        Target::Room(only) => format!("\"{only}\": true"),
        Target::Prefix(_) => format!("[event: {}]: true", type_of(event)),
    }
}

fn member(name: &str, of: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let plain =
        name.bytes().all(is_plain) && !name.starts_with(|first: char| first.is_ascii_digit());
    match plain {
        true => format!("{name}: {of}"),
        false => format!("\"{name}\": {of}"),
    }
}

fn interface(indent: &str, name: &str, members: impl Iterator<Item = String>) -> String {
    let members = members.map(|member| format!("{indent}  {member};\n"));
    let members: String = members.collect();
    format!("{indent}interface {name} {{\n{members}{indent}}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::hold;

    const HEAD: &str = "/**
 * Rooms and events by name. An app adds its own, which `pgbell types` writes for a live database:
 * `declare module \"pgbell\" { interface Rooms { film: `film:${string}` } interface Events { \"film:rented\": true } }`.
 *
 * Not to be edited: `PGBELL_RENEW=1 cargo test --lib` writes it from `src/catalogue.rs`.
 */
";

    #[test]
    fn the_client_brings_the_types_of_the_catalogue_along() {
        let own = Catalogue::default();
        let rooms = by_kind(own.rooms().iter());
        let text = [
            HEAD,
            "\n/** Kinds of rooms, and how their names look. */\nexport ",
            &interface("", "Rooms", rooms.iter().map(|(name, of)| member(name, of))),
            "\n/** What happens. */\nexport ",
            &interface("", "Events", own.events().iter().map(event)),
            "\n/** A room the catalogue knows. */\nexport type Room = Rooms[keyof Rooms];\n",
            "\n/** An event the catalogue knows. */\nexport type EventName = keyof Events;\n",
        ];
        hold("client/src/catalogue.ts", &text.concat());
    }

    fn targets(names: &[&str]) -> BTreeSet<Target> {
        names
            .iter()
            .map(|name| name.parse().expect("a name"))
            .collect()
    }

    #[test]
    fn an_installation_adds_what_the_client_does_not_know() {
        let rooms = targets(&[
            "product:*",
            "film:*",
            "film-of-the-day",
            "admin:films",
            "hall_*",
        ]);
        let events = targets(&["product:updated", "film:rented", "review:*"]);
        let expected = r#"declare module "pgbell" {
  interface Rooms {
    "film-of-the-day": "film-of-the-day";
    film: `film:${string}`;
    hall: `hall_${string}`;
    "admin:films": "admin:films";
  }
  interface Events {
    "film:rented": true;
    [event: `review:${string}`]: true;
  }
}
"#;
        let text = augmentation(&Catalogue::default(), &rooms, &events);
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn nothing_to_add_is_a_module_all_the_same() {
        let text = augmentation(
            &Catalogue::default(),
            &targets(&[]),
            &targets(&["order:created"]),
        );
        assert!(
            text.contains("import \"pgbell\";") && !text.contains("order"),
            "{text}"
        );
    }
}
