//! From what the server complains about to the line of a file that says it.

use sqlx::postgres::{PgDatabaseError, PgErrorPosition};

use super::{
    parts::Part,
    script::{Kind, Statement},
};

/// Where a function body went wrong, as the server's context tells.
#[derive(Debug, PartialEq, Eq)]
struct Complaint<'a> {
    /// The function's name without schema and arguments.
    function: &'a str,
    /// The line of the body, from 1.
    line: usize,
}

/// A place in a function of a file.
pub(super) struct Located<'p> {
    pub(super) file: &'p str,
    pub(super) line: usize,
    /// The function's name without its schema.
    pub(super) function: &'p str,
}

/// Which function of the files the error is in, and where.
pub(super) fn in_function<'p>(
    parts: &'p [Part<'_>],
    error: &PgDatabaseError,
) -> Option<Located<'p>> {
    let complaints: Vec<_> = complaints(error.r#where()?).collect();
    let query = match error.position() {
        Some(PgErrorPosition::Internal { position, query }) => Some((position, query)),
        _ => None,
    };
    parts.iter().find_map(|part| {
        let statement = &part.statement;
        let Kind::Function(function) = &statement.kind else {
            return None;
        };
        let body = function.body.clone()?;
        let is_it = |complaint: &&Complaint<'_>| function.name.name == complaint.function;
        let complaint = complaints.iter().find(is_it)?;
        Some(Located {
            file: part.file.name(),
            line: line(statement, body, complaint.line, query),
            function: &function.name.name,
        })
    })
}

/// The lines of context that name a function and a line, innermost first.
fn complaints(context: &str) -> impl Iterator<Item = Complaint<'_>> {
    context.lines().filter_map(|line| {
        let (_, rest) = line.split_once("function ")?;
        let (function, rest) = rest.split_once('(')?;
        let (_, rest) = rest.split_once(") line ")?;
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let function = function.rsplit_once('.').map_or(function, |(_, name)| name);
        Some(Complaint {
            function: function.trim_matches('"'),
            line: number.parse().ok()?,
        })
    })
}

/// The server counts lines of the body from its opening quote, and names the statement's first; the
/// position in the statement tells the very line.
fn line(
    statement: &Statement<'_>,
    body: std::ops::Range<usize>,
    of_body: usize,
    query: Option<(usize, &str)>,
) -> usize {
    let text = &statement.text[body.clone()];
    let begins = text
        .split_inclusive('\n')
        .take(of_body.saturating_sub(1))
        .map(str::len)
        .sum::<usize>();
    let found = query.and_then(|(position, query)| {
        let at = begins + text.get(begins..)?.find(query)?;
        let inside: usize = query
            .chars()
            .take(position.saturating_sub(1))
            .map(char::len_utf8)
            .sum();
        Some(at + inside)
    });
    statement.line_of(body.start + found.unwrap_or(begins))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::triggers::script::Script;

    #[test]
    fn the_context_of_an_error_names_function_and_line() {
        let context = "SQL statement \"insert (x) line 3\"\n\
                       PL/pgSQL function pgbell.products_updated() line 36 at SQL statement";
        let read = complaints(context).next().expect("a function");
        assert_eq!((read.function, read.line), ("products_updated", 36));
        assert_eq!(complaints("nothing of the kind").next(), None);
    }

    #[test]
    fn the_position_in_a_statement_leads_to_its_line() {
        let sql = "\n-- a\ncreate function f() returns trigger as $$\nbegin\n  select ü,\n    prize\n  from t;\nend $$;";
        let script = Script::split(sql);
        let statement = &script.statements[0];
        let Kind::Function(function) = &statement.kind else {
            panic!("{statement:?}");
        };
        let body = function.body.clone().expect("a body");
        let query = "select ü,\n    prize\n  from t";
        assert_eq!(line(statement, body.clone(), 3, None), 5);
        assert_eq!(line(statement, body.clone(), 3, Some((16, query))), 6);
        assert_eq!(line(statement, body, 99, Some((16, query))), 8);
    }
}
