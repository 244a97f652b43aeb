//! The roles that a daemon is run with.

use super::{Error, SqlFile};

/// The roles to make, or to bring in order.
#[derive(Clone, Debug)]
pub struct Roles {
    daemon: String,
    rules: Option<String>,
}

impl Roles {
    /// The role that the daemon logs in as, and the one that room rules run as, if there is to be one.
    ///
    /// # Errors
    /// When a name is none that needs no quotes, or is taken.
    pub fn new(daemon: &str, rules: Option<&str>) -> Result<Self, Error> {
        for name in [Some(daemon), rules].into_iter().flatten() {
            let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
                && name.len() < 64
                && name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            let is_taken =
                name.starts_with("pg_") || ["pgbell_owner", "pgbell_daemon"].contains(&name);
            if !is_plain || is_taken || rules == Some(daemon) {
                return Err(Error::UnfitRole { name: name.into() });
            }
        }
        Ok(Self {
            daemon: daemon.into(),
            rules: rules.map(str::to_owned),
        })
    }

    /// The role that the daemon logs in as.
    pub fn daemon(&self) -> &str {
        &self.daemon
    }

    /// The SQL that makes them. The names need no quotes, and a verifier has none in it.
    pub(super) fn sql(&self, verifier: Option<&str>) -> SqlFile {
        let text = include_str!("roles.sql")
            .replace("{daemon}", &self.daemon)
            .replace("{rules}", self.rules.as_deref().unwrap_or_default())
            .replace("{verifier}", verifier.unwrap_or_default());
        SqlFile::owned("src/install/roles.sql", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_need_quotes_or_are_taken_are_refused() {
        for (daemon, rules) in [
            ("", None),
            ("Pgbell", None),
            ("a'b", None),
            ("a$$b", None),
            ("7a", None),
            ("pg_monitor", None),
            ("pgbell_owner", None),
            ("pgbell_login", Some("pgbell_daemon")),
            ("pgbell_login", Some("pgbell_login")),
            (&"a".repeat(64), None),
        ] {
            assert!(Roles::new(daemon, rules).is_err(), "{daemon} {rules:?}");
        }
        assert!(Roles::new("pgbell_login", Some("pgbell_rules")).is_ok());
    }
}
