//! What is used by nothing any more once some triggers are gone. Pure.
//!
//! Bodies of functions are text to the catalogue, so a function uses what it mentions. That errs on
//! the side of keeping.

use std::collections::{BTreeMap, BTreeSet};

/// A function and its text.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) schema: String,
    /// Without schema and types.
    pub(super) name: String,
    pub(super) text: String,
    /// Whether pgbell itself brings it.
    pub(super) is_core: bool,
}

/// Those of `candidates` that neither a trigger in `called` nor any other function needs.
pub(super) fn unused(
    candidates: &BTreeSet<String>,
    called: &BTreeSet<String>,
    functions: &BTreeMap<String, Source>,
) -> BTreeSet<String> {
    let is_mine = |key: &&String| {
        functions
            .get(*key)
            .is_some_and(|function| !function.is_core)
    };
    let mut unused: BTreeSet<_> = candidates.iter().filter(is_mine).cloned().collect();
    // Whatever is kept keeps what it mentions.
    loop {
        let is_needed = |key: &String| {
            let Some(function) = functions.get(key) else {
                return true;
            };
            let by_other = |(other, source): (&String, &Source)| {
                !unused.contains(other) && mentions(&source.text, &function.name)
            };
            called.contains(key) || functions.iter().any(by_other)
        };
        let needed: Vec<_> = unused
            .iter()
            .filter(|key| is_needed(key))
            .cloned()
            .collect();
        if needed.is_empty() {
            return unused;
        }
        unused.retain(|key| !needed.contains(key));
    }
}

/// `roots` and what they mention, and what that mentions, without what pgbell itself brings.
pub(super) fn reachable(
    roots: BTreeSet<String>,
    functions: &BTreeMap<String, Source>,
) -> BTreeSet<String> {
    let mut reached = roots;
    loop {
        let texts: Vec<_> = reached
            .iter()
            .filter_map(|key| functions.get(key))
            .collect();
        let is_mentioned = |(key, function): &(&String, &Source)| {
            !function.is_core
                && !reached.contains(*key)
                && texts
                    .iter()
                    .any(|text| mentions(&text.text, &function.name))
        };
        let more: Vec<_> = functions
            .iter()
            .filter(is_mentioned)
            .map(|(key, _)| key.clone())
            .collect();
        if more.is_empty() {
            return reached;
        }
        reached.extend(more);
    }
}

/// Whether `text` says `name` as a word.
pub(super) fn mentions(text: &str, name: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
    !name.is_empty()
        && text.match_indices(name).any(|(at, found)| {
            let before = text[..at].chars().next_back();
            let after = text[at + found.len()..].chars().next();
            !before.is_some_and(is_part) && !after.is_some_and(is_part)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn functions(list: &[(&str, &str, bool)]) -> BTreeMap<String, Source> {
        let source = |(name, text, is_core): &(&str, &str, bool)| {
            let source = Source {
                schema: "pgbell".to_owned(),
                name: (*name).to_owned(),
                text: (*text).to_owned(),
                is_core: *is_core,
            };
            ((*name).to_owned(), source)
        };
        list.iter().map(source).collect()
    }

    fn keys(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|&key| key.to_owned()).collect()
    }

    #[test]
    fn what_something_else_mentions_or_calls_is_kept_with_all_it_mentions() {
        let functions = functions(&[
            ("a_changed", "a_changed pgbell.rooms( ", false),
            ("b_changed", "b_changed pgbell.moments(", false),
            ("rooms", "rooms pgbell.deep(", false),
            ("deep", "deep", false),
            ("moments", "moments", false),
            ("core", "core", true),
        ]);
        let all = keys(&["a_changed", "rooms", "deep", "moments", "core"]);
        assert_eq!(
            unused(&all, &keys(&[]), &functions),
            keys(&["a_changed", "deep", "rooms"])
        );
        assert_eq!(
            unused(&all, &keys(&["rooms"]), &functions),
            keys(&["a_changed"])
        );
        assert_eq!(
            reachable(keys(&["a_changed"]), &functions),
            keys(&["a_changed", "rooms", "deep"])
        );
    }

    #[test]
    fn a_word_is_no_part_of_another_word() {
        assert!(mentions("from public.products limit 1", "products"));
        assert!(!mentions("products_updated() or my_products", "products"));
        assert!(!mentions("anything", ""));
    }
}
