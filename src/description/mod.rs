//! What others read of the wire: types for TypeScript, an AsyncAPI document, messages to test clients with.
//!
//! All of it is made of `protocol.rs` by tests, which fail when a file is not what it would be made today.
//! `PGBELL_RENEW=1 cargo test --lib` writes the files anew.

mod asyncapi;
mod fixtures;
mod planned;
mod schemas;
mod typescript;

use std::{env, fs, path::Path};

/// Holds a file of the tree to `content`, or writes it where `PGBELL_RENEW` is set.
pub(crate) fn hold(path: &str, content: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if env::var_os("PGBELL_RENEW").is_some() {
        return fs::write(&file, content).expect("a file that can be written");
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == content,
        "{path} is not what src/ describes: PGBELL_RENEW=1 cargo test --lib"
    );
}
