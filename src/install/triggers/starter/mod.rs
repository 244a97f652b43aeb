//! A first trigger file for a table: what an administrator would otherwise type.
//!
//! It guesses what columns mean by their names and types, and says in the file what it left out, because
//! the file is there to be edited. `shape` reads the table; all else is pure, from that to text:
//! `names`, `vocabulary` and `columns` say what things mean, `plan` what the file will say, and
//! `header`, `bodies`, `changes` and `text` say it, in pieces of `sql`.

mod bodies;
mod changes;
mod columns;
mod header;
mod names;
mod plan;
mod shape;
mod sql;
mod text;
mod vocabulary;

use crate::{
    catalogue::Catalogue,
    install::{Error, session::Session},
};

use plan::Plan;
use shape::Table;

/// How a starter file should look.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What clients call one of what the table holds; otherwise the table's name in the singular.
    pub entity: Option<String>,
    /// Row triggers, for a table that logical replication writes to.
    pub row_level: bool,
}

/// A first trigger file for a table of the database.
pub async fn new_file(
    url: &str,
    table: &str,
    options: &Options,
    catalogue: &Catalogue,
) -> Result<String, Error> {
    let mut session = Session::open(url).await?;
    let table = Table::read(&mut *session.look().await?, table).await?;
    text(&table, options, catalogue)
}

/// The file for a table.
fn text(table: &Table, options: &Options, catalogue: &Catalogue) -> Result<String, Error> {
    let plan = Plan::new(table, options, catalogue)?;
    let body = match options.row_level {
        false => text::statement_level(&plan),
        true => text::row_level(&plan),
    };
    Ok(format!("{}{body}", header::header(&plan, catalogue)))
}
