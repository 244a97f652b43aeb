//! What a trigger function must not do. Pure: from its body to what is wrong, by place.

use std::collections::BTreeSet;

use super::{
    problem::{Code, Problem},
    words::Words,
};

/// Functions whose arguments may be told apart by `from`.
const FROM_INSIDE: &[&str] = &["extract", "substring", "trim", "overlay", "position"];

/// Levels of RAISE that fail nothing.
const HARMLESS: &[&str] = &["debug", "log", "info", "notice", "warning"];

const OF_A_ROW: &[&str] = &[
    "to_jsonb",
    "to_json",
    "row_to_json",
    "jsonb_agg",
    "json_agg",
];

/// What is wrong with a body, each with its place in bytes. `transition` are the names of its
/// transition tables.
pub(super) fn problems(body: &str, transition: &BTreeSet<String>) -> Vec<(usize, Problem)> {
    let words = Words::of(body);
    let body = Body {
        aliases: aliases(&words, transition),
        known: known(&words, transition),
        words: &words,
        transition,
    };
    (0..words.len())
        .filter_map(|index| Some((words.place(index), body.problem(index)?)))
        .collect()
}

struct Body<'a> {
    words: &'a Words<'a>,
    transition: &'a BTreeSet<String>,
    /// What stands for a row of a transition table.
    aliases: BTreeSet<String>,
    /// Tables that need no schema.
    known: BTreeSet<String>,
}

impl Body<'_> {
    fn problem(&self, index: usize) -> Option<Problem> {
        let words = self.words;
        if words.is(index, "execute") {
            return Some(Problem::new(
                Code::DynamicSql,
                "EXECUTE plans its statement at every call, and hides it from checks",
                "write the statement as it is",
            ));
        }
        if words.are(index, &["exception", "when"]) {
            return Some(Problem::new(
                Code::ExceptionBlock,
                "an EXCEPTION block is a subtransaction at every call",
                "take it out; a trigger that does not raise needs none",
            ));
        }
        if words.is(index, "raise") && !words.is_any(index + 1, HARMLESS)
            || words.is(index, "assert")
        {
            return Some(Problem::new(
                Code::Raise,
                "this fails the write that fired the trigger",
                "leave the row out instead, or raise a warning",
            ));
        }
        if words.is(index, "loop") && !words.is(index.wrapping_sub(1), "end") {
            return Some(Problem::new(
                Code::Loop,
                "a loop runs its statements once per row",
                "write one insert … select over the transition tables",
            ));
        }
        self.whole_row(index)
            .or_else(|| self.inner_join(index))
            .or_else(|| self.unqualified(index))
    }

    fn whole_row(&self, index: usize) -> Option<Problem> {
        let words = self.words;
        if !words.is_any(index, OF_A_ROW) || !words.is(index + 1, "(") {
            return None;
        }
        let row = words
            .name(index + 2)
            .filter(|name| self.aliases.contains(name))?;
        let ends = words.is(index + 3, ")") || words.are(index + 3, &[".", "*"]);
        ends.then(|| {
            Problem::new(
                Code::WholeRow,
                format!(
                    "a whole row ({row}) leaves the database, also columns that are added later"
                ),
                "name the columns: jsonb_build_object('price', price)",
            )
        })
    }

    /// `old_rows as o join new_rows`, or with a comma between them.
    fn inner_join(&self, index: usize) -> Option<Problem> {
        let words = self.words;
        let is_transition = |index| {
            words
                .name(index)
                .is_some_and(|name| self.transition.contains(&name))
        };
        if !is_transition(index) || index < 2 {
            return None;
        }
        let before = index - 1;
        let by_join = words.is(before, "join")
            && !words.is_any(before - 1, &["full", "left", "right", "outer", "cross"]);
        // Back over the alias, if there is one.
        let other = (1..=3)
            .map(|back| before.wrapping_sub(back))
            .find(|other| is_transition(*other));
        let by_comma = words.is(before, ",") && other.is_some();
        (by_join || by_comma).then(|| {
            Problem::new(
                Code::InnerJoin,
                "an inner join of transition tables can become a nested loop over ten thousand rows, and does \
                 not see a changed primary key",
                "write old_rows as o full join new_rows as n using (…)",
            )
        })
    }

    fn unqualified(&self, index: usize) -> Option<Problem> {
        let words = self.words;
        let names_a_table = words.is(index, "join")
            || words.is(index, "from") && !self.is_other_from(index)
            || words.are(index, &["insert", "into"])
            || words.is(index, "update")
                && !words.is_any(index.wrapping_sub(1), &["for", "do", "key"]);
        if !names_a_table {
            return None;
        }
        let mut at = index + 1 + usize::from(words.is(index, "insert"));
        at += usize::from(words.is(at, "only"));
        let name = words.name(at)?;
        let is_table = !words.is(at + 1, ".") && !words.is(at + 1, "(")
            || words.is(index, "insert") && !words.is(at + 1, ".");
        (is_table && !self.known.contains(&name)).then(|| {
            Problem::new(
                Code::UnqualifiedTable,
                format!(
                    "{name} has no schema: whoever can make a table of that name decides what it is"
                ),
                format!("write its schema: public.{name}"),
            )
        })
    }

    /// `is distinct from`, and `extract(epoch from …)`.
    fn is_other_from(&self, index: usize) -> bool {
        let words = self.words;
        if index > 0
            && words.is(index - 1, "distinct")
            && index > 1
            && words.is_any(index - 2, &["is", "not"])
        {
            return true;
        }
        let mut depth = 0_usize;
        for before in (0..index).rev() {
            if words.is(before, ")") {
                depth += 1;
            } else if words.is(before, "(") && depth > 0 {
                depth -= 1;
            } else if words.is(before, "(") {
                return before > 0 && words.is_any(before - 1, FROM_INSIDE);
            }
        }
        false
    }
}

/// Names of rows: `new`, `old`, the transition tables and what they are called in a statement.
fn aliases(words: &Words<'_>, transition: &BTreeSet<String>) -> BTreeSet<String> {
    let mut aliases: BTreeSet<String> = transition.clone();
    aliases.extend(["new".to_owned(), "old".to_owned()]);
    for index in 0..words.len() {
        if words
            .name(index)
            .is_some_and(|name| transition.contains(&name))
        {
            let at = index + 1 + usize::from(words.is(index + 1, "as"));
            let is_word = !words.is_any(
                at,
                &[
                    "where", "full", "left", "join", "cross", "offset", "limit", "group", "order",
                    "union", "having",
                ],
            );
            aliases.extend(words.name(at).filter(|_| is_word));
        }
    }
    aliases
}

/// What `from` may name without a schema: transition tables and common table expressions.
fn known(words: &Words<'_>, transition: &BTreeSet<String>) -> BTreeSet<String> {
    let mut known = transition.clone();
    known.extend(["lateral".to_owned(), "select".to_owned()]);
    for index in 0..words.len() {
        let opens = words.are(index + 1, &["as", "("])
            || words.are(index + 1, &["as", "materialized"])
            || words.are(index + 1, &["as", "not", "materialized"]);
        if opens {
            known.extend(words.name(index));
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(body: &str) -> Vec<Code> {
        let transition = ["old_rows", "new_rows"].map(str::to_owned).into();
        problems(body, &transition)
            .into_iter()
            .map(|(_, problem)| problem.code)
            .collect()
    }

    #[test]
    fn what_the_guide_forbids_is_found() {
        for (body, code) in [
            ("begin execute 'select 1'; end", Code::DynamicSql),
            (
                "begin null; exception when others then null; end",
                Code::ExceptionBlock,
            ),
            ("begin raise exception 'no'; end", Code::Raise),
            ("begin raise 'no'; end", Code::Raise),
            ("for r in select 1 loop null; end loop", Code::Loop),
            ("select to_jsonb(new)", Code::WholeRow),
            ("select row_to_json(n) from new_rows as n", Code::WholeRow),
            ("select to_jsonb(r.*) from new_rows r", Code::WholeRow),
            (
                "select 1 from old_rows as o join new_rows as n using (id)",
                Code::InnerJoin,
            ),
            (
                "select 1 from old_rows o inner join new_rows n using (id)",
                Code::InnerJoin,
            ),
            (
                "select 1 from old_rows o, new_rows n where o.id = n.id",
                Code::InnerJoin,
            ),
            ("select 1 from products", Code::UnqualifiedTable),
            (
                "select 1 from new_rows left join products on true",
                Code::UnqualifiedTable,
            ),
            ("insert into change (id) values (1)", Code::UnqualifiedTable),
            ("update schedule set id = 1", Code::UnqualifiedTable),
            ("delete from schedule", Code::UnqualifiedTable),
        ] {
            assert_eq!(found(body), [code], "{body}");
        }
    }

    #[test]
    fn what_the_guide_allows_is_let_through() {
        for body in [
            "raise warning 'odd'",
            "select to_jsonb(price) from new_rows as n",
            "select 1 from old_rows as o full join new_rows as n using (id)",
            "select 1 from old_rows as o full outer join new_rows as n using (id)",
            "select 1 from old_rows as o cross join new_rows as n",
            "select 1 where (o.a, o.b) is distinct from (n.a, n.b) and o.a is not distinct from n.a",
            "select extract(epoch from at), substring(name from 2) from public.products",
            "insert into pgbell.schedule (id) values (1) on conflict (id) do update set id = 2",
            "with moved as (select 1) select 1 from moved",
            "select 1 from unnest(rooms) join lateral (select 1) as x on true",
            "-- execute; raise exception\nselect 'execute' ",
        ] {
            assert_eq!(found(body), [], "{body}");
        }
    }
}
