//! Patterns of room rules: which rooms are meant, and which words of their names are of interest.
//!
//! A pattern is written like a room, with two additions:
//!
//! - `{name}` stands for one *word*: one or more of the letters, digits and `_ . @ -`. A word ends where the
//!   room ends or at the next `:` or `/`, never earlier, so there is only one way to read a room:
//!   `user:{sub}` reads `12` from `user:12`, and never `1`.
//! - a `*` at the end stands for any rest, also none, as in all patterns of pgbell.
//!
//! So that no value can pretend to be two words, or one to be another:
//!
//! - after `{name}` comes `:`, `/` or the end; before it comes `:`, `/`, one of `_ . @ -`, or nothing. If it
//!   is one of `_ . @ -`, the word may not contain that one: `shop_{id}` does not read `shop_1_2`.
//! - upper and lower case differ, and nothing outside the alphabet of rooms ever stands in a word: no
//!   value with a `:`, a `*`, a space or an `é` equals one.

use std::ops::Deref;

use crate::room::MAX_ROOM_LENGTH;

/// Most `{name}` in one pattern.
pub(super) const MAX_WORDS: usize = 8;

/// Longest name between braces, in bytes.
const MAX_NAME_LENGTH: usize = 128;

/// A pattern, ready to be matched.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: String,
    parts: Vec<Part>,
    is_open: bool,
}

#[derive(Clone, Debug)]
enum Part {
    Literal(String),
    /// The name between braces, and what the word may not contain.
    Word(String, Option<u8>),
}

/// Why a text is no pattern.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum BadPattern {
    #[error("names no room")]
    Empty,
    #[error("has text beside its {{names}} that is longer than the name of a room")]
    TooLong,
    #[error("has {0:?}, which no room's name has")]
    Character(char),
    #[error("has a * that is not at its end")]
    Star,
    #[error(
        "has a * right after {{{0}}}, which would let longer words through; write : or / between"
    )]
    StarAfterWord(String),
    #[error("has a {{ or }} without its other half")]
    Brace,
    #[error("has {{}}, which names nothing")]
    Unnamed,
    #[error("has a name between braces that is longer than {MAX_NAME_LENGTH} bytes")]
    LongName,
    #[error(
        "goes on after {{{0}}} with something else than : or /, so that nobody knows where the word ends"
    )]
    Glued(String),
    #[error("has {{{0}}} right after a letter or digit; before it goes one of : / _ . @ -")]
    InsideWord(String),
    #[error("has {{{0}}} twice")]
    Twice(String),
    #[error("has more than {MAX_WORDS} {{names}}")]
    Words,
}

/// The words that a room has where its pattern has names.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Words<'r> {
    words: [&'r str; MAX_WORDS],
    count: usize,
}

impl<'r> Deref for Words<'r> {
    type Target = [&'r str];

    fn deref(&self) -> &[&'r str] {
        &self.words[..self.count]
    }
}

impl Pattern {
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The names between braces, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Word(name, _) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// The words of `room` in the order of [`names`](Self::names), if it is meant.
    pub(super) fn read<'r>(&self, room: &'r str) -> Option<Words<'r>> {
        let mut words = Words::default();
        let mut rest = room;
        for part in &self.parts {
            match part {
                Part::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
                Part::Word(_, barred) => {
                    let end = rest.bytes().position(|byte| !is_word(byte));
                    let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
                    let is_barred = barred.is_some_and(|barred| word.bytes().any(|b| b == barred));
                    if word.is_empty() || is_barred {
                        return None;
                    }
                    words.words[words.count] = word;
                    words.count += 1;
                    rest = after;
                }
            }
        }
        (self.is_open || rest.is_empty()).then_some(words)
    }
}

impl std::str::FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        let body = text.strip_suffix('*');
        let mut parts = Vec::new();
        let mut rest = body.unwrap_or(text);
        while !rest.is_empty() {
            rest = match rest.strip_prefix('{') {
                Some(inside) => word(inside, &mut parts)?,
                None => literal(rest, &mut parts)?,
            };
        }
        let is_open = body.is_some();
        match parts.last() {
            None if !is_open => return Err(BadPattern::Empty),
            Some(Part::Word(name, _)) if is_open => {
                return Err(BadPattern::StarAfterWord(name.clone()));
            }
            _ => {}
        }
        let pattern = Self {
            text: text.into(),
            parts,
            is_open,
        };
        pattern.check_size()?;
        Ok(pattern)
    }
}

impl Pattern {
    fn check_size(&self) -> Result<(), BadPattern> {
        let literals = self.parts.iter().map(|part| match part {
            Part::Literal(literal) => literal.len(),
            Part::Word(..) => 1,
        });
        if literals.sum::<usize>() > MAX_ROOM_LENGTH {
            return Err(BadPattern::TooLong);
        }
        if self.names().count() > MAX_WORDS {
            return Err(BadPattern::Words);
        }
        let names: Vec<_> = self.names().collect();
        let twice = (1..names.len()).find(|place| names[..*place].contains(&names[*place]));
        twice.map_or(Ok(()), |place| Err(BadPattern::Twice(names[place].into())))
    }
}

/// Takes a name from behind its opening brace, and returns what follows the closing one.
fn word<'t>(inside: &'t str, parts: &mut Vec<Part>) -> Result<&'t str, BadPattern> {
    let (name, rest) = inside.split_once('}').ok_or(BadPattern::Brace)?;
    if name.contains('{') {
        return Err(BadPattern::Brace);
    }
    if name.is_empty() {
        return Err(BadPattern::Unnamed);
    }
    if name.len() > MAX_NAME_LENGTH {
        return Err(BadPattern::LongName);
    }
    if !(rest.is_empty() || rest.starts_with([':', '/'])) {
        return Err(BadPattern::Glued(name.into()));
    }
    let before = match parts.last() {
        Some(Part::Literal(literal)) => literal.bytes().last(),
        _ => None,
    };
    if before.is_some_and(|byte| byte.is_ascii_alphanumeric()) {
        return Err(BadPattern::InsideWord(name.into()));
    }
    let barred = before.filter(|byte| is_word(*byte));
    parts.push(Part::Word(name.into(), barred));
    Ok(rest)
}

/// Takes what stands before the next brace, and returns the rest.
fn literal<'t>(text: &'t str, parts: &mut Vec<Part>) -> Result<&'t str, BadPattern> {
    let (literal, rest) = text.split_at(text.find('{').unwrap_or(text.len()));
    for letter in literal.chars() {
        match letter {
            '}' => return Err(BadPattern::Brace),
            '*' => return Err(BadPattern::Star),
            ':' | '/' => {}
            letter if letter.is_ascii() && is_word(letter as u8) => {}
            letter => return Err(BadPattern::Character(letter)),
        }
    }
    parts.push(Part::Literal(literal.into()));
    Ok(rest)
}

/// Whether this may stand in a word: the alphabet of rooms without `:` and `/`.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.@-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'r>(pattern: &str, room: &'r str) -> Option<Vec<&'r str>> {
        let pattern: Pattern = pattern.parse().expect("a pattern");
        pattern.read(room).map(|words| words.to_vec())
    }

    #[test]
    fn a_word_is_whole() {
        assert_eq!(read("user:{sub}", "user:12"), Some(vec!["12"]));
        assert_eq!(
            read("user:{sub}", "user:a.b@c-d_e"),
            Some(vec!["a.b@c-d_e"])
        );
        for other in [
            "user:", "user", "user:1:2", "user:1/2", "users:1", "User:1", "a:user:1",
        ] {
            assert_eq!(read("user:{sub}", other), None, "{other}");
        }
        let two = read("org:{org}/team:{team}", "org:1/team:2");
        assert_eq!(two, Some(vec!["1", "2"]));
        assert_eq!(read("{tenant}:orders", "t1:orders"), Some(vec!["t1"]));
        assert_eq!(read("{tenant}:orders", ":orders"), None);
    }

    #[test]
    fn what_glues_a_word_to_its_prefix_stands_not_in_the_word() {
        assert_eq!(read("shop_{id}", "shop_1-2"), Some(vec!["1-2"]));
        assert_eq!(read("shop_{id}", "shop_1_2"), None);
        assert_eq!(read("shop_{id}", "shop__1"), None);
        assert_eq!(read("@{name}", "@anna"), Some(vec!["anna"]));
        assert_eq!(read("@{name}", "@@anna"), None);
    }

    #[test]
    fn a_star_stands_for_any_rest() {
        assert_eq!(read("product:*", "product:42"), Some(vec![]));
        assert_eq!(read("product:*", "product:"), Some(vec![]));
        assert_eq!(read("product:*", "products"), None);
        assert_eq!(read("*", "anything"), Some(vec![]));
        assert_eq!(read("shop_{id}:*", "shop_1:orders/2"), Some(vec!["1"]));
        assert_eq!(read("shop_{id}:*", "shop_1"), None);
        assert_eq!(read("shop_{id}:*", "shop_1_2:x"), None);
        assert_eq!(read("buyers", "buyers"), Some(vec![]));
        assert_eq!(read("buyers", "buyers2"), None);
    }

    #[test]
    fn an_ambiguous_pattern_is_refused_and_says_why() {
        use BadPattern::*;
        for (text, problem) in [
            ("", Empty),
            ("a b", Character(' ')),
            ("ü:{sub}", Character('ü')),
            ("a*b", Star),
            ("a**", Star),
            ("user:{sub}*", StarAfterWord("sub".into())),
            ("user:{sub", Brace),
            ("user:sub}", Brace),
            ("user:{{sub}}", Brace),
            ("user:{}", Unnamed),
            ("user:{sub}x", Glued("sub".into())),
            ("user:{a}{b}", Glued("a".into())),
            ("dm:{a}_{b}", Glued("a".into())),
            ("user{sub}", InsideWord("sub".into())),
            ("{a}:{b}:{a}", Twice("a".into())),
            ("{a}:{b}:{c}:{d}:{e}:{f}:{g}:{h}:{i}", Words),
        ] {
            let error = text.parse::<Pattern>().expect_err(text);
            assert_eq!(error, problem, "{text}");
        }
        let long = "x".repeat(MAX_ROOM_LENGTH + 1);
        assert_eq!(long.parse::<Pattern>().expect_err("long"), TooLong);
        let name = format!("a:{{{}}}", "n".repeat(129));
        assert_eq!(name.parse::<Pattern>().expect_err("long"), LongName);
    }

    #[test]
    fn names_may_be_paths_and_addresses() {
        let pattern: Pattern = "t:{https://example.com/tenant}/{app.role}"
            .parse()
            .expect("a pattern");
        let names: Vec<_> = pattern.names().collect();
        assert_eq!(names, ["https://example.com/tenant", "app.role"]);
    }
}
