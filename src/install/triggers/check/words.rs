//! A piece of SQL, word by word.

use crate::install::triggers::script::lexer::{Kind, Token, tokens};

/// Key words are asked for by number, so that a rule can look at what stands around them.
pub(super) struct Words<'a> {
    text: &'a str,
    tokens: Vec<Token>,
}

impl<'a> Words<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self {
            text,
            tokens: tokens(text),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Where it begins, in bytes.
    pub(super) fn place(&self, index: usize) -> usize {
        self.tokens
            .get(index)
            .map_or(self.text.len(), |token| token.span.start)
    }

    fn said(&self, index: usize) -> &'a str {
        let token = self.tokens.get(index);
        token.map_or("", |token| &self.text[token.span.clone()])
    }

    /// Whether this is that key word or symbol.
    pub(super) fn is(&self, index: usize, wanted: &str) -> bool {
        let kind = self.tokens.get(index).map(|token| token.kind);
        matches!(kind, Some(Kind::Word | Kind::Symbol))
            && self.said(index).eq_ignore_ascii_case(wanted)
    }

    pub(super) fn is_any(&self, index: usize, wanted: &[&str]) -> bool {
        wanted.iter().any(|wanted| self.is(index, wanted))
    }

    /// Whether these key words follow each other.
    pub(super) fn are(&self, index: usize, wanted: &[&str]) -> bool {
        wanted
            .iter()
            .enumerate()
            .all(|(ahead, wanted)| self.is(index + ahead, wanted))
    }

    /// Where these key words follow each other for the first time.
    pub(super) fn find(&self, wanted: &[&str]) -> Option<usize> {
        (0..self.len()).find(|index| self.are(*index, wanted))
    }

    /// The name that stands here, folded as Postgres folds names.
    pub(super) fn name(&self, index: usize) -> Option<String> {
        let said = self.said(index);
        match self.tokens.get(index)?.kind {
            Kind::Word if !said.starts_with(|first: char| first.is_ascii_digit()) => {
                Some(said.to_lowercase())
            }
            Kind::Quoted => Some(said.trim_matches('"').replace("\"\"", "\"")),
            _ => None,
        }
    }

    /// What stands between the single quotes here.
    pub(super) fn string(&self, index: usize) -> Option<&'a str> {
        let is_text = self.tokens.get(index)?.kind == Kind::Text;
        let said = self.said(index);
        is_text.then(|| said.strip_prefix('\'')?.strip_suffix('\''))?
    }

    /// The number of the word after the parenthesis that closes the one at `open`.
    pub(super) fn after_parenthesis(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for index in open..self.len() {
            if self.is(index, "(") {
                depth += 1;
            } else if self.is(index, ")") {
                depth = depth.saturating_sub(1);
            }
            if depth == 0 {
                return index + 1;
            }
        }
        self.len()
    }
}
