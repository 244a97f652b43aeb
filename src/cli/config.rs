use std::path::PathBuf;

use clap::Args;

use super::{Failure, output};
use crate::config::{Setting, Sources};

/// `pgbell config`
#[derive(Args, Debug)]
pub(super) struct Show {
    /// Configuration file; otherwise pgbell.toml in the working directory, if there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print a list of objects with key, value and source
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(self) -> Result<(), Failure> {
        let settings = Sources::of_process(self.config, vec![]).load()?.settings;
        if self.json {
            let json = serde_json::to_string_pretty(&settings);
            return Ok(output::line(&json.map_err(std::io::Error::from)?)?);
        }
        Ok(output::text(&table(&settings))?)
    }
}

fn table(settings: &[Setting]) -> String {
    let rows: Vec<_> = settings
        .iter()
        .map(|setting| {
            (
                format!("{} = {}", setting.key, setting.value),
                &setting.source,
            )
        })
        .collect();
    let width = rows
        .iter()
        .map(|(left, _)| left.chars().count())
        .max()
        .unwrap_or(0);
    rows.iter()
        .map(|(left, source)| format!("{left:width$}  # {source}\n"))
        .collect()
}
