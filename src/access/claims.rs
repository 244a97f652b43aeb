//! What a token says about its bearer.

use std::fmt;

use serde_json::{Map, Value};

/// The claims of a token, by name.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// The claim of this name. A claim that is called so as a whole comes first (`https://example.com/role`);
    /// otherwise dots lead into objects (`app_metadata.role`).
    pub fn get(&self, name: &str) -> Option<&Value> {
        if let Some(value) = self.0.get(name) {
            return Some(value);
        }
        let (first, inner) = name.split_once('.')?;
        inner
            .split('.')
            .try_fold(self.0.get(first)?, |value, name| value.get(name))
    }

    /// Whether the claim is this word, or a list with this word among its entries.
    ///
    /// Texts are the same byte by byte; a whole number is the same as its decimal digits, so 7 is `7`
    /// and neither `07` nor `7.0`. Nothing else is ever the same as a word: no 7.0, no true, no null, no
    /// object, no list in a list.
    pub(super) fn is_word(&self, name: &str, word: &str) -> bool {
        match self.get(name) {
            Some(Value::Array(entries)) => entries.iter().any(|entry| is_same(entry, word)),
            Some(value) => is_same(value, word),
            None => false,
        }
    }

    /// Whether the claim is this text, or a list with this text among its entries.
    pub(super) fn has_text(&self, name: &str, text: &str) -> bool {
        match self.get(name) {
            Some(Value::Array(entries)) => entries.iter().any(|entry| entry == text),
            Some(value) => value == text,
            None => false,
        }
    }

    /// All claims as one JSON object.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.0).expect("a JSON object is JSON")
    }
}

impl From<Map<String, Value>> for Claims {
    fn from(claims: Map<String, Value>) -> Self {
        Self(claims)
    }
}

/// Names only: what they say is about a person.
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn is_same(value: &Value, word: &str) -> bool {
    match value {
        Value::String(text) => text == word,
        Value::Number(number) => {
            let whole = number
                .as_i64()
                .map(i128::from)
                .or(number.as_u64().map(i128::from));
            whole.is_some() && whole == whole_number(word)
        }
        _ => false,
    }
}

/// The number whose decimal digits the word is, if it is one: no sign but a minus, no leading zero.
fn whole_number(word: &str) -> Option<i128> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit())
        && (!digits.starts_with('0') || word == "0");
    is_plain.then(|| word.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(json: &str) -> Claims {
        Claims(serde_json::from_str(json).expect("an object"))
    }

    #[test]
    fn a_whole_number_is_its_decimal_digits_and_nothing_else_is() {
        let claims = claims(
            r#"{"seven": 7, "zero": 0, "minus": -7, "most": 18446744073709551615, "float": 7.0,
                "text": "07", "truth": true, "nothing": null, "object": {"a": 1}, "empty": ""}"#,
        );
        for (name, word, same) in [
            ("seven", "7", true),
            ("seven", "07", false),
            ("seven", "+7", false),
            ("seven", "7.0", false),
            ("seven", "７", false),
            ("seven", "", false),
            ("zero", "0", true),
            ("zero", "-0", false),
            ("zero", "00", false),
            ("minus", "-7", true),
            ("minus", "7", false),
            ("most", "18446744073709551615", true),
            (
                "most",
                "99999999999999999999999999999999999999999999",
                false,
            ),
            ("float", "7", false),
            ("float", "7.0", false),
            ("text", "07", true),
            ("text", "7", false),
            ("truth", "true", false),
            ("nothing", "null", false),
            ("nothing", "", false),
            ("object", "1", false),
            ("absent", "", false),
            ("empty", "", true),
        ] {
            assert_eq!(claims.is_word(name, word), same, "{name} {word:?}");
        }
    }

    #[test]
    fn a_list_is_any_of_its_texts_and_whole_numbers() {
        let claims = claims(r#"{"ids": [3, "b", 4.0, null, [5], {"six": 6}]}"#);
        for (word, same) in [
            ("3", true),
            ("b", true),
            ("4", false),
            ("null", false),
            ("5", false),
            ("6", false),
        ] {
            assert_eq!(claims.is_word("ids", word), same, "{word}");
        }
        assert!(claims.has_text("ids", "b") && !claims.has_text("ids", "3"));
    }

    #[test]
    fn dots_lead_into_objects_unless_a_claim_is_called_so() {
        let claims = claims(
            r#"{"app": {"role": "inner", "deep": {"x": 1}}, "app.role": "whole",
                "https://example.com/role": "url"}"#,
        );
        assert_eq!(claims.get("app.role"), Some(&"whole".into()));
        assert_eq!(claims.get("app.deep.x"), Some(&1.into()));
        assert_eq!(claims.get("https://example.com/role"), Some(&"url".into()));
        for absent in ["app.deep.y", "app.deep.x.y", "app.", ".", "", "nobody.x"] {
            assert_eq!(claims.get(absent), None, "{absent:?}");
        }
    }

    #[test]
    fn debug_shows_names_and_no_values() {
        let shown = format!(
            "{:?}",
            claims(r#"{"sub": "anna", "email": "anna@example.com"}"#)
        );
        assert!(
            shown.contains("email") && !shown.contains("anna"),
            "{shown}"
        );
    }
}
