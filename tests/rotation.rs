//! The log forgets by whole leaves, without making anybody wait and without losing a row.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

use futures_util::future::join_all;
use pgbell::capture::Transport;

use crate::support::{
    client::{changes_in, expect, ids_in},
    daemon::Daemon,
    database::Database,
    soon,
};

/// One step, with a size and a grace that make every step due.
const ROTATE: &str = "pgbell.rotate('1 hour', 1, '0 s')";

fn order(id: usize) -> String {
    format!(
        "insert into orders (id, order_number, user_id, seller_id, store_id) values ({id}, '{id}', 1, 11, 1)"
    )
}

async fn rows(database: &Database) -> usize {
    let count = database.value("select count(*) from pgbell.change").await;
    count.parse().expect("a number")
}

#[tokio::test]
async fn every_row_is_told_while_the_leaves_go_round() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["admin:orders"]).await;
    let mut steps = BTreeSet::new();
    let mut leaves = BTreeSet::new();
    for id in 1..=40 {
        let messages = client.messages_of(&database, &order(id)).await;
        let changes = changes_in(&messages, "admin:orders");
        assert_eq!(changes.len(), 1, "order {id}: {messages:?}");
        assert_eq!(changes[0]["id"], id.to_string());
        steps.insert(database.value(ROTATE).await);
        leaves.insert(
            database
                .value("select max(slot) from pgbell.change where entity = 'order'")
                .await,
        );
    }
    for step in ["rotated", "sealed", "cleared"] {
        assert!(steps.contains(step), "{step} in {steps:?}");
    }
    let kept = rows(&database).await;
    assert!(kept < 60, "{kept} rows are kept of 80 and more");
    assert_ne!(
        database
            .value("select horizon::text from pgbell.install")
            .await,
        "0"
    );
}

#[tokio::test]
async fn a_writer_that_stays_open_keeps_its_leaf_and_is_told_when_it_commits() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["product:1"]).await;
    let slow = database.session().await;
    slow.run("begin; update products set price = 1 where id = 1")
        .await;
    let mut steps = Vec::new();
    for id in 1..=40 {
        // With the grace left out, the daemon must have read what is emptied.
        let messages = client.messages_of(&database, &order(id)).await;
        assert!(messages.is_empty(), "{messages:?}");
        steps.push(database.value(ROTATE).await);
        let kept = rows(&database).await;
        assert!(kept < 60, "{kept} rows are kept after {steps:?}");
    }
    // Once in a while a read of the daemon's is under way where the next step would be.
    let blocked = steps.iter().filter(|step| *step == "blocked").count();
    assert!(blocked < steps.len() / 4, "{steps:?}");

    slow.run("update products set price = 2 where id = 1; commit")
        .await;
    let messages = client.messages(&database).await;
    assert_eq!(changes_in(&messages, "product:1")[0]["count"], 2);
    let told = client
        .told_of(&database, "update products set price = 3 where id = 1")
        .await;
    assert_eq!(told, expect("product:1 <- product:price_changed"));
}

#[tokio::test]
async fn writers_that_hold_every_other_leaf_block_the_switch_until_one_is_gone() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["product:1"]).await;
    let mut slow = Vec::new();
    for product in 1..=3 {
        let session = database.session().await;
        let update = format!("begin; update products set price = 1 where id = {product}");
        session.run(&update).await;
        database.run(&order(product)).await;
        assert_eq!(database.value(ROTATE).await, "rotated");
        slow.push(session);
    }
    for id in 4..=6 {
        database.run(&order(id)).await;
        assert_eq!(database.value(ROTATE).await, "blocked");
    }
    slow[0].run("commit").await;
    let messages = client.messages(&database).await;
    assert_eq!(changes_in(&messages, "product:1").len(), 1);
    for step in ["sealed", "cleared", "rotated"] {
        assert_eq!(database.value(ROTATE).await, step);
    }
    for session in slow {
        session.run("rollback").await;
    }
}

/// A plan is kept by a transaction that holds its locks already: it appends to a leaf that was sealed.
#[tokio::test]
async fn a_row_that_comes_after_the_seal_is_kept_for_readers() {
    let database = Database::with_shop().await;
    let late = database.session().await;
    late.run(
        "set plan_cache_mode = force_generic_plan;
         prepare late(bool) as insert into pgbell.change (entity, id, events, rooms)
         select 'late', '1', '{x:y}', '{late}' where $1",
    )
    .await;
    late.run("begin; execute late(false)").await;
    let mut next = 1..;
    let mut step = async || {
        database.run(&order(next.next().expect("a number"))).await;
        database.value(ROTATE).await
    };
    for expected in ["rotated", "sealed", "rotated", "sealed"] {
        assert_eq!(step().await, expected);
    }
    late.run("execute late(true)").await;
    assert_eq!(
        late.value("select slot from pgbell.change where entity = 'late'")
            .await,
        "0"
    );
    late.run("commit").await;
    assert_eq!(step().await, "sealed", "once more, because of the late row");
    assert_eq!(
        database
            .value("select count(*) from pgbell.change where entity = 'late'")
            .await,
        "1"
    );
    let seen = "select sealed_at is not null and pg_visible_in_snapshot(xid, sealed)
                  from pgbell.change join pgbell.rotation using (slot) where entity = 'late'";
    assert_eq!(database.value(seen).await, "true");
    assert_eq!(step().await, "cleared");
    assert_eq!(
        database
            .value("select count(*) from pgbell.change where entity = 'late'")
            .await,
        "0"
    );
}

#[tokio::test]
async fn a_leaf_is_not_emptied_before_readers_had_time() {
    let database = Database::with_shop().await;
    for id in 1..=12 {
        database.run(&order(id)).await;
        database.value("pgbell.rotate('1 hour', 1)").await;
    }
    database.run(&order(13)).await;
    assert_eq!(
        database.value("pgbell.rotate('1 hour', 1)").await,
        "blocked"
    );
    assert_eq!(
        database
            .value("select count(*) >= 13 from pgbell.change")
            .await,
        "true"
    );
    assert_eq!(
        database
            .value("select horizon::text from pgbell.install")
            .await,
        "0"
    );
}

/// Any wait of the writer for a lock would be an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_step_makes_a_writer_wait() {
    let database = Database::with_shop().await;
    // Commits that notify wait for those of the other tests.
    database.run("select pgbell.mute()").await;
    let over = AtomicBool::new(false);
    let stepping = async {
        let mut steps = Steps::of(&database, ROTATE).await;
        steps.clear(10).await;
        over.store(true, Ordering::Relaxed);
    };
    let writing = write(&database, "set lock_timeout = '1ms'", 0, &over);
    let (committed, ()) = tokio::join!(writing, stepping);
    assert!(committed.len() > 10);
}

/// Writers at full speed fill leaf after leaf, while one keeps its transaction open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_nobody_waits_nothing_is_lost_and_the_log_stays_small() {
    const WRITERS: usize = 4;
    const MILLION: usize = 1_000_000;
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        // Commits that notify wait for each other, whatever the log does.
        config.database.transport = Transport::Poll;
        config.coalesce.max_entities_per_room = 100_000;
        config.hub.queue_frames = 100_000;
        config.hub.queue_size = bytesize::ByteSize::gib(1);
    })
    .await;
    let rooms = ["admin:orders", "product:1", "written"];
    let mut client = daemon.client_in(&rooms).await;
    let over = AtomicBool::new(false);
    let stepping = async {
        let rotate = "pgbell.rotate('1 hour', 3 * 256 * 1024, '500 ms')";
        let mut steps = Steps::of(&database, rotate).await;
        let slow = database.session().await;
        slow.run("begin; update products set price = 1 where id = 1")
            .await;
        steps.clear(4).await;
        slow.run("update products set price = 2 where id = 1").await;
        steps.clear(4).await;
        slow.run("commit").await;
        steps.clear(4).await;
        steps.has_given_back_more_than_it_keeps().await;
        over.store(true, Ordering::Relaxed);
    };
    let writers = (1..=WRITERS).map(|writer| {
        write(
            &database,
            "set application_name = 'writer'",
            writer * MILLION,
            &over,
        )
    });
    let writing = async {
        let watching = nobody_waits_for_a_leaf(&database, &over);
        let (committed, (), ()) = tokio::join!(join_all(writers), stepping, watching);
        let written = "insert into pgbell.change (entity, id, events, rooms) values ('x', '1', '{x:y}', '{written}')";
        database.run(written).await;
        committed.concat()
    };
    let (committed, messages) = tokio::join!(writing, client.messages_until("written"));
    let told = ids_in(&messages, "admin:orders");
    let missing: Vec<_> = committed.iter().filter(|id| !told.contains(*id)).collect();
    assert!(missing.is_empty(), "{missing:?} of {}", committed.len());
    assert_eq!(changes_in(&messages, "product:1")[0]["count"], 2);
}

/// Orders after number `first`, until it is over. Returns those that were committed.
async fn write(database: &Database, set: &str, first: usize, over: &AtomicBool) -> Vec<String> {
    let session = database.session().await;
    session.run(set).await;
    let mut committed = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let id = first + committed.len() + 1;
        session.run(&order(id)).await;
        committed.push(id.to_string());
    }
    committed
}

/// Looks at the writers again and again. They do wait for each other, to make a table longer.
async fn nobody_waits_for_a_leaf(database: &Database, over: &AtomicBool) {
    let session = database.session().await;
    let waiting = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'writer' and wait_event = 'relation'";
    while !over.load(Ordering::Relaxed) {
        assert_eq!(session.value(waiting).await, "0");
    }
}

/// Takes steps while others write, and looks at the size of the log.
struct Steps<'a> {
    session: Database,
    rotate: &'a str,
    given_back: u64,
}

impl<'a> Steps<'a> {
    async fn of(database: &Database, rotate: &'a str) -> Self {
        Self {
            session: database.session().await,
            rotate,
            given_back: 0,
        }
    }

    /// Goes on until this many leaves were emptied.
    async fn clear(&mut self, leaves: usize) {
        for _ in 0..leaves {
            soon("a leaf to be emptied", self.clear_one()).await;
        }
    }

    async fn clear_one(&mut self) {
        loop {
            let before = self.size().await;
            if self.session.value(self.rotate).await == "cleared" {
                self.given_back += before.saturating_sub(self.size().await);
                return;
            }
        }
    }

    async fn has_given_back_more_than_it_keeps(&self) {
        let (kept, given_back) = (self.size().await, self.given_back);
        assert!(kept < given_back, "{kept} kept, {given_back} given back");
    }

    /// Of the whole log, with its indexes.
    async fn size(&self) -> u64 {
        let size = "select sum(pg_total_relation_size(format('pgbell.change_%s', slot)::regclass)) from pgbell.rotation";
        self.session.value(size).await.parse().expect("a number")
    }
}
