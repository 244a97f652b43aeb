//! Findings, for people and for machines.

use serde::Serialize;

use crate::{
    cli::{Failure, output},
    install::triggers::{Action, Finding, State, Subject},
};

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
    for finding in findings {
        let did = match finding.action() {
            Action::Created => "created",
            Action::Replaced => "replaced",
            Action::Adjusted => "adjusted",
            Action::Unchanged => "unchanged",
            Action::Ran => "ran",
            Action::Left => "left",
        };
        let name = named(finding);
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
    for finding in findings {
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
        output::line(&format!("{state:<8} {}{place}", named(finding)))?;
        for note in &finding.notes {
            output::line(&format!("         {note}"))?;
        }
        if let Some(diff) = &finding.diff {
            output::text(diff)?;
        }
    }
    Ok(())
}

fn named(finding: &Finding) -> String {
    match finding.subject {
        Subject::Function => format!("function {}", finding.name),
        Subject::Trigger => format!("trigger {}", finding.name),
        Subject::Statement => finding.name.clone(),
    }
}
