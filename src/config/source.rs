//! One source of settings: its values, and the name by which complaints call it.

use std::path::{Path, PathBuf};

use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Format, Toml},
    util::nest,
    value::{Dict, Map, Value},
};

use super::{Config, DEFAULT_FILE, Error, keys};

const PREFIX: &str = "PGBELL_";

/// Variables that are read elsewhere, not settings.
const NOT_SETTINGS: &[&str] = &[
    "PGBELL_LOG",
    "PGBELL_LOG_FORMAT",
    "PGBELL_PG_BIN",
    #[cfg(feature = "sabotage")]
    "PGBELL_SABOTAGE",
];

/// Kubernetes puts these into every container of a namespace with a service named `pgbell`.
const SERVICE_LINKS: [&str; 2] = ["PGBELL_SERVICE_", "PGBELL_PORT"];

/// A setting made on the command line.
#[derive(Clone, Debug)]
pub struct Flag {
    /// As typed, `--listen`.
    pub name: &'static str,
    /// The key it sets, `gateway.listen`.
    pub key: &'static str,
    /// Its value.
    pub value: String,
}

/// Settings that came from one place.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) values: Dict,
}

impl Source {
    pub(super) fn defaults() -> Result<Self, Error> {
        let values = Value::serialize(Config::default()).map_err(Error::value)?;
        Ok(Self {
            name: "default".into(),
            values: values.into_dict().unwrap_or_default(),
        })
    }

    /// What many hosts set for every program: the URL, unless anything else sets it.
    pub(super) fn database_url(environment: &[(String, String)]) -> Option<Self> {
        let (name, url) = environment
            .iter()
            .find(|(name, value)| name == "DATABASE_URL" && !value.is_empty())?;
        Some(Self::single(name, "database.url", url.clone().into()))
    }

    pub(super) fn file(named: Option<PathBuf>) -> Result<Option<Self>, Error> {
        let default = Path::new(DEFAULT_FILE);
        let path = match &named {
            Some(path) => path,
            None if default.exists() => default,
            None => return Ok(None),
        };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
            file: name.clone(),
            source,
        })?;
        let values = Toml::from_str(&text).map_err(|error| Error::syntax(&name, &error))?;
        Ok(Some(Self { name, values }))
    }

    /// `None` for variables that are no settings of pgbell.
    pub(super) fn variable(name: &str, value: &str) -> Option<Self> {
        let path = name.strip_prefix(PREFIX)?;
        let elsewhere =
            NOT_SETTINGS.contains(&name) || SERVICE_LINKS.iter().any(|link| name.starts_with(link));
        if elsewhere {
            return None;
        }
        let key = path.to_ascii_lowercase().replace("__", ".");
        let value = match keys::default_of(&key) {
            Some(Value::String(..)) | None => value.into(),
            Some(_) => value.parse().unwrap_or_else(|_| value.into()),
        };
        Some(Self::single(name, &key, value))
    }

    pub(super) fn flag(flag: Flag) -> Self {
        Self::single(flag.name, flag.key, flag.value.into())
    }

    /// How this source spells a key.
    pub(super) fn spell(&self, key: &str) -> String {
        if self.name.starts_with(PREFIX) {
            format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
        } else {
            key.into()
        }
    }

    fn single(name: &str, key: &str, value: Value) -> Self {
        Self {
            name: name.into(),
            values: nest(key, value).into_dict().unwrap_or_default(),
        }
    }
}

impl Provider for Source {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// The source whose value for `key` won. What stands inside a list comes from where the list does.
pub(super) fn name_of(figment: &Figment, key: &str) -> String {
    let mut key = key;
    loop {
        if let Some(found) = figment.find_metadata(key) {
            return found.name.to_string();
        }
        match key.rsplit_once('.') {
            Some((outer, _)) => key = outer,
            None => return "default".into(),
        }
    }
}
