//! How large a change may become.

use sqlx::PgConnection;

use super::{
    Report,
    problem::{Code, Problem},
    words::Words,
};
use crate::install::{
    Error,
    query::{query_as, query_scalar},
    triggers::{
        parts::Part,
        savepoint::Savepoint,
        script::{Kind, quoted},
        shadow::Shadow,
    },
};

/// Most bytes a notification can carry.
const PAYLOAD_LIMIT: i32 = 7_999;

/// A value beyond this leaves little room for others.
const LARGE: i32 = 1_000;

/// Rows that are looked at to see how large values are.
const ROWS: u32 = 1_000;

const LIMIT: &str = "with transport = payload a change beyond 7999 bytes is told by its keys alone";

/// A column whose type sets no useful bound.
struct Unbounded {
    name: String,
    kind: String,
    /// Of any size, by its nature.
    is_document: bool,
}

/// Columns that are shown in `old` or `new` and may be large.
pub(super) async fn check(
    connection: &mut PgConnection,
    parts: &[Part<'_>],
    shadow: &Shadow,
    table: &str,
    report: &mut Report,
) -> Result<(), Error> {
    let called: Vec<_> = parts
        .iter()
        .filter_map(|part| match &part.statement.kind {
            Kind::Trigger(trigger) if trigger.table.plain() == table => Some(&trigger.function),
            _ => None,
        })
        .collect();
    let columns = unbounded(connection, shadow).await?;
    for part in parts {
        let Kind::Function(function) = &part.statement.kind else {
            continue;
        };
        let (true, Some(span)) = (called.contains(&&function.name), &function.body) else {
            continue;
        };
        for (name, at) in shown(&part.statement.text[span.clone()]) {
            let Some(column) = columns.iter().find(|column| column.name == name) else {
                continue;
            };
            let largest = largest(connection, shadow, &name).await?;
            if !column.is_document && largest < LARGE {
                continue;
            }
            let problem = Problem::new(
                Code::RowSize,
                format!(
                    "{name} ({}) has no bound and is shown; the largest seen has {largest} bytes",
                    column.kind
                ),
                format!("leave it out, or show a part of it: left({name}, 200); {LIMIT}"),
            );
            let line = part.statement.line_of(span.start + at);
            report
                .problems
                .push(problem.at(part.file.name(), line).about(table));
        }
    }
    Ok(())
}

/// A change that a trigger has really written.
pub(super) fn of_row(bytes: i32) -> Option<Problem> {
    (bytes > PAYLOAD_LIMIT).then(|| {
        Problem::new(
            Code::RowSize,
            format!("a change of a row that is there has {bytes} bytes"),
            format!("show less in old and new; {LIMIT}"),
        )
    })
}

/// Words inside `jsonb_build_object(…)` that may be columns.
fn shown(body: &str) -> Vec<(String, usize)> {
    let words = Words::of(body);
    let mut shown = Vec::new();
    for open in (0..words.len()).filter(|at| words.is(*at, "jsonb_build_object")) {
        for at in open + 1..words.after_parenthesis(open + 1) {
            // A function cuts its argument, or says something else about it.
            let is_argument = words.is(at.wrapping_sub(1), "(") && at > open + 2;
            let is_qualified =
                words.is(at.wrapping_sub(1), ".") && at > open + 4 && words.is(at - 3, "(");
            if let Some(name) = words.name(at).filter(|_| !is_argument && !is_qualified) {
                shown.push((name, words.place(at)));
            }
        }
    }
    shown
}

async fn unbounded(
    connection: &mut PgConnection,
    shadow: &Shadow,
) -> Result<Vec<Unbounded>, Error> {
    let rows: Vec<(String, String, bool)> = query_as(
        "select attname::text, format_type(atttypid, atttypmod),
                typname in ('json', 'jsonb', 'xml', 'bytea') or typcategory = 'A'
           from pg_attribute join pg_type on pg_type.oid = atttypid
          where attrelid = $1 and attnum > 0 and not attisdropped
            and (typname in ('json', 'jsonb', 'xml', 'bytea') or typcategory = 'A'
                 or typcategory = 'S' and typname not in ('name', 'char')
                    and (atttypmod < 0 or atttypmod > 2000))",
    )
    .bind(shadow.oid)
    .fetch_all(connection)
    .await
    .map_err(|source| Error::statement("look at the columns", &source))?;
    let column = |(name, kind, is_document)| Unbounded {
        name,
        kind,
        is_document,
    };
    Ok(rows.into_iter().map(column).collect())
}

/// Nothing where the rows cannot be read.
async fn largest(
    connection: &mut PgConnection,
    shadow: &Shadow,
    column: &str,
) -> Result<i32, Error> {
    let column = quoted(column);
    let query = format!(
        "select coalesce(max(octet_length({column}::text)), 0)
           from (select {column} from {} limit {ROWS}) as sample",
        shadow.of.name
    );
    let savepoint = Savepoint::set(connection).await?;
    let largest = query_scalar(&query).fetch_one(&mut *connection).await;
    savepoint.roll_back(connection).await?;
    Ok(largest.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_are_shown_are_found_and_those_that_are_cut_are_not() {
        let names = |sql| {
            shown(sql)
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names("jsonb_build_object('a', n.body, 'b', price), title"),
            ["n", "body", "price"]
        );
        assert_eq!(
            names("jsonb_build_object('a', left(n.body, 9), 'b', length(body))"),
            ["left", "length"]
        );
    }
}
