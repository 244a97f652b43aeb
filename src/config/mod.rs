//! Configuration: one value, read and judged before any port opens.
//!
//! Sources, weakest first: defaults, `DATABASE_URL`, the file, `PGBELL_…` variables, flags. Every
//! complaint is one line that names the key and where its value came from.

mod address;
mod error;
mod judge;
mod keys;
mod source;

use std::path::PathBuf;

use figment::Figment;
use serde::{Deserialize, Serialize};

use crate::{access, capture, catalogue, coalesce, gateway, hub};

pub use address::masked;
pub use error::Error;
pub use source::Flag;

use source::Source;

/// The file that is read from the working directory when no other is named.
pub const DEFAULT_FILE: &str = "pgbell.toml";

/// Everything that can be set, by section.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the database is and how changes travel.
    pub database: capture::DatabaseConfig,
    /// How much of the change log is kept.
    pub log: capture::LogConfig,
    /// How changes are batched.
    pub coalesce: coalesce::Config,
    /// Bounds on what is held for one session.
    pub hub: hub::Config,
    /// How clients that come back are told what they missed.
    pub resume: hub::ResumeConfig,
    /// The listening socket and what clients may do.
    pub gateway: gateway::Config,
    /// Who may join which room.
    pub access: access::Config,
    /// Events and rooms of the installation's own trigger files.
    pub catalogue: catalogue::Config,
}

/// Where to look for settings, defaults aside.
#[derive(Debug, Default)]
pub struct Sources {
    /// A file that must exist; without one, [`DEFAULT_FILE`] is read if it exists.
    pub file: Option<PathBuf>,
    /// Names and values of environment variables; those of other programs are ignored.
    pub environment: Vec<(String, String)>,
    /// What the command line says.
    pub flags: Vec<Flag>,
}

/// A configuration that passed every check, and where each part of it came from.
#[derive(Debug)]
pub struct Effective {
    /// The configuration.
    pub config: Config,
    /// Every key once, sorted.
    pub settings: Vec<Setting>,
}

impl Effective {
    /// The configuration of a command that cannot do without a database.
    pub fn with_database(self) -> Result<Config, Error> {
        if self.config.database.url.reveal().is_empty() {
            return Err(Error::NoDatabase);
        }
        Ok(self.config)
    }
}

/// One key of an effective configuration.
#[derive(Debug, Serialize)]
pub struct Setting {
    /// Section and name, `coalesce.window`.
    pub key: String,
    /// The value, with secrets redacted.
    pub value: serde_json::Value,
    /// `default`, a file, a variable or a flag.
    pub source: String,
}

impl Sources {
    /// The environment of this process, a file and flags.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Flag>) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            file,
            environment: std::env::vars_os().filter_map(text).collect(),
            flags,
        }
    }

    /// Reads every source and judges the outcome.
    pub fn load(self) -> Result<Effective, Error> {
        let mut figment = Figment::from(Source::defaults()?);
        for source in self.into_sources()? {
            keys::check(&source)?;
            figment = figment.merge(source);
        }
        let config: Config = figment.extract().map_err(Error::value)?;
        judge::judge(&config, &figment)?;
        let settings = settings(&config, &figment);
        Ok(Effective { config, settings })
    }

    /// Weakest first.
    fn into_sources(self) -> Result<Vec<Source>, Error> {
        let mut sources = Vec::new();
        sources.extend(Source::database_url(&self.environment));
        sources.extend(Source::file(self.file)?);
        let variables = self.environment.iter();
        sources.extend(variables.filter_map(|(name, value)| Source::variable(name, value)));
        sources.extend(self.flags.into_iter().map(Source::flag));
        Ok(sources)
    }
}

fn settings(config: &Config, figment: &Figment) -> Vec<Setting> {
    let mut settings = Vec::new();
    let tree = serde_json::to_value(config).unwrap_or_default();
    collect_settings("", tree, figment, &mut settings);
    let url = settings
        .iter_mut()
        .find(|setting| setting.key == "database.url");
    if let Some(url) = url {
        url.value = masked(config.database.url.reveal()).into();
    }
    settings
}

/// Sections, and sections in sections, down to keys.
fn collect_settings(
    key: &str,
    value: serde_json::Value,
    figment: &Figment,
    settings: &mut Vec<Setting>,
) {
    let serde_json::Value::Object(section) = value else {
        settings.push(Setting {
            key: key.into(),
            value,
            source: source::name_of(figment, key),
        });
        return;
    };
    for (name, value) in section {
        collect_settings(&keys::join(key, &name), value, figment, settings);
    }
}

#[cfg(test)]
mod tests;
