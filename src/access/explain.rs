//! Why a token is accepted or refused, and which rule lets whom into a room, step by step: the same
//! decisions as in `token` and `rules`, without stopping at the first.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Access, Claims, Identity, Refusal,
    checks::{self, CHECKS, seconds},
    refusal::shown_value,
    rules::Verdict,
    token::Unproven,
};
use crate::room::Room;

/// What was found out about a token.
#[derive(Debug)]
pub struct Explanation {
    /// Everything that was looked at, in this order.
    pub steps: Vec<Step>,
    /// What the token claims, proven or not, as far as it can be read.
    pub claims: Option<Claims>,
    /// Who the bearer is, or why the token is refused.
    pub outcome: Result<Identity, Refusal>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Step {
    /// What it is about.
    pub name: &'static str,
    /// Whether it is as it must be.
    pub ok: bool,
    /// What was found.
    pub found: String,
}

/// What one rule says of somebody and a room.
#[derive(Debug, Serialize)]
pub struct RuleStep {
    /// Its place in `access.rooms`.
    pub rule: usize,
    /// Its pattern.
    pub room: String,
    /// Whether it is about the room at all.
    pub matches: bool,
    /// `allows`, `asks` or `denies`.
    pub says: &'static str,
    /// Why.
    pub why: String,
}

impl Step {
    fn new(name: &'static str, outcome: Result<String, &Refusal>) -> Self {
        Self {
            name,
            ok: outcome.is_ok(),
            found: outcome.unwrap_or_else(ToString::to_string),
        }
    }
}

impl Access {
    /// Looks at a token step by step. Asks nobody: keys that are published must have been fetched.
    pub fn explain(&self, token: &str, now: Timestamp) -> Explanation {
        let mut steps = Vec::new();
        let unproven = match Unproven::read(token) {
            Ok(unproven) => unproven,
            Err(refusal) => {
                steps.push(Step::new("form", Err(&refusal)));
                return Explanation {
                    steps,
                    claims: None,
                    outcome: Err(refusal),
                };
            }
        };
        steps.push(Step::new(
            "form",
            Ok(format!("{} bytes, three parts", token.len())),
        ));
        let signer = self.signer(&unproven);
        steps.push(match &signer {
            Ok((algorithm, origin)) => {
                Step::new("signature", Ok(format!("{algorithm:?}, by {origin}")))
            }
            Err(refusal) => Step::new("signature", Err(refusal)),
        });
        let claims = unproven.claims();
        match &claims {
            Ok(claims) => steps.extend(self.explain_claims(claims, now)),
            Err(refusal) => steps.push(Step::new("claims", Err(refusal))),
        }
        let outcome = signer
            .and(claims.clone())
            .and_then(|claims| checks::identify(claims, self.settings(), now));
        Explanation {
            steps,
            claims: claims.ok(),
            outcome,
        }
    }

    fn explain_claims(&self, claims: &Claims, now: Timestamp) -> impl Iterator<Item = Step> {
        CHECKS
            .iter()
            .map(move |check| {
                let outcome = (check.holds)(claims, self.settings(), now);
                let found = match (
                    check.name,
                    checks::date(claims, check.name),
                    claims.get(check.name),
                ) {
                    ("exp", Ok(Some(at)), _) => {
                        format!("{at}, in {:#}", seconds(at.duration_since(now)))
                    }
                    ("nbf", Ok(Some(at)), _) => format!("{at}"),
                    ("iss", _, Some(_)) if self.settings().issuer.is_empty() => {
                        "not looked at: access.tokens.issuer is empty".into()
                    }
                    (_, _, Some(value)) => shown_value(value),
                    (_, _, None) => "not there, and need not be".into(),
                };
                Step::new(check.name, outcome.as_ref().map(|()| found))
            })
            .chain([Step::new("iat", Ok(made_at(claims)))])
    }

    /// What each rule says of somebody, or of nobody in particular, and a room.
    pub fn explain_room(&self, identity: Option<&Identity>, room: &Room) -> Vec<RuleStep> {
        let rules = self.rules();
        let verdicts = rules
            .patterns()
            .zip(rules.judge(identity, room))
            .enumerate();
        verdicts
            .map(|(rule, (pattern, verdict))| {
                let matches = !matches!(verdict, Verdict::OtherRoom);
                let (says, why) = describe(verdict);
                RuleStep {
                    rule,
                    room: pattern.into(),
                    matches,
                    says,
                    why,
                }
            })
            .collect()
    }
}

/// When a token was made, which only a daemon compares: it knows who was revoked.
fn made_at(claims: &Claims) -> String {
    match checks::date(claims, "iat") {
        Ok(Some(at)) => {
            format!("{at}; good unless its user was revoked since, which is not looked at here")
        }
        _ => "not there; good unless its user was ever revoked, which is not looked at here".into(),
    }
}

fn describe(verdict: Verdict<'_>) -> (&'static str, String) {
    match verdict {
        Verdict::OtherRoom => ("denies", "is about other rooms".into()),
        Verdict::NoToken => ("denies", "asks for a token".into()),
        Verdict::NoRole => (
            "denies",
            "asks for a role that the token does not have".into(),
        ),
        Verdict::OtherClaim { claim, word } => {
            ("denies", format!("asks for {word:?} in claim {claim}"))
        }
        Verdict::Allows => ("allows", "holds".into()),
        Verdict::Asks { sql, words } => {
            let words = words.iter().enumerate();
            let words: Vec<_> = words
                .map(|(n, word)| format!("${} = {word:?}", n + 1))
                .collect();
            ("asks", format!("{sql}, with {}", words.join(", ")))
        }
    }
}
