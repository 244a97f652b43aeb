use std::{
    io::{Read, stdin},
    path::PathBuf,
};

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use crate::{
    access::{Access, Decision, Explanation, Identity, MAX_TOKEN_SIZE, RuleStep},
    cli::{Failure, output},
    config::Sources,
    room::Room,
};

/// `pgbell token check`
#[derive(Args, Debug)]
pub(in crate::cli) struct Check {
    /// The token; - reads it from stdin, where no list of processes shows it. Without one, --room asks
    /// for somebody who has none
    #[arg(value_name = "TOKEN", required_unless_present = "room")]
    token: Option<String>,
    /// Also say whether its bearer may join this room; exit code 1 if not
    #[arg(long, value_name = "ROOM")]
    room: Option<Room>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Configuration file; otherwise pgbell.toml in the working directory, if there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Everything that was found out.
struct Findings {
    token: Option<Explanation>,
    room: Option<RoomFindings>,
}

struct RoomFindings {
    room: Room,
    is_open: bool,
    decision: Decision,
    rules: Vec<RuleStep>,
}

impl Check {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let config = Sources::of_process(self.config, vec![]).load()?.config;
        let access =
            Access::new(&config.access).map_err(|invalid| Failure::wrong(invalid.to_string()))?;
        let token = match self.token.as_deref() {
            Some("-") => Some(read_token()?),
            token => token.map(str::to_owned),
        };
        if token.is_some() {
            access.fetch_keys().await;
        }
        let token = token.map(|token| access.explain(token.trim(), Timestamp::now()));
        let identity = token.as_ref().and_then(|found| found.outcome.as_ref().ok());
        let room = self
            .room
            .map(|room| RoomFindings::new(&access, identity, room));
        let findings = Findings { token, room };
        match self.json {
            true => findings.print_json()?,
            false => findings.print()?,
        }
        match findings.is_refused() {
            true => Err(Failure::found()),
            false => Ok(()),
        }
    }
}

/// A little more than may be looked at is enough to find that it is too much.
fn read_token() -> Result<String, Failure> {
    let mut token = String::new();
    let limit = 2 * MAX_TOKEN_SIZE as u64;
    let read = stdin().lock().take(limit).read_to_string(&mut token);
    read.map_err(|error| Failure::usage("cannot read the token", &error))?;
    Ok(token)
}

impl RoomFindings {
    fn new(access: &Access, identity: Option<&Identity>, room: Room) -> Self {
        Self {
            is_open: access.is_open(),
            decision: access.decide(identity, &room),
            rules: access.explain_room(identity, &room),
            room,
        }
    }

    fn verdict(&self) -> &'static str {
        match self.decision {
            Decision::Allow => "allowed",
            Decision::Deny => "denied",
            Decision::Ask(_) => "asked",
        }
    }
}

impl Findings {
    fn is_refused(&self) -> bool {
        let is_denied = |found: &RoomFindings| found.decision == Decision::Deny;
        self.token
            .as_ref()
            .is_some_and(|found| found.outcome.is_err())
            || self.room.as_ref().is_some_and(is_denied)
    }

    fn print(&self) -> Result<(), Failure> {
        if let Some(found) = &self.token {
            for step in &found.steps {
                let mark = if step.ok { "ok" } else { "no" };
                output::line(&format!("{mark}  {:<9}  {}", step.name, step.found))?;
            }
            output::line(&match &found.outcome {
                Ok(identity) => format!("accepted: {}", identity.user()),
                Err(refusal) => format!("refused ({}): it {refusal}", refusal.code().as_str()),
            })?;
        }
        if let Some(found) = &self.room {
            found.print(self.token.is_some())?;
        }
        Ok(())
    }

    fn print_json(&self) -> Result<(), Failure> {
        let token = self.token.as_ref().map(|found| {
            json!({
                "accepted": found.outcome.is_ok(),
                "user": found.outcome.as_ref().ok().map(|identity| identity.user()),
                "code": found.outcome.as_ref().err().map(|refusal| refusal.code().as_str()),
                "reason": found.outcome.as_ref().err().map(ToString::to_string),
                "steps": found.steps,
            })
        });
        let room = self.room.as_ref().map(|found| {
            json!({
                "room": found.room,
                "verdict": found.verdict(),
                "open": found.is_open,
                "rules": found.rules,
            })
        });
        let document = json!({ "ok": !self.is_refused(), "token": token, "room": room });
        let text = serde_json::to_string_pretty(&document).map_err(std::io::Error::from)?;
        Ok(output::line(&text)?)
    }
}

impl RoomFindings {
    fn print(&self, has_token: bool) -> Result<(), Failure> {
        let (about, others): (Vec<_>, Vec<_>) = self.rules.iter().partition(|step| step.matches);
        for step in about {
            let place = format!("access.rooms.{}", step.rule);
            let (says, room, why) = (step.says, &step.room, &step.why);
            output::line(&format!("{says:<6}  {place}  {room}  {why}"))?;
        }
        if !others.is_empty() {
            let rules = output::counted(others.len() as u64, "rule");
            output::line(&format!("        {rules} about other rooms"))?;
        }
        let bearer = if has_token {
            "the bearer"
        } else {
            "somebody without a token"
        };
        let room = &self.room;
        Ok(output::line(&match &self.decision {
            Decision::Allow if self.is_open => {
                format!(
                    "allowed: {room}, because access.open is true; the rules count when it is false"
                )
            }
            Decision::Allow => format!("allowed: {bearer} may join {room}"),
            Decision::Deny => format!("denied: no rule allows {bearer} to join {room}"),
            Decision::Ask(_) => {
                format!("asked: whether {bearer} may join {room} is for the database to say")
            }
        })?)
    }
}
