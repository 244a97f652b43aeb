//! The keys there are, and what somebody who typed another one probably meant.

use std::sync::LazyLock;

use figment::value::{Dict, Value};

use super::{Error, source::Source};

/// Typing errors beyond this many letters are not worth a guess.
const MOST_LETTERS_WRONG: usize = 3;

/// Sections, each with its keys and their defaults.
static DEFAULTS: LazyLock<Dict> =
    LazyLock::new(|| Source::defaults().map_or_else(|_| Dict::new(), |source| source.values));

/// The default of a key such as `coalesce.window`.
pub(super) fn default_of(key: &str) -> Option<&'static Value> {
    let (section, name) = key.split_once('.')?;
    DEFAULTS.get(section)?.as_dict()?.get(name)
}

/// Refuses the first key of `source` that does not exist.
pub(super) fn check(source: &Source) -> Result<(), Error> {
    for (section, values) in &source.values {
        let known = DEFAULTS.get(section).and_then(Value::as_dict);
        let Some(known) = known else {
            return Err(unknown(source, section));
        };
        for name in values.as_dict().into_iter().flat_map(Dict::keys) {
            if !known.contains_key(name) {
                return Err(unknown(source, &format!("{section}.{name}")));
            }
        }
    }
    Ok(())
}

fn unknown(source: &Source, key: &str) -> Error {
    let meant = closest(key).map(|meant| source.spell(&meant));
    Error::Unknown {
        key: key.into(),
        source_name: source.name.clone(),
        hint: meant.map_or_else(String::new, |meant| format!("; did you mean {meant}?")),
    }
}

fn closest(key: &str) -> Option<String> {
    let sections = DEFAULTS.keys().cloned();
    let keys = DEFAULTS.iter().flat_map(|(section, values)| {
        let names = values.as_dict().into_iter().flat_map(Dict::keys);
        names.map(move |name| format!("{section}.{name}"))
    });
    sections
        .chain(keys)
        .map(|known| (strsim::damerau_levenshtein(key, &known), known))
        .min()
        .filter(|(distance, _)| *distance <= MOST_LETTERS_WRONG)
        .map(|(_, known)| known)
}
