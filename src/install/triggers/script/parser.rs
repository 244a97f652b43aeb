//! What a statement makes.

use super::{
    Event, Fires, Firing, Function, Kind, Level, Name, Timing, Trigger, cursor::Cursor,
    lexer::Token,
};

/// What the statement makes whose tokens these are; `start` is where its text begins.
pub(super) fn classify(text: &str, tokens: &[Token], start: usize) -> Kind {
    statement(&mut Cursor::new(text, tokens, start)).unwrap_or(Kind::Other)
}

fn statement(cursor: &mut Cursor<'_>) -> Option<Kind> {
    if cursor.takes("create") {
        let replaces = cursor.takes("or") && cursor.takes("replace");
        if cursor.takes("function") || cursor.takes("procedure") {
            return function(cursor);
        }
        return trigger(cursor, replaces);
    }
    if cursor.takes("alter") {
        return alter(cursor);
    }
    let word = cursor.word()?.to_ascii_lowercase();
    match word.as_str() {
        "grant" | "revoke" => Some(Kind::Catalogue),
        "comment" => {
            // Comments on triggers and tables lock the table, though not for writers.
            let _on = cursor.takes("on");
            (cursor.takes("function") || cursor.takes("procedure")).then_some(Kind::Catalogue)
        }
        "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => {
            Some(Kind::Transaction)
        }
        "prepare" => cursor.takes("transaction").then_some(Kind::Transaction),
        _ => None,
    }
}

fn function(cursor: &mut Cursor<'_>) -> Option<Kind> {
    let (name, _) = cursor.name()?;
    let body = cursor.text_after("as");
    Some(Kind::Function(Function { name, body }))
}

fn trigger(cursor: &mut Cursor<'_>, replaces: bool) -> Option<Kind> {
    let after_create = cursor.position()?;
    let is_constraint = cursor.takes("constraint");
    cursor.expects("trigger")?;
    let (name, _) = cursor.name()?;
    let timing = timing(cursor)?;
    let events = events(cursor)?;
    let (table, table_span) = cursor.name()?;
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
    while !cursor.is_done() {
        clause(cursor, &mut trigger)?;
    }
    (!trigger.function.name.is_empty()).then_some(Kind::Trigger(trigger))
}

fn timing(cursor: &mut Cursor<'_>) -> Option<Timing> {
    if cursor.takes("instead") {
        cursor.expects("of")?;
        return Some(Timing::InsteadOf);
    }
    if cursor.takes("before") {
        return Some(Timing::Before);
    }
    cursor.takes("after").then_some(Timing::After)
}

/// What stands before `on`.
fn events(cursor: &mut Cursor<'_>) -> Option<Vec<Event>> {
    let mut events = Vec::new();
    loop {
        let event = match cursor.word()?.to_ascii_lowercase().as_str() {
            "insert" => Event::Insert,
            "delete" => Event::Delete,
            "truncate" => Event::Truncate,
            "update" if cursor.takes("of") => Event::Update(columns(cursor)?),
            "update" => Event::Update(Vec::new()),
            _ => return None,
        };
        events.push(event);
        if cursor.takes("on") {
            return Some(events);
        }
        cursor.expects("or")?;
    }
}

fn columns(cursor: &mut Cursor<'_>) -> Option<Vec<String>> {
    let mut columns = vec![cursor.identifier()?];
    while cursor.takes(",") {
        columns.push(cursor.identifier()?);
    }
    Some(columns)
}

/// One of what follows the table's name, or a token that says nothing here.
fn clause(cursor: &mut Cursor<'_>, trigger: &mut Trigger) -> Option<()> {
    if cursor.takes("referencing") {
        while cursor.is("old") || cursor.is("new") {
            let is_old = cursor.takes("old") || !cursor.takes("new");
            let _ = cursor.takes("table") || cursor.takes("row");
            let _ = cursor.takes("as");
            let name = Some(cursor.identifier()?);
            if is_old {
                trigger.old_table = name;
            } else {
                trigger.new_table = name;
            }
        }
    } else if cursor.takes("for") {
        let _ = cursor.takes("each");
        if cursor.takes("row") {
            trigger.level = Level::Row;
        }
    } else if cursor.takes("when") {
        trigger.has_condition = true;
        cursor.skip_parentheses();
    } else if cursor.takes("execute") {
        let _ = cursor.takes("function") || cursor.takes("procedure");
        trigger.function = cursor.name()?.0;
        cursor.finish();
    } else {
        cursor.skip();
    }
    Some(())
}

fn alter(cursor: &mut Cursor<'_>) -> Option<Kind> {
    if cursor.takes("function") || cursor.takes("procedure") || cursor.takes("routine") {
        return Some(Kind::Catalogue);
    }
    cursor.expects("table")?;
    if cursor.takes("if") {
        cursor.expects("exists")?;
    }
    let _ = cursor.takes("only");
    let (table, table_span) = cursor.name()?;
    let _ = cursor.takes("*");
    let fires = if cursor.takes("disable") {
        Fires::Never
    } else {
        cursor.expects("enable")?;
        match () {
            () if cursor.takes("always") => Fires::Always,
            () if cursor.takes("replica") => Fires::Replica,
            () => Fires::Origin,
        }
    };
    cursor.expects("trigger")?;
    if cursor.is("all") || cursor.is("user") {
        return None;
    }
    let trigger = cursor.identifier()?;
    let ends = cursor.is_done() || cursor.is(";");
    ends.then_some(Kind::Firing(Firing {
        table,
        table_span,
        trigger,
        fires,
    }))
}
