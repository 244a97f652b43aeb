//! Whether a statement of very many rows reaches everybody whom its rows would have reached.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use super::problem::{Code, Problem};
use crate::install::{
    Error,
    error::server_error,
    query::{query_as, run},
    triggers::{savepoint::Savepoint, shadow::Shadow},
};

/// Rooms that were told, and whether by a row that stands for many.
type Logged = (Option<Vec<Option<String>>>, bool);

/// Rooms by the verb of the statement that told them.
type Told = BTreeMap<String, BTreeSet<String>>;

/// By verb, what those rooms miss that hear of single rows and not of many.
pub(super) async fn check(
    connection: &mut PgConnection,
    shadow: &Shadow,
) -> Result<Vec<(String, Problem)>, Error> {
    let mut statements = shadow.touching_rows();
    let Some((singles, _)) = told(connection, &statements).await? else {
        return Ok(Vec::new());
    };
    statements.insert(0, "set local pgbell.bulk_limit = 0".into());
    statements.push(format!("truncate {}", shadow.name));
    let Some((_, patterns)) = told(connection, &statements).await? else {
        return Ok(Vec::new());
    };
    Ok(missing(&singles, &patterns))
}

/// What single rows told, and what rows told that stand for many. None if a trigger fails, which is
/// found elsewhere, or if the log cannot be read.
async fn told(
    connection: &mut PgConnection,
    statements: &[String],
) -> Result<Option<(Told, Told)>, Error> {
    let savepoint = Savepoint::set(connection).await?;
    let outcome = run_and_read(connection, statements).await;
    savepoint.roll_back(connection).await?;
    match outcome {
        Ok(told) => Ok(Some(told)),
        Err(source) if server_error(&source).is_some() => Ok(None),
        Err(source) => Err(Error::statement("check", &source)),
    }
}

async fn run_and_read(
    connection: &mut PgConnection,
    statements: &[String],
) -> Result<(Told, Told), sqlx::Error> {
    let (mut singles, mut patterns) = (Told::new(), Told::new());
    let mut seen: BTreeMap<Logged, usize> = BTreeMap::new();
    for statement in statements {
        run(connection, statement).await?;
        let logged: Vec<Logged> = query_as(
            "select rooms, id is not distinct from '*' from pgbell.change where xid = pg_current_xact_id()",
        )
        .fetch_all(&mut *connection)
        .await?;
        let mut now: BTreeMap<Logged, usize> = BTreeMap::new();
        for row in logged {
            *now.entry(row).or_default() += 1;
        }
        let verb = statement.split(' ').next().unwrap_or_default();
        for ((rooms, is_many), count) in &now {
            let row = (rooms.clone(), *is_many);
            if *count > seen.get(&row).copied().unwrap_or_default() {
                let told = if *is_many {
                    &mut patterns
                } else {
                    &mut singles
                };
                let rooms = rooms.iter().flatten().flatten().cloned();
                told.entry(verb.to_owned()).or_default().extend(rooms);
            }
        }
        seen = now;
    }
    Ok((singles, patterns))
}

/// A verb whose triggers have no row for many is let be: they list what they have.
fn missing(singles: &Told, patterns: &Told) -> Vec<(String, Problem)> {
    let mut problems = Vec::new();
    for (verb, patterns) in patterns {
        let of_rows = if verb == "truncate" { "delete" } else { verb };
        let rooms = singles.get(of_rows).into_iter().flatten();
        let unheard: BTreeSet<_> = rooms
            .filter(|room| !patterns.iter().any(|pattern| covers(pattern, room)))
            .map(|room| kind(room))
            .collect();
        for kind in unheard {
            problems.push((verb.clone(), problem(verb, &kind)));
        }
    }
    problems
}

fn covers(pattern: &str, room: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => room.starts_with(prefix),
        None => pattern == room,
    }
}

/// `customer:*` of `customer:42`.
fn kind(room: &str) -> String {
    match room.split_once(':') {
        Some((kind, id)) if id.contains(|letter: char| letter.is_ascii_digit()) => {
            format!("{kind}:*")
        }
        _ => room.to_owned(),
    }
}

fn problem(verb: &str, kind: &str) -> Problem {
    let message = match verb {
        "truncate" => format!("delete tells {kind}, and truncate does not"),
        _ => format!("{verb} tells {kind}, and {verb} of very many rows does not"),
    };
    Problem::new(
        Code::BulkRooms,
        message,
        format!("add {kind} to the rooms of the row with id '*'"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(verb: &str, rooms: &[&str]) -> Told {
        let rooms = rooms.iter().map(|room| (*room).to_owned()).collect();
        Told::from([(verb.to_owned(), rooms)])
    }

    fn found(singles: &Told, patterns: &Told) -> Vec<String> {
        let found = missing(singles, patterns).into_iter();
        found.map(|(_, problem)| problem.message).collect()
    }

    #[test]
    fn a_kind_of_room_that_many_rows_do_not_tell_is_found_once() {
        let singles = rooms("insert", &["film:1", "store:1", "store:2", "admin:stock"]);
        let message = "insert tells store:*, and insert of very many rows does not";
        let patterns = rooms("insert", &["film:*", "admin:*"]);
        assert_eq!(found(&singles, &patterns), [message]);
        assert_eq!(found(&singles, &rooms("insert", &["*"])), [""; 0]);
        // Nobody has to give up on listing.
        assert_eq!(found(&singles, &rooms("update", &["film:*"])), [""; 0]);
    }

    #[test]
    fn truncate_has_to_reach_whom_delete_reaches() {
        let singles = rooms("delete", &["film:1", "store:1"]);
        let patterns = rooms("truncate", &["film:*"]);
        let message = "delete tells store:*, and truncate does not";
        assert_eq!(found(&singles, &patterns), [message]);
    }
}
