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
    let (section, inner) = key.split_once('.')?;
    let section = DEFAULTS.get(section)?;
    inner
        .split('.')
        .try_fold(section, |value, name| value.as_dict()?.get(name))
}

/// `section.name`; the outermost section is the empty one.
pub(super) fn join(section: &str, name: &str) -> String {
    match section {
        "" => name.into(),
        section => format!("{section}.{name}"),
    }
}

/// Refuses the first key of `source` that does not exist.
pub(super) fn check(source: &Source) -> Result<(), Error> {
    check_section("", &source.values, &DEFAULTS, source)
}

fn check_section(key: &str, values: &Dict, known: &Dict, source: &Source) -> Result<(), Error> {
    for (name, value) in values {
        let key = join(key, name);
        let default = known.get(name).ok_or_else(|| unknown(source, &key))?;
        if let (Some(known), Some(values)) = (default.as_dict(), value.as_dict()) {
            check_section(&key, values, known, source)?;
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
    let mut known = Vec::new();
    collect("", &DEFAULTS, &mut known);
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(key, &known), known))
        .min()
        .filter(|(distance, _)| *distance <= MOST_LETTERS_WRONG)
        .map(|(_, known)| known)
}

/// Sections, and keys, by their whole names.
fn collect(section: &str, values: &Dict, names: &mut Vec<String>) {
    for (name, value) in values {
        let key = join(section, name);
        if let Some(inner) = value.as_dict() {
            collect(&key, inner, names);
        }
        names.push(key);
    }
}
