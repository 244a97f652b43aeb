use figment::error::Kind;

/// Why a configuration was refused. Always one line, never with a secret in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {file}")]
    Read {
        /// As it was named.
        file: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{file}: {reason}")]
    Syntax {
        /// As it was named.
        file: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// There is no such key.
    #[error("unknown key {key} in {source_name}{hint}")]
    Unknown {
        /// As it was written.
        key: String,
        /// Where it was found.
        source_name: String,
        /// What may have been meant, or nothing.
        hint: String,
    },
    /// The value has the wrong form.
    #[error("{key} in {source_name}: {reason}")]
    Value {
        /// The key.
        key: String,
        /// Where the value was found.
        source_name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The value has the right form but makes no sense.
    #[error("{key} in {source_name} must be {allowed}{found}")]
    Impossible {
        /// The key.
        key: &'static str,
        /// Where the value was found.
        source_name: String,
        /// What would make sense.
        allowed: &'static str,
        /// The value, unless it is secret.
        found: String,
    },
    /// A command that needs a database was given none.
    #[error(
        "database.url is not set: use --database-url, PGBELL_DATABASE__URL, DATABASE_URL or {}",
        super::DEFAULT_FILE
    )]
    NoDatabase,
}

impl Error {
    pub(super) fn value(error: figment::Error) -> Self {
        let source = error.metadata.as_ref();
        let key = error.path.join(".");
        let reason = match &error.kind {
            Kind::InvalidType(_, wanted) | Kind::InvalidValue(_, wanted) if is_secret(&key) => {
                format!("must be {wanted}")
            }
            kind => kind.to_string(),
        };
        Self::Value {
            key,
            source_name: source.map_or("default".into(), |found| found.name.to_string()),
            reason: one_line(&reason),
        }
    }

    /// The message of a TOML error without the line it quotes, which may hold a password.
    pub(super) fn syntax(file: &str, error: &impl ToString) -> Self {
        let text = error.to_string();
        let is_quote = |line: &str| {
            line.split_once('|')
                .is_some_and(|(margin, _)| is_margin(margin))
        };
        let kept: Vec<_> = text.lines().filter(|line| !is_quote(line)).collect();
        Self::Syntax {
            file: file.into(),
            reason: kept.join(": "),
        }
    }
}

/// Whether there may be a secret in what was found there, in whatever form: also where a whole section
/// was expected, as in `database = "postgres://…"`.
fn is_secret(key: &str) -> bool {
    ["database.url", "access.tokens.keys", "gateway.admin.token"]
        .iter()
        .any(|secret| key.starts_with(secret) || secret.starts_with(key))
}

fn is_margin(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_digit())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
