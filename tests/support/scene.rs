//! A shop with triggers, and a client in every room that its rows could be told in.

use super::{
    client::{Client, Told, expect},
    daemon::Daemon,
    database::{Database, trigger_file},
};

pub(crate) const KINDS: [&str; 10] = [
    "product",
    "variant",
    "sale",
    "order",
    "user",
    "seller",
    "storefront",
    "store",
    "analytics",
    "cart",
];

const SINGLE: [&str; 7] = [
    "shop_1",
    "shop_2",
    "buyers",
    "sellers",
    "admin:orders",
    "admin:stock",
    "admin:metrics",
];

pub(crate) struct Scene {
    pub(crate) database: Database,
    pub(crate) client: Client,
    _daemon: Daemon,
}

impl Scene {
    /// The shop with the core triggers, after `sql`.
    pub(crate) async fn set(sql: &str) -> Self {
        Self::with_packs(&[], sql).await
    }

    /// The same, with these packs besides.
    pub(crate) async fn with_packs(packs: &[&str], sql: &str) -> Self {
        let database = Database::with_shop().await;
        let files: Vec<_> = packs
            .iter()
            .map(|pack| trigger_file(&format!("packs/{pack}")))
            .collect();
        database.apply(&files).await;
        database.run(sql).await;
        Self::on(database).await
    }

    /// A database that is there already.
    pub(crate) async fn on(database: Database) -> Self {
        let daemon = Daemon::start(&database).await;
        let client = watch_everything(&daemon).await;
        Self {
            database,
            client,
            _daemon: daemon,
        }
    }

    /// Asserts that `sql` is told in these rooms, `room <- event event` in a line each, and in no other.
    #[track_caller]
    pub(crate) fn told(&mut self, sql: &str, lines: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let told: Told = self.client.told_of(&self.database, sql).await;
            assert_eq!(told, expect(lines), "{sql} at {caller}");
        }
    }
}

async fn watch_everything(daemon: &Daemon) -> Client {
    let numbers = (1..=24).chain([42]);
    let rooms = numbers.flat_map(|number| KINDS.map(|kind| format!("{kind}:{number}")));
    let rooms: Vec<String> = rooms.chain(SINGLE.map(str::to_owned)).collect();
    let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
    assert!(rooms.len() > 200, "two hundred rooms on one socket");
    daemon.client_in(&rooms).await
}
