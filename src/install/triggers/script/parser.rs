//! Where statements end, and what they make.

use std::ops::Range;

use super::{
    Event, Fires, Firing, Function, Kind, Level, Name, Timing, Trigger,
    lexer::{self, Token},
};

/// For each statement, the number of tokens up to and with its semicolon. Parentheses may hold
/// semicolons (`create rule`), and so may `begin atomic … end`.
pub(super) fn ends(text: &str, tokens: &[Token]) -> Vec<usize> {
    let mut ends = Vec::new();
    let (mut parentheses, mut blocks) = (0_usize, 0_usize);
    for (index, token) in tokens.iter().enumerate() {
        let word = &text[token.span.clone()];
        let is =
            |wanted: &str| token.kind == lexer::Kind::Word && word.eq_ignore_ascii_case(wanted);
        match word {
            "(" => parentheses += 1,
            ")" => parentheses = parentheses.saturating_sub(1),
            ";" if parentheses == 0 && blocks == 0 => ends.push(index + 1),
            _ if is("atomic") && follows(text, tokens, index, "begin", 0) => blocks += 1,
            _ if is("case") && blocks > 0 => blocks += 1,
            _ if is("end") => blocks = blocks.saturating_sub(1),
            _ => {}
        }
    }
    if ends.last().copied().unwrap_or(0) < tokens.len() {
        ends.push(tokens.len());
    }
    ends
}

fn follows(text: &str, tokens: &[Token], index: usize, wanted: &str, start: usize) -> bool {
    let before = index.checked_sub(1).and_then(|before| tokens.get(before));
    before.is_some_and(|before| {
        text[before.span.start - start..before.span.end - start].eq_ignore_ascii_case(wanted)
    })
}

/// What the statement makes whose tokens these are; `start` is where its text begins.
pub(super) fn classify(text: &str, tokens: &[Token], start: usize) -> Kind {
    let mut parser = Parser {
        text,
        tokens,
        start,
        at: 0,
    };
    parser.statement().unwrap_or(Kind::Other)
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token],
    start: usize,
    at: usize,
}

impl<'a> Parser<'a> {
    fn statement(&mut self) -> Option<Kind> {
        if self.takes("create") {
            let replaces = self.takes("or") && self.takes("replace");
            if self.takes("function") || self.takes("procedure") {
                return self.function();
            }
            return self.trigger(replaces);
        }
        if self.takes("alter") {
            return self.alter();
        }
        let word = self.word()?.to_ascii_lowercase();
        match word.as_str() {
            "grant" | "revoke" => Some(Kind::Catalogue),
            "comment" => {
                // Comments on triggers and tables lock the table, though not for writers.
                let _on = self.takes("on");
                (self.takes("function") || self.takes("procedure")).then_some(Kind::Catalogue)
            }
            "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint"
            | "release" => Some(Kind::Transaction),
            "prepare" => self.takes("transaction").then_some(Kind::Transaction),
            _ => None,
        }
    }

    fn function(&mut self) -> Option<Kind> {
        let (name, _) = self.name()?;
        let body = (self.at..self.tokens.len()).find_map(|index| {
            let token = &self.tokens[index];
            let is_body = token.kind == lexer::Kind::Text
                && follows(self.text, self.tokens, index, "as", self.start);
            is_body.then(|| self.inside(token))
        });
        Some(Kind::Function(Function { name, body }))
    }

    fn trigger(&mut self, replaces: bool) -> Option<Kind> {
        let after_create = self.token()?.span.start - self.start;
        let is_constraint = self.takes("constraint");
        self.expects("trigger")?;
        let (name, _) = self.name()?;
        let timing = self.timing()?;
        let events = self.events()?;
        let (table, table_span) = self.name()?;
        let mut trigger = Trigger {
            name: name.name,
            table,
            table_span,
            timing,
            events,
            level: Level::Statement,
            old_table: None,
            new_table: None,
            has_condition: false,
            function: Name {
                schema: None,
                name: String::new(),
            },
            replaces,
            is_constraint,
            after_create,
        };
        while self.token().is_some() {
            self.clause(&mut trigger)?;
        }
        (!trigger.function.name.is_empty()).then_some(Kind::Trigger(trigger))
    }

    fn timing(&mut self) -> Option<Timing> {
        if self.takes("instead") {
            self.expects("of")?;
            return Some(Timing::InsteadOf);
        }
        if self.takes("before") {
            return Some(Timing::Before);
        }
        self.takes("after").then_some(Timing::After)
    }

    /// What stands before `on`.
    fn events(&mut self) -> Option<Vec<Event>> {
        let mut events = Vec::new();
        loop {
            let event = match self.word()?.to_ascii_lowercase().as_str() {
                "insert" => Event::Insert,
                "delete" => Event::Delete,
                "truncate" => Event::Truncate,
                "update" if self.takes("of") => Event::Update(self.columns()?),
                "update" => Event::Update(Vec::new()),
                _ => return None,
            };
            events.push(event);
            if self.takes("on") {
                return Some(events);
            }
            self.expects("or")?;
        }
    }

    fn columns(&mut self) -> Option<Vec<String>> {
        let mut columns = vec![self.identifier()?];
        while self.takes(",") {
            columns.push(self.identifier()?);
        }
        Some(columns)
    }

    /// One of what follows the table's name, or a token that says nothing here.
    fn clause(&mut self, trigger: &mut Trigger) -> Option<()> {
        if self.takes("referencing") {
            while self.is("old") || self.is("new") {
                let is_old = self.takes("old") || !self.takes("new");
                let _ = self.takes("table") || self.takes("row");
                let _ = self.takes("as");
                let name = Some(self.identifier()?);
                if is_old {
                    trigger.old_table = name;
                } else {
                    trigger.new_table = name;
                }
            }
        } else if self.takes("for") {
            let _ = self.takes("each");
            if self.takes("row") {
                trigger.level = Level::Row;
            }
        } else if self.takes("when") {
            trigger.has_condition = true;
            self.skip_parentheses();
        } else if self.takes("execute") {
            let _ = self.takes("function") || self.takes("procedure");
            trigger.function = self.name()?.0;
            self.at = self.tokens.len();
        } else {
            self.at += 1;
        }
        Some(())
    }

    fn skip_parentheses(&mut self) {
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

    fn alter(&mut self) -> Option<Kind> {
        if self.takes("function") || self.takes("procedure") || self.takes("routine") {
            return Some(Kind::Catalogue);
        }
        self.expects("table")?;
        if self.takes("if") {
            self.expects("exists")?;
        }
        let _ = self.takes("only");
        let (table, table_span) = self.name()?;
        let _ = self.takes("*");
        let fires = if self.takes("disable") {
            Fires::Never
        } else {
            self.expects("enable")?;
            match () {
                () if self.takes("always") => Fires::Always,
                () if self.takes("replica") => Fires::Replica,
                () => Fires::Origin,
            }
        };
        self.expects("trigger")?;
        if self.is("all") || self.is("user") {
            return None;
        }
        let trigger = self.identifier()?;
        let ends = self.token().is_none() || self.is(";");
        ends.then_some(Kind::Firing(Firing {
            table,
            table_span,
            trigger,
            fires,
        }))
    }

    fn token(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn said(&self, token: &Token) -> &'a str {
        &self.text[token.span.start - self.start..token.span.end - self.start]
    }

    /// Whether the next token is this key word or symbol.
    fn is(&self, wanted: &str) -> bool {
        self.token().is_some_and(|token| {
            matches!(token.kind, lexer::Kind::Word | lexer::Kind::Symbol)
                && self.said(token).eq_ignore_ascii_case(wanted)
        })
    }

    fn takes(&mut self, wanted: &str) -> bool {
        let is = self.is(wanted);
        self.at += usize::from(is);
        is
    }

    fn expects(&mut self, wanted: &str) -> Option<()> {
        self.takes(wanted).then_some(())
    }

    fn word(&mut self) -> Option<&'a str> {
        let token = self.token()?;
        let word = (token.kind == lexer::Kind::Word).then(|| self.said(token))?;
        self.at += 1;
        Some(word)
    }

    /// A name as Postgres folds it: lower case unless it is in quotes.
    fn identifier(&mut self) -> Option<String> {
        let token = self.token()?;
        let name = match token.kind {
            lexer::Kind::Word => self.said(token).to_lowercase(),
            lexer::Kind::Quoted => self.text[self.inside(token)].replace("\"\"", "\""),
            lexer::Kind::Text | lexer::Kind::Symbol => return None,
        };
        self.at += 1;
        Some(name)
    }

    /// `name` or `schema.name`, and where it stands.
    fn name(&mut self) -> Option<(Name, Range<usize>)> {
        let start = self.token()?.span.start - self.start;
        let mut name = self.identifier()?;
        let mut schema = None;
        if self.takes(".") {
            schema = Some(std::mem::replace(&mut name, self.identifier()?));
        }
        let end = self.tokens[self.at - 1].span.end - self.start;
        Some((Name { schema, name }, start..end))
    }

    /// What stands between the quotes of a token.
    fn inside(&self, token: &Token) -> Range<usize> {
        let said = self.said(token);
        let open = match said.strip_prefix('$').and_then(|rest| rest.find('$')) {
            Some(tag) => tag + 2,
            None => said.find(['\'', '"']).map_or(0, |quote| quote + 1),
        };
        let closes = if said.starts_with('$') { open } else { 1 };
        let (start, end) = (token.span.start - self.start, token.span.end - self.start);
        let close = end.saturating_sub(closes).max(start + open);
        (start + open).min(end)..close.min(end)
    }
}
