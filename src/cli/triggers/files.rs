//! The trigger files that a command is about.

use std::path::{Path, PathBuf};

use super::Failure;
use crate::install::SqlFile;

/// Where trigger files are, when nobody says.
const FOLDER: &str = "sql/triggers";

/// Reads these files.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<SqlFile>, Failure> {
    paths.iter().map(|path| read_one(path)).collect()
}

pub(super) fn read_one(path: &Path) -> Result<SqlFile, Failure> {
    SqlFile::read(path)
        .map_err(|error| Failure::usage(&format!("cannot read {}", path.display()), &error))
}

/// Reads these files; if there are none, those of the working directory.
pub(super) fn read_or_default(paths: &[PathBuf]) -> Result<Vec<SqlFile>, Failure> {
    if !paths.is_empty() {
        return read(paths);
    }
    let mut found: Vec<_> = std::fs::read_dir(FOLDER)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    found.sort();
    if found.is_empty() {
        return Err(Failure::wrong(format!(
            "there are no files {FOLDER}/*.sql here; name the trigger files"
        )));
    }
    read(&found)
}
