//! More than anybody wants to read: changes of a hundred entities, again and again, a kilobyte each.

use serde_json::Value;

use super::{daemon::Daemon, database::Database};

/// A hundred changes in room `flood`, of which each entity gets one; later parts have higher numbers.
pub(crate) async fn flood(database: &Database, part: u32) {
    let (from, to) = (part * 100 + 1, part * 100 + 100);
    let sql = format!(
        "insert into pgbell.change (entity, id, events, rooms, new)
         select 'thing', (n % 100)::text, '{{thing:changed}}', '{{flood}}',
             jsonb_build_object('n', n, 'x', repeat('x', 1000))
         from generate_series({from}, {to}) n"
    );
    database.run(&sql).await;
}

/// A change in room `mark`: everything before it was told when it is.
pub(crate) async fn mark(database: &Database) {
    let sql = "insert into pgbell.change (entity, id, events, rooms) values ('m', '1', '{m:m}', '{mark}')";
    database.run(sql).await;
}

/// The newest number that each entity was told with.
#[derive(Debug)]
pub(crate) struct Newest(Vec<u64>);

impl Newest {
    pub(crate) fn new() -> Self {
        Self(vec![0; 100])
    }

    /// Takes in an `invalidate` of room `flood`.
    pub(crate) fn note(&mut self, message: &Value) {
        for change in message["changes"].as_array().into_iter().flatten() {
            let id: usize = change["id"]
                .as_str()
                .expect("an id")
                .parse()
                .expect("a number");
            let number = change["new"]["n"].as_u64().expect("a number");
            assert!(self.0[id] < number, "in order");
            self.0[id] = number;
        }
    }

    /// Of `parts` parts, each entity was told with the number of the last.
    pub(crate) fn is_of_the_last_of(&self, parts: u32) -> bool {
        let before = u64::from(parts - 1) * 100;
        self.0.iter().all(|number| *number > before)
    }
}

/// Waits until one client that read nothing was told to resync, and then closed.
pub(crate) async fn closed_who_is_deaf(daemon: &Daemon) {
    daemon
        .counted(r#"slow_consumers_total{reason="resync"}"#)
        .await;
    daemon
        .counted(r#"slow_consumers_total{reason="closed"} 1"#)
        .await;
    daemon
        .counted(r#"closes_total{reason="slow_consumer"} 1"#)
        .await;
}
