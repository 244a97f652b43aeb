//! Which statements can be traced, and how.

use crate::install::triggers::script::Script;

/// How a statement is run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// Below EXPLAIN, which says where the time goes.
    Explained,
    /// As it is, because EXPLAIN does not take it.
    Plain,
}

/// How one statement is run, or why it is not.
pub(super) fn way(sql: &str) -> Result<Way, &'static str> {
    let script = Script::split(sql);
    let mut statements = script.statements.iter().filter(|one| !one.is_empty());
    let (Some(statement), None) = (statements.next(), statements.next()) else {
        return Err("give one statement, and only one; further ones go behind --also");
    };
    let letters = statement.text.trim_start_matches('(').trim_start();
    let end = letters.find(|letter: char| !letter.is_ascii_alphanumeric());
    let word = letters[..end.unwrap_or(letters.len())].to_ascii_lowercase();
    match word.as_str() {
        "insert" | "update" | "delete" | "merge" | "with" | "select" | "values" => {
            Ok(Way::Explained)
        }
        "truncate" | "call" | "do" | "set" => Ok(Way::Plain),
        "copy" => Err(
            "COPY brings its rows from elsewhere; trace an insert of a few of them, \
             which fires the same triggers",
        ),
        "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release"
        | "prepare" => Err("the transaction is trace's own, and always rolled back"),
        "explain" => Err("give the statement itself, without EXPLAIN"),
        _ => Err(
            "only insert, update, delete, merge, select, with, values, truncate, call, do and set \
             can be traced",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_decides() {
        for explained in [
            "update t set a = 1",
            " -- why\n /* /* nested */ */ With x as (select 1) select 1;",
            "(select 1) union (select 2)",
            "insert into t values ('; commit')",
        ] {
            assert_eq!(way(explained), Ok(Way::Explained), "{explained}");
        }
        for plain in [
            "truncate t",
            "do $$ begin commit; end $$",
            "call p()",
            "set local a.b = 1",
        ] {
            assert_eq!(way(plain), Ok(Way::Plain), "{plain}");
        }
        for refused in [
            "",
            ";",
            "commit",
            "; commit",
            "/* update */ end",
            "update t set a = 1; commit",
            "copy t from stdin",
            "alter table t add b int",
            "explain update t set a = 1",
        ] {
            assert!(way(refused).is_err(), "{refused}");
        }
    }
}
