//! What a statement makes.

use super::{
    Event, Fires, Firing, Function, Kind, Level, Name, Timing, Trigger, lexer::Token,
    reader::Reader,
};

/// What the statement makes whose tokens these are; `start` is where its text begins.
pub(super) fn classify(text: &str, tokens: &[Token], start: usize) -> Kind {
    statement(&mut Reader::new(text, tokens, start)).unwrap_or(Kind::Other)
}

fn statement(reader: &mut Reader<'_>) -> Option<Kind> {
    if reader.takes("create") {
        let replaces = reader.takes("or") && reader.takes("replace");
        if reader.takes("function") || reader.takes("procedure") {
            return function(reader);
        }
        return trigger(reader, replaces);
    }
    if reader.takes("alter") {
        return alter(reader);
    }
    let word = reader.word()?.to_ascii_lowercase();
    match word.as_str() {
        "grant" | "revoke" => Some(Kind::Catalogue),
        "comment" => {
            // Comments on triggers and tables lock the table, though not for writers.
            let _on = reader.takes("on");
            (reader.takes("function") || reader.takes("procedure")).then_some(Kind::Catalogue)
        }
        "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => {
            Some(Kind::Transaction)
        }
        "prepare" => reader.takes("transaction").then_some(Kind::Transaction),
        _ => None,
    }
}

fn function(reader: &mut Reader<'_>) -> Option<Kind> {
    let (name, _) = reader.name()?;
    let body = reader.text_after("as");
    Some(Kind::Function(Function { name, body }))
}

fn trigger(reader: &mut Reader<'_>, replaces: bool) -> Option<Kind> {
    let after_create = reader.position()?;
    let is_constraint = reader.takes("constraint");
    reader.expects("trigger")?;
    let (name, _) = reader.name()?;
    let timing = timing(reader)?;
    let events = events(reader)?;
    let (table, table_span) = reader.name()?;
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
    while !reader.is_done() {
        clause(reader, &mut trigger)?;
    }
    (!trigger.function.name.is_empty()).then_some(Kind::Trigger(trigger))
}

fn timing(reader: &mut Reader<'_>) -> Option<Timing> {
    if reader.takes("instead") {
        reader.expects("of")?;
        return Some(Timing::InsteadOf);
    }
    if reader.takes("before") {
        return Some(Timing::Before);
    }
    reader.takes("after").then_some(Timing::After)
}

/// What stands before `on`.
fn events(reader: &mut Reader<'_>) -> Option<Vec<Event>> {
    let mut events = Vec::new();
    loop {
        let event = match reader.word()?.to_ascii_lowercase().as_str() {
            "insert" => Event::Insert,
            "delete" => Event::Delete,
            "truncate" => Event::Truncate,
            "update" if reader.takes("of") => Event::Update(columns(reader)?),
            "update" => Event::Update(Vec::new()),
            _ => return None,
        };
        events.push(event);
        if reader.takes("on") {
            return Some(events);
        }
        reader.expects("or")?;
    }
}

fn columns(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let mut columns = vec![reader.identifier()?];
    while reader.takes(",") {
        columns.push(reader.identifier()?);
    }
    Some(columns)
}

/// One of what follows the table's name, or a token that says nothing here.
fn clause(reader: &mut Reader<'_>, trigger: &mut Trigger) -> Option<()> {
    if reader.takes("referencing") {
        while reader.is("old") || reader.is("new") {
            let is_old = reader.takes("old") || !reader.takes("new");
            let _ = reader.takes("table") || reader.takes("row");
            let _ = reader.takes("as");
            let name = Some(reader.identifier()?);
            if is_old {
                trigger.old_table = name;
            } else {
                trigger.new_table = name;
            }
        }
    } else if reader.takes("for") {
        let _ = reader.takes("each");
        if reader.takes("row") {
            trigger.level = Level::Row;
        }
    } else if reader.takes("when") {
        trigger.has_condition = true;
        reader.skip_parentheses();
    } else if reader.takes("execute") {
        let _ = reader.takes("function") || reader.takes("procedure");
        trigger.function = reader.name()?.0;
        reader.finish();
    } else {
        reader.skip();
    }
    Some(())
}

fn alter(reader: &mut Reader<'_>) -> Option<Kind> {
    if reader.takes("function") || reader.takes("procedure") || reader.takes("routine") {
        return Some(Kind::Catalogue);
    }
    reader.expects("table")?;
    if reader.takes("if") {
        reader.expects("exists")?;
    }
    let _ = reader.takes("only");
    let (table, table_span) = reader.name()?;
    let _ = reader.takes("*");
    let fires = if reader.takes("disable") {
        Fires::Never
    } else {
        reader.expects("enable")?;
        match () {
            () if reader.takes("always") => Fires::Always,
            () if reader.takes("replica") => Fires::Replica,
            () => Fires::Origin,
        }
    };
    reader.expects("trigger")?;
    if reader.is("all") || reader.is("user") {
        return None;
    }
    let trigger = reader.identifier()?;
    let ends = reader.is_done() || reader.is(";");
    ends.then_some(Kind::Firing(Firing {
        table,
        table_span,
        trigger,
        fires,
    }))
}
