//! Time as a writer: each moment comes once, in its order, whatever befalls the daemons.

mod faults;
mod moments;
mod recurring;

use std::time::Duration;

use pgbell::config::Config;

use crate::support::client::{Client, changes_in};

/// One who does not look by himself.
fn never_by_itself(config: &mut Config) {
    config.database.safety_interval = Duration::from_secs(600);
}

/// A statement that has `id` happen in `room:1`, `due` from now.
fn moment(id: &str, due: &str) -> String {
    format!(
        "insert into pgbell.schedule (entity, id, what, due_at, events, rooms)
         values ('thing', '{id}', 'comes', clock_timestamp() + '{due}', '{{thing:came}}', '{{room:1}}')"
    )
}

/// The ids of the next changes that are told, in their order, until all of `ids` were.
async fn come(client: &mut Client, ids: &[&str]) -> Vec<String> {
    let mut told = Vec::new();
    while !ids.iter().all(|id| told.iter().any(|told| told == id)) {
        let message = client.next_of("invalidate").await;
        let changes = changes_in(&[message], "room:1");
        told.extend(
            changes
                .iter()
                .map(|change| change["id"].as_str().expect("an id").to_owned()),
        );
    }
    told
}
