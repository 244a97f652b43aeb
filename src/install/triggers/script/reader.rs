//! A place among the tokens of a statement, which goes on as they are understood.

use std::ops::Range;

use super::{
    Name,
    lexer::{Kind, Token},
};

/// The next token of a statement, and those behind it.
pub(super) struct Reader<'a> {
    text: &'a str,
    tokens: &'a [Token],
    /// Where the text begins in the file, whose bytes the tokens count.
    start: usize,
    /// The next token.
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, tokens: &'a [Token], start: usize) -> Self {
        Self {
            text,
            tokens,
            start,
            at: 0,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub(super) fn skip(&mut self) {
        self.at += 1;
    }

    pub(super) fn finish(&mut self) {
        self.at = self.tokens.len();
    }

    /// Where the next token begins in the text.
    pub(super) fn position(&self) -> Option<usize> {
        Some(self.token()?.span.start - self.start)
    }

    fn token(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn said(&self, token: &Token) -> &'a str {
        &self.text[token.span.start - self.start..token.span.end - self.start]
    }

    /// Whether the next token is this key word or symbol.
    pub(super) fn is(&self, wanted: &str) -> bool {
        self.token().is_some_and(|token| {
            matches!(token.kind, Kind::Word | Kind::Symbol)
                && self.said(token).eq_ignore_ascii_case(wanted)
        })
    }

    /// Goes past the next token if it is this one.
    pub(super) fn takes(&mut self, wanted: &str) -> bool {
        let is = self.is(wanted);
        self.at += usize::from(is);
        is
    }

    /// The same where nothing else may stand.
    pub(super) fn expects(&mut self, wanted: &str) -> Option<()> {
        self.takes(wanted).then_some(())
    }

    pub(super) fn word(&mut self) -> Option<&'a str> {
        let token = self.token()?;
        let word = (token.kind == Kind::Word).then(|| self.said(token))?;
        self.at += 1;
        Some(word)
    }

    /// A name as Postgres folds it: lower case unless it is in quotes.
    pub(super) fn identifier(&mut self) -> Option<String> {
        let token = self.token()?;
        let name = match token.kind {
            Kind::Word => self.said(token).to_lowercase(),
            Kind::Quoted => self.text[self.inside(token)].replace("\"\"", "\""),
            Kind::Text | Kind::Symbol => return None,
        };
        self.at += 1;
        Some(name)
    }

    /// `name` or `schema.name`, and where it stands.
    pub(super) fn name(&mut self) -> Option<(Name, Range<usize>)> {
        let start = self.position()?;
        let mut name = self.identifier()?;
        let mut schema = None;
        if self.takes(".") {
            schema = Some(std::mem::replace(&mut name, self.identifier()?));
        }
        let end = self.tokens[self.at - 1].span.end - self.start;
        Some((Name { schema, name }, start..end))
    }

    /// What stands between the quotes of a token; the last of them may be missing.
    fn inside(&self, token: &Token) -> Range<usize> {
        let said = self.said(token);
        let (open, quote) = match said.strip_prefix('$').and_then(|rest| rest.find('$')) {
            Some(tag) => (tag + 2, &said[..tag + 2]),
            None => said
                .find(['\'', '"'])
                .map_or((0, ""), |at| (at + 1, &said[at..=at])),
        };
        let rest = &said[open..];
        let length = rest.strip_suffix(quote).unwrap_or(rest).len();
        let start = token.span.start - self.start + open;
        start..start + length
    }

    pub(super) fn skip_parentheses(&mut self) {
        let mut depth = 0_usize;
        while self.token().is_some() {
            if self.is("(") {
                depth += 1;
            } else if self.is(")") {
                depth = depth.saturating_sub(1);
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    /// The first string behind a word from here on, without its quotes.
    pub(super) fn text_after(&self, word: &str) -> Option<Range<usize>> {
        let rest = self.tokens.get(self.at.saturating_sub(1)..)?;
        let mut pairs = rest.windows(2);
        let pair = pairs.find(|pair| {
            pair[1].kind == Kind::Text && self.said(&pair[0]).eq_ignore_ascii_case(word)
        })?;
        Some(self.inside(&pair[1]))
    }
}
