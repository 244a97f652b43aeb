//! Clients that come back with a position are told what they missed, or to fetch everything again.

mod positions;
mod told;
mod waiting;

use serde_json::Value;

use crate::support::{daemon::Daemon, database::Database};

async fn here(database: &Database) -> String {
    database.value("pgbell.cursor()").await
}

/// `live`, `replayed` or `resync`, by room.
fn standing(reply: &Value) -> Vec<&str> {
    let rooms = reply["rooms"].as_array().expect("rooms");
    rooms
        .iter()
        .map(|room| room["status"].as_str().expect("a status"))
        .collect()
}

async fn history_reads(daemon: &Daemon) -> u64 {
    daemon.metric("pgbell_history_reads_total").await
}

/// Waits until the daemon has told all that was committed, and remembers the rooms that somebody is in.
async fn settled(daemon: &Daemon, database: &Database) {
    daemon.client().await.messages(database).await;
}
