use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::{
    access::{Access, Signer, TokensConfig},
    cli::{Failure, output},
    config::Sources,
};

/// `pgbell token new`
#[derive(Args, Debug)]
pub(in crate::cli) struct New {
    /// Who the bearer is
    #[arg(long, value_name = "USER")]
    sub: String,
    /// A role of the bearer; may be repeated
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// Another claim: a number, true, a list or an object as in JSON, otherwise a text; wins over the
    /// claims that are there anyway
    #[arg(long, value_name = "NAME=VALUE")]
    claim: Vec<Claim>,
    /// How long it is valid
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    expires: Duration,
    /// Sign with the private key (PEM) of one of access.tokens.keys instead of with a secret
    #[arg(long, value_name = "FILE")]
    private_key: Option<PathBuf>,
    /// Configuration file; otherwise pgbell.toml in the working directory, if there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Clone, Debug)]
struct Claim {
    name: String,
    value: Value,
}

impl FromStr for Claim {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
        if name.is_empty() {
            return Err("the claim has no name");
        }
        Ok(Self {
            name: name.into(),
            value: serde_json::from_str(value).unwrap_or_else(|_| value.into()),
        })
    }
}

fn duration(text: &str) -> Result<Duration, jiff::Error> {
    let duration: SignedDuration = text.parse()?;
    duration.try_into()
}

impl New {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = Sources::of_process(self.config.clone(), vec![])
            .load()?
            .config
            .access;
        let signer = match &self.private_key {
            Some(file) => Signer::with_private_key(&config, file),
            None => Signer::with_secret(&config),
        };
        let wrong = |error: &dyn std::error::Error| Failure::wrong(error.to_string());
        let signer = signer.map_err(|error| wrong(&error))?;
        let claims = self.claims(&config.tokens, Timestamp::now());
        let token = signer.sign(&claims).map_err(|error| wrong(&error))?;
        let access = Access::new(&config).map_err(|error| wrong(&error))?;
        output::line(&token)?;
        if let Err(refusal) = access.explain(&token, Timestamp::now()).outcome {
            eprintln!("pgbell: the daemon will refuse it: it {refusal}");
        }
        Ok(())
    }

    fn claims(self, tokens: &TokensConfig, now: Timestamp) -> Map<String, Value> {
        let mut claims = Map::new();
        claims.insert("sub".into(), self.sub.into());
        claims.insert("iat".into(), now.as_second().into());
        let expires = now
            .as_second()
            .saturating_add_unsigned(self.expires.as_secs());
        claims.insert("exp".into(), expires.into());
        if !tokens.issuer.is_empty() {
            claims.insert("iss".into(), tokens.issuer.clone().into());
        }
        if let Some(audience) = tokens.audience.first() {
            claims.insert("aud".into(), audience.clone().into());
        }
        if let (Some(name), [first, more @ ..]) = (tokens.roles_claim.first(), &*self.role) {
            let roles = match more {
                [] => first.clone().into(),
                _ => self.role.clone().into(),
            };
            claims.insert(name.clone(), roles);
        }
        claims.extend(
            self.claim
                .into_iter()
                .map(|claim| (claim.name, claim.value)),
        );
        claims
    }
}
