//! How what a file says differs from what is installed. Pure.

use crate::install::triggers::{
    finding::{Finding, State, Subject, text_diff},
    installed::{InstalledFunction, InstalledTrigger},
    parts::Part,
    script::{Fires, Trigger},
    table::Table,
};

/// A finding about what a statement makes.
pub(super) fn finding(
    part: &Part<'_>,
    subject: Subject,
    name: String,
    state: State,
    sql: Vec<String>,
) -> Finding {
    Finding {
        subject,
        name,
        state,
        file: Some(part.file.name().to_owned()),
        line: Some(part.statement.line),
        notes: Vec::new(),
        diff: None,
        sql,
        locks: Vec::new(),
    }
}

/// One trigger on one table.
pub(super) fn compare_trigger(
    part: &Part<'_>,
    trigger: &Trigger,
    table: &Table,
    installed: Option<&InstalledTrigger>,
    wanted: &str,
    says: Option<Fires>,
) -> Finding {
    let name = format!("{} on {}", trigger.name, table.name);
    let mut create = part.statement.with(&trigger.table_span, &table.name);
    let Some(installed) = installed else {
        let mut found = finding(part, Subject::Trigger, name, State::Missing, vec![create]);
        found.locks.push(table.name.clone());
        return found;
    };
    let mut found = finding(part, Subject::Trigger, name, State::Same, vec![]);
    if installed.definition != wanted {
        if !trigger.replaces && !trigger.is_constraint {
            create.insert_str(trigger.after_create, "or replace ");
        }
        found.state = State::Changed;
        found.diff = Some(text_diff(
            &format!("{}\n", installed.definition),
            &format!("{wanted}\n"),
            part.file.name(),
        ));
        found.sql.push(create);
        found.locks.push(table.name.clone());
        // Replacing a trigger forgets who fires it.
        if let Some(firing) = firing_sql(installed.fires, trigger, table) {
            found.sql.push(firing);
        }
    }
    if installed.fires != says.unwrap_or(Fires::Origin) {
        found.state = State::Changed;
        found
            .notes
            .push(firing_note(installed.fires, says, trigger, table));
    }
    found
}

/// What a new trigger does not do by itself.
fn firing_sql(fires: Fires, trigger: &Trigger, table: &Table) -> Option<String> {
    (fires != Fires::Origin).then(|| fires.statement(&table.name, &trigger.name))
}

fn firing_note(fires: Fires, says: Option<Fires>, trigger: &Trigger, table: &Table) -> String {
    match (fires, says) {
        (Fires::Never, _) => format!(
            "IS DISABLED in the database and stays so: changes are told to nobody; to enable it: {}",
            Fires::Origin.statement(&table.name, &trigger.name)
        ),
        (_, Some(_)) => "the file says which sessions fire it, the database another".to_owned(),
        (how, None) => format!(
            "the database has it as ENABLE {}, of which the file says nothing; it stays so",
            if how == Fires::Always {
                "ALWAYS"
            } else {
                "REPLICA"
            }
        ),
    }
}

/// What differs beside the definition.
pub(super) fn differences(old: &InstalledFunction, new: &InstalledFunction) -> Vec<String> {
    let pairs = [
        ("owner", &old.owner, &new.owner),
        ("rights", &old.rights, &new.rights),
        ("comment", &old.comment, &new.comment),
    ];
    let differing = pairs.iter().filter(|(_, old, new)| old != new);
    let say = |(what, old, new): &(&str, &String, &String)| {
        format!("{what}: {old:?} in the database, {new:?} by the file")
    };
    differing.map(say).collect()
}

/// The first words of a statement.
pub(super) fn gist(sql: &str) -> String {
    const LENGTH: usize = 70;
    let words = sql
        .trim_end_matches(';')
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    match words.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{} …", words[..end].trim_end()),
        None => words,
    }
}
