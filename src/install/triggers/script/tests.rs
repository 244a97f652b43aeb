use proptest::prelude::*;

use super::*;

fn kinds(sql: &str) -> Vec<Kind> {
    let statements = Script::split(sql).statements;
    statements.into_iter().map(|one| one.kind).collect()
}

fn trigger(sql: &str) -> Trigger {
    match kinds(sql).remove(0) {
        Kind::Trigger(trigger) => trigger,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_statement_ends_where_the_server_says_it_ends() {
    let whole = [
        "select ';'",
        "select E'it\\'s;'",
        "select 'it''s;'",
        "select '\\'",
        "select \"a;\"\"b\"",
        "select $$;$$",
        "select $a$ $$;$$ $b$;$b$ $a$",
        "select 1 -- ;\n",
        "select 1 /* ; /* ; */ ; */",
        "select $1, a$b$c",
        "create rule r as on insert to t do also (select 1; select 2)",
        "create function f() returns int begin atomic select case when true then 1 end; select 2; end",
        "select 'ü;', ü$ü$",
    ];
    for sql in whole {
        let text = format!("{sql};\n\nselect 2;");
        let script = Script::split(&text);
        let texts: Vec<_> = script.statements.iter().map(|one| one.text).collect();
        assert_eq!(texts.len(), 2, "{sql}: {texts:?}");
        assert_eq!(texts[1], "select 2;");
    }
}

#[test]
fn a_statement_knows_its_line_and_not_the_comment_before_it() {
    let script = Script::split("-- one\n\nselect\n1;\n/* two */ select 2; -- last\n");
    let lines: Vec<_> = script.statements.iter().map(|one| one.line).collect();
    assert_eq!(lines, [3, 5]);
    assert_eq!(script.rest, " -- last\n");
    assert_eq!(script.statements[0].line_of(7), 4);
}

#[test]
fn a_trigger_is_read_with_all_it_says() {
    let sql = "create or replace trigger T after insert or UPDATE of a, \"B\" on public.\"Odd one\"
               referencing old table as o new table n for each row when (old.a is distinct from new.a)
               execute function pgbell.f('x');";
    let read = trigger(sql);
    assert_eq!(read.name, "t");
    assert_eq!(read.table.to_string(), "\"public\".\"Odd one\"");
    assert_eq!(&sql[read.table_span.clone()], "public.\"Odd one\"");
    assert_eq!(
        read.events,
        [
            Event::Insert,
            Event::Update(vec!["a".to_owned(), "B".to_owned()])
        ]
    );
    assert_eq!((read.level, read.timing), (Level::Row, Timing::After));
    assert_eq!(read.old_table.as_deref(), Some("o"));
    assert_eq!(read.new_table.as_deref(), Some("n"));
    assert_eq!(read.function.to_string(), "\"pgbell\".\"f\"");
    assert!(read.has_condition && read.replaces && !read.is_constraint);
    assert!(sql[read.after_create..].starts_with("trigger T"));
}

#[test]
fn a_function_is_read_with_its_body() {
    let sql = "-- f\ncreate function pgbell.f(a text default 'x') returns trigger as $b$ body $b$;";
    let script = Script::split(sql);
    let statement = &script.statements[0];
    let Kind::Function(function) = &statement.kind else {
        panic!("{statement:?}");
    };
    assert_eq!(function.name.to_string(), "\"pgbell\".\"f\"");
    let body = function.body.clone().expect("a body");
    assert_eq!(&statement.text[body], " body ");
}

#[test]
fn other_statements_are_told_apart_by_what_they_do() {
    let firing = |fires| {
        Kind::Firing(Firing {
            table: Name {
                schema: None,
                name: "t".to_owned(),
            },
            table_span: 12..13,
            trigger: "x".to_owned(),
            fires,
        })
    };
    let told = [
        (
            "alter table t enable always trigger x",
            firing(Fires::Always),
        ),
        ("alter table t enable trigger x", firing(Fires::Origin)),
        ("alter table t disable trigger x", firing(Fires::Never)),
        ("alter table t disable trigger all", Kind::Other),
        ("grant select on t to u", Kind::Catalogue),
        ("alter function f() owner to u", Kind::Catalogue),
        ("comment on function f() is 'x'", Kind::Catalogue),
        ("comment on trigger f on t is 'x'", Kind::Other),
        ("COMMIT", Kind::Transaction),
        ("insert into t values (1)", Kind::Other),
        (";", Kind::Other),
    ];
    for (sql, kind) in told {
        assert_eq!(kinds(sql), [kind], "{sql}");
    }
}

#[test]
fn the_files_that_come_with_pgbell_are_understood_whole() {
    for table in ["products", "inventory", "sales", "orders"] {
        let path = format!("{}/sql/triggers/{table}.sql", env!("CARGO_MANIFEST_DIR"));
        let file = SqlFile::read(path.as_ref()).expect("a file");
        let script = Script::parse(&file);
        let count = |wanted: fn(&Kind) -> bool| {
            let kinds = script.statements.iter().map(|one| &one.kind);
            kinds.filter(|kind| wanted(kind)).count()
        };
        assert_eq!(count(|kind| matches!(kind, Kind::Trigger(_))), 4, "{table}");
        assert!(count(|kind| matches!(kind, Kind::Function(_))) >= 4);
        let others = script.statements.iter();
        let others = others.filter(|one| one.kind == Kind::Other && !one.is_empty());
        for other in others {
            let gist = other.text.split_whitespace().take(3).collect::<Vec<_>>();
            let is_known = gist[0] == "do" || gist == ["insert", "into", "pgbell.schedule"];
            assert!(is_known, "{table}: {gist:?}");
        }
    }
}

/// Pieces that mean something to the lexer, and some that do not.
fn sql() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("'"),
        Just("\""),
        Just("$$"),
        Just("$a$"),
        Just("$"),
        Just("E'"),
        Just("\\"),
        Just("--"),
        Just("/*"),
        Just("*/"),
        Just("\n"),
        Just(";"),
        Just("("),
        Just(")"),
        Just("begin atomic"),
        Just(" end "),
        Just("case "),
        Just("create or replace "),
        Just("function "),
        Just("trigger "),
        Just(" after "),
        Just("update of "),
        Just(" on "),
        Just("t"),
        Just("."),
        Just(","),
        Just("execute function "),
        Just("ü"),
        Just(" "),
        Just("alter table "),
        Just("enable "),
        Just(" as "),
        Just("referencing "),
        Just("old "),
    ];
    prop_oneof![
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat()),
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn nothing_of_a_text_is_lost(text in sql()) {
        let script = Script::split(&text);
        let mut joined = String::new();
        for statement in &script.statements {
            prop_assert_eq!(statement.line, 1 + joined.matches('\n').count() + statement.lead.matches('\n').count());
            joined.push_str(statement.lead);
            joined.push_str(statement.text);
        }
        joined.push_str(script.rest);
        prop_assert_eq!(joined, text);
    }
}
