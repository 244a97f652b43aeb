//! The words of SQL as Postgres reads them: enough to know where a statement ends and what it makes.

use std::ops::Range;

/// What a piece of SQL is. White space and comments are no tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::install::triggers) enum Kind {
    /// A key word, a name without quotes, or a number.
    Word,
    /// A name in double quotes.
    Quoted,
    /// A string, in whatever quotes.
    Text,
    /// One character of anything else.
    Symbol,
}

#[derive(Clone, Debug)]
pub(in crate::install::triggers) struct Token {
    pub(in crate::install::triggers) kind: Kind,
    pub(in crate::install::triggers) span: Range<usize>,
}

/// All tokens of `sql`, in order. A quote or comment that never ends goes to the end.
pub(in crate::install::triggers) fn tokens(sql: &str) -> Vec<Token> {
    let mut lexer = Lexer { sql, at: 0 };
    std::iter::from_fn(|| lexer.next()).collect()
}

/// Every delimiter is ASCII, so whatever is cut out begins and ends between characters.
struct Lexer<'a> {
    sql: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<Token> {
        self.skip_blanks();
        let start = self.at;
        let kind = match self.byte(0)? {
            b'\'' => self.quoted(b'\'', false),
            b'"' => {
                self.quoted(b'"', false);
                Kind::Quoted
            }
            b'e' | b'E' if self.byte(1) == Some(b'\'') => {
                self.at += 1;
                self.quoted(b'\'', true)
            }
            b'$' => self.dollar(),
            byte if is_word(byte) => {
                self.skip_while(|byte| is_word(byte) || byte == b'$');
                Kind::Word
            }
            _ => {
                self.at += 1;
                Kind::Symbol
            }
        };
        let span = start..self.at;
        Some(Token { kind, span })
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.sql.as_bytes().get(self.at + ahead).copied()
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.byte(0).is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn skip_blanks(&mut self) {
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(byte), _) if byte.is_ascii_whitespace() || byte == 0x0b => self.at += 1,
                (Some(b'-'), Some(b'-')) => self.skip_while(|byte| byte != b'\n' && byte != b'\r'),
                (Some(b'/'), Some(b'*')) => self.block_comment(),
                _ => return,
            }
        }
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0;
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                }
                (Some(_), _) => self.at += 1,
                (None, _) => return,
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Stands at the opening quote. A doubled quote stands for one.
    fn quoted(&mut self, quote: u8, escapes: bool) -> Kind {
        self.at += 1;
        while let Some(byte) = self.byte(0) {
            self.at += 1;
            if byte == b'\\' && escapes && self.byte(0).is_some() {
                self.at += 1;
            } else if byte == quote {
                if self.byte(0) != Some(quote) {
                    break;
                }
                self.at += 1;
            }
        }
        // An escape may have stopped inside a character.
        while !self.sql.is_char_boundary(self.at) {
            self.at += 1;
        }
        Kind::Text
    }

    /// `$tag$ … $tag$`, or a parameter's dollar.
    fn dollar(&mut self) -> Kind {
        let rest = &self.sql[self.at..];
        let name = rest[1..].bytes().take_while(|byte| is_word(*byte)).count();
        let opens = !rest[1..].starts_with(|first: char| first.is_ascii_digit())
            && rest.as_bytes().get(1 + name) == Some(&b'$');
        if !opens {
            self.at += 1;
            return Kind::Symbol;
        }
        let tag = &rest[..name + 2];
        let body = &rest[tag.len()..];
        let length = body
            .find(tag)
            .map_or(rest.len(), |end| tag.len() + end + tag.len());
        self.at += length;
        Kind::Text
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}
