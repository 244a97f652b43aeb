//! Every event of every pack, in every room it is named for and in no other.

mod analytics;
mod carts;
mod every;
mod notifications;
mod quotations;
mod stores;
mod wholesale;

/// The same events in each of these rooms, a line each.
fn all(rooms: &[&str], events: &str) -> String {
    let lines: Vec<String> = rooms
        .iter()
        .map(|room| format!("{room} <- {events}"))
        .collect();
    lines.join("\n")
}
