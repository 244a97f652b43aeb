//! Findings, for people and for machines.

use serde::Serialize;

use crate::{
    cli::{Failure, output},
    install::triggers::{Action, Finding, State, Subject},
};

/// So many partitions of which the same is to be said have one line.
const MANY: usize = 4;

#[derive(Serialize)]
struct Object<'a> {
    action: Action,
    #[serde(flatten)]
    finding: &'a Finding,
}

/// One JSON document.
pub(super) fn json(document: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(document).map_err(std::io::Error::from)?;
    Ok(output::line(&json)?)
}

/// What was done, object by object.
pub(super) fn actions_json(findings: &[Finding]) -> Result<(), Failure> {
    let object = |finding| Object {
        action: Finding::action(finding),
        finding,
    };
    let objects: Vec<_> = findings.iter().map(object).collect();
    json(&serde_json::json!({ "objects": objects }))
}

/// The same as lines; what somebody should look at goes to stderr.
pub(super) fn actions(findings: &[Finding]) -> Result<(), Failure> {
    for (finding, more) in lines(findings) {
        let did = match finding.action() {
            Action::Created => "created",
            Action::Replaced => "replaced",
            Action::Adjusted => "adjusted",
            Action::Unchanged => "unchanged",
            Action::Ran => "ran",
            Action::Left => "left",
        };
        let name = named(finding, more);
        match finding.subject {
            Subject::Statement => output::line(&format!("{did} {}: {name}", finding.place()))?,
            Subject::Function | Subject::Trigger => output::line(&format!("{did} {name}"))?,
        }
        for note in &finding.notes {
            match (finding.action(), finding.subject) {
                (Action::Adjusted | Action::Replaced, Subject::Function) => {
                    output::line(&format!("  {note}"))?;
                }
                _ => eprintln!("pgbell: {name}: {note}"),
            }
        }
    }
    Ok(())
}

/// How database and files differ, as lines and texts.
pub(super) fn differences(findings: &[Finding]) -> Result<(), Failure> {
    for (finding, more) in lines(findings) {
        let state = match finding.state {
            State::Same => "same",
            State::Changed => "changed",
            State::Missing => "missing",
            State::Extra => "extra",
            State::Unknown => continue,
        };
        let place = match finding.state {
            State::Extra => String::new(),
            _ => format!("  {}", finding.place()),
        };
        output::line(&format!("{state:<8} {}{place}", named(finding, more)))?;
        for note in &finding.notes {
            output::line(&format!("         {note}"))?;
        }
        if let Some(diff) = &finding.diff {
            output::text(diff)?;
        }
    }
    Ok(())
}

/// What has a line, and for how many more partitions it stands.
fn lines(findings: &[Finding]) -> impl Iterator<Item = (&Finding, usize)> {
    findings.chunk_by(is_one_line).flat_map(|alike| {
        let (shown, more) = match alike.len() {
            many @ MANY.. => (&alike[..1], many - 1),
            _ => (alike, 0),
        };
        shown.iter().map(move |finding| (finding, more))
    })
}

fn is_one_line(one: &Finding, other: &Finding) -> bool {
    let gist = |finding: &Finding| (finding.subject, finding.state, finding.place());
    let is_bare = |finding: &Finding| {
        finding.subject == Subject::Trigger && finding.file.is_some() && finding.notes.is_empty()
    };
    is_bare(one) && is_bare(other) && gist(one) == gist(other)
}

fn named(finding: &Finding, more: usize) -> String {
    match finding.subject {
        Subject::Function => format!("function {}", finding.name),
        Subject::Trigger if more > 0 => {
            format!("trigger {} and {more} more partitions", finding.name)
        }
        Subject::Trigger => format!("trigger {}", finding.name),
        Subject::Statement => finding.name.clone(),
    }
}
