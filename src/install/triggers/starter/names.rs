//! What things are called: by clients, and inside schema `pgbell`.

use super::shape::Table;

/// Longest name of a table from which all names of its functions and triggers can be made:
/// 63 bytes, less `pgbell_` and `_replica_truncate`.
const LONGEST_STEM: usize = 39;

/// Nouns that are their own singular, and endings that look like plurals.
const SINGULARS: &[&str] = &["series", "species", "news", "data", "status", "address"];

/// Plurals that follow no rule.
const IRREGULAR: &[(&str, &str)] = &[
    ("people", "person"),
    ("children", "child"),
    ("women", "woman"),
    ("men", "man"),
    ("movies", "movie"),
    ("cookies", "cookie"),
    ("categories", "category"),
    ("statuses", "status"),
    ("indices", "index"),
    ("analyses", "analysis"),
];

/// What functions of a table begin with, `reviews` of `reviews_inserted`.
pub(super) fn stem(table: &Table) -> String {
    let name = match table.schema.as_str() {
        "public" => plain(&table.name),
        schema => format!("{}_{}", plain(schema), plain(&table.name)),
    };
    if name.len() <= LONGEST_STEM && !table.stems_taken.contains(&name) {
        return name;
    }
    let length = LONGEST_STEM - 1 - table.digest.len();
    let start = &name[..name.len().min(length)];
    format!("{}_{}", start.trim_end_matches('_'), table.digest)
}

/// One of what a table holds: `order_item` of `order_items`.
pub(super) fn singular(table: &str) -> String {
    let name = plain(table);
    let (start, noun) = name
        .rfind('_')
        .map_or(("", name.as_str()), |at| name.split_at(at + 1));
    format!("{start}{}", singular_noun(noun))
}

fn singular_noun(noun: &str) -> String {
    if SINGULARS.contains(&noun) {
        return noun.to_owned();
    }
    if let Some((_, singular)) = IRREGULAR.iter().find(|(plural, _)| *plural == noun) {
        return (*singular).to_owned();
    }
    let cut = |ending: &str| noun.strip_suffix(ending).filter(|rest| rest.len() > 1);
    if let Some(rest) = cut("ies") {
        return format!("{rest}y");
    }
    for ending in ["sses", "shes", "ches", "xes", "zzes"] {
        if noun.ends_with(ending) {
            return noun[..noun.len() - 2].to_owned();
        }
    }
    match cut("s") {
        Some(rest) if !rest.ends_with(['s', 'u', 'i']) => rest.to_owned(),
        _ => noun.to_owned(),
    }
}

/// A name of letters, digits and `_` that needs no quotes and may stand in a room.
pub(super) fn plain(name: &str) -> String {
    let mut plain = String::new();
    let mut before = '_';
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) {
            plain.push('_');
        }
        let fits = letter.is_ascii_alphanumeric() || letter == '_';
        plain.push(if fits {
            letter.to_ascii_lowercase()
        } else {
            '_'
        });
        before = letter;
    }
    if !plain.starts_with(|first: char| first.is_ascii_lowercase()) {
        plain.insert_str(0, "t_");
    }
    plain
}

/// The words of a name: `unit`, `price` of `unitPrice` and `unit_price`.
pub(super) fn words(name: &str) -> Vec<String> {
    let plain = plain(name);
    let words = plain.split('_').filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_is_called_by_its_singular() {
        for (plural, singular_of_it) in [
            ("films", "film"),
            ("order_items", "order_item"),
            ("categories", "category"),
            ("addresses", "address"),
            ("boxes", "box"),
            ("branches", "branch"),
            ("houses", "house"),
            ("cases", "case"),
            ("people", "person"),
            ("status", "status"),
            ("bus", "bus"),
            ("inventory", "inventory"),
            ("OrderItems", "order_item"),
            ("glass", "glass"),
        ] {
            assert_eq!(singular(plural), singular_of_it);
        }
    }

    #[test]
    fn functions_of_a_table_are_called_after_it_as_far_as_names_reach() {
        let table = |schema: &str, name: &str| Table {
            schema: schema.into(),
            name: name.into(),
            digest: "0123abcd".into(),
            stems_taken: vec!["a_b".into()],
            ..Table::default()
        };
        assert_eq!(stem(&table("public", "films")), "films");
        assert_eq!(stem(&table("sales", "Order Items")), "sales_order_items");
        assert_eq!(stem(&table("public", "a_b")), "a_b_0123abcd");
        let long = stem(&table("public", &"x".repeat(63)));
        assert_eq!(long.len(), LONGEST_STEM);
        assert!(long.ends_with("_0123abcd"));
        assert_eq!(stem(&table("public", "1 für")), "t_1_f_r");
    }
}
