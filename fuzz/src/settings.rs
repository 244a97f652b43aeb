//! What an operator writes, and what must not be said about it.

use std::{env, fs, process, thread};

use pgbell::{
    config::{Sources, masked},
    install::{SqlFile, triggers::script::Script},
};

use super::text;

/// Stands where secrets stand.
const CANARY: &str = "canary-of-the-fuzzer-0123456789abcdef";
/// A file begins with these, whatever follows.
const SECRETS: &str = r#"
[database]
url = "postgres://pgbell:CANARY@127.0.0.1/shop?sslpassword=CANARY"
[[access.tokens.keys]]
algorithm = "HS256"
secret = "CANARY"
"#;

/// A configuration file, with secrets above it.
pub(crate) fn config(bytes: &[u8]) {
    // What names files is left out: devices can be read for ever.
    let Some(text) = text(bytes).filter(|text| !text.contains("_file")) else {
        return;
    };
    let name = format!(
        "pgbell-fuzz-{}-{:?}.toml",
        process::id(),
        thread::current().id()
    );
    let path = env::temp_dir().join(name);
    let whole = SECRETS.replace("CANARY", CANARY) + text;
    fs::write(&path, whole).expect("a file");
    let sources = Sources {
        file: Some(path.clone()),
        ..Sources::default()
    };
    let said = match sources.load() {
        Ok(effective) => format!("{:?}", effective.settings),
        Err(error) => {
            let said = error.to_string();
            assert_eq!(said.lines().count(), 1, "{said}");
            said + &format!("{error:?}")
        }
    };
    let removed = fs::remove_file(&path);
    assert!(!said.contains(CANARY), "{said}");
    removed.expect("removed");
}

/// The password of a database's URL, wherever it stands.
pub(crate) fn database_url(bytes: &[u8]) {
    let Some(password) = text(bytes) else { return };
    masked(password);
    let is_word = |byte: u8| byte.is_ascii_alphanumeric();
    // Whatever else is in it, no word of some length may be left over.
    let words: Vec<_> = password
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.len() >= 6)
        .collect();
    if !password.bytes().any(is_word) || password.contains(['&', '#']) {
        return;
    }
    for url in [
        format!("postgres://user:{password}@host:5432/db"),
        format!("postgres://user@host/db?password={password}"),
        format!("postgres://user@host/db?a=b&PASSWORD={password}&sslmode=require"),
        format!("postgres://user@host/db?p%61ssword={password}"),
    ] {
        let shown = masked(&url);
        for word in &words {
            let is_ours = "postgres password sslmode require p%61ssword".contains(*word);
            assert!(is_ours || !shown.contains(word), "{shown} of {url}");
        }
    }
}

/// A file of triggers.
pub(crate) fn trigger_file(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let file = SqlFile::owned("fuzz.sql", text.to_owned());
    let script = Script::parse(&file);
    let mut whole = String::with_capacity(text.len());
    for statement in &script.statements {
        whole.push_str(statement.lead);
        assert_eq!(statement.line, whole.matches('\n').count() + 1);
        whole.push_str(statement.text);
    }
    assert_eq!(whole + script.rest, text, "nothing is lost");
}
