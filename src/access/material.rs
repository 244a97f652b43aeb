//! What keys are made of: texts of the configuration, or files it names.

use std::{fs, path::Path};

use super::{Invalid, config::KeyConfig, keys::Key};

/// What is wrong, and with which key of the entry; the empty one is the entry itself.
type Wrong = (&'static str, String);

/// All keys of the configuration.
pub(super) fn keys(configs: &[KeyConfig]) -> Result<Vec<Key>, Invalid> {
    let mut keys: Vec<Key> = Vec::new();
    for (place, config) in configs.iter().enumerate() {
        let origin = format!("access.tokens.keys.{place}");
        let invalid = |(name, reason): Wrong| match name {
            "" => Invalid::new(origin.clone(), reason),
            name => Invalid::new(format!("{origin}.{name}"), reason),
        };
        let key = key(&origin, config).map_err(invalid)?;
        let same_id = keys
            .iter()
            .find(|other| other.id.is_some() && other.id == key.id);
        if same_id.is_some_and(|other| other.is_shared() != key.is_shared()) {
            let reason = "is the id of a secret and of a public key; a token could pass off one as the other";
            return Err(invalid(("id", reason.into())));
        }
        keys.push(key);
    }
    Ok(keys)
}

fn key(origin: &str, config: &KeyConfig) -> Result<Key, Wrong> {
    check_sources(config)?;
    let id = config.id.as_deref();
    if id == Some("") {
        return Err((
            "id",
            "is empty; a key without an id has no id at all".into(),
        ));
    }
    let made = match public_key(config)? {
        None => Key::from_secret(origin, id, config.algorithm, &secret(config)?),
        Some(pem) => Key::from_pem(origin, id, config.algorithm, &pem),
    };
    made.map_err(|problem| (used(config), problem.to_string()))
}

fn check_sources(config: &KeyConfig) -> Result<(), Wrong> {
    let given = [
        config.secret.is_some(),
        config.secret_file.is_some(),
        config.public_key.is_some(),
        config.public_key_file.is_some(),
    ];
    match given.into_iter().filter(|given| *given).count() {
        1 => Ok(()),
        _ => {
            let reason =
                "must have exactly one of secret, secret_file, public_key and public_key_file";
            Err(("", reason.into()))
        }
    }
}

fn used(config: &KeyConfig) -> &'static str {
    match config {
        KeyConfig {
            secret: Some(_), ..
        } => "secret",
        KeyConfig {
            secret_file: Some(_),
            ..
        } => "secret_file",
        KeyConfig {
            public_key: Some(_),
            ..
        } => "public_key",
        _ => "public_key_file",
    }
}

/// The bytes of a secret; empty where the entry has none.
pub(super) fn secret(config: &KeyConfig) -> Result<Vec<u8>, Wrong> {
    let Some(file) = &config.secret_file else {
        let text = config.secret.as_ref().map_or("", |secret| secret.reveal());
        return Ok(text.into());
    };
    let mut bytes = read(file).map_err(|reason| ("secret_file", reason))?;
    if bytes.ends_with(b"\n") {
        bytes.pop();
    }
    if bytes.ends_with(b"\r") {
        bytes.pop();
    }
    Ok(bytes)
}

fn public_key(config: &KeyConfig) -> Result<Option<String>, Wrong> {
    let Some(file) = &config.public_key_file else {
        return Ok(config.public_key.clone());
    };
    let bytes = read(file).map_err(|reason| ("public_key_file", reason))?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}
