//! Those who change whose rooms are, and tell something in them.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use fastrand::Rng;
use jiff::Timestamp;
use tokio::time::{sleep, timeout};

use super::{
    World,
    journal::{USERS, User, Write},
    people::Guest,
};
use crate::support::database::Database;

/// Rows that are more than one read takes.
const MANY: u32 = 600;
/// What `database.read_limit` is.
pub(super) const READ: u32 = 400;

/// Makes an order or a team.
pub(super) async fn found(database: &Database, room: &str, owner: User) {
    let (kind, id) = room.split_once(':').expect("a kind");
    let insert = match kind {
        "order" => format!(
            "insert into orders (id, order_number, user_id, seller_id, store_id)
             values ({id}, 'B-{id}', {owner}, 11, 1)"
        ),
        _ => format!("insert into team values ('{id}', '{owner}')"),
    };
    database.run(&insert).await;
}

/// How it comes to somebody else: by an event that is told, by a call, or among too many to tell them.
fn give(room: &str, owner: User, is_bulk: bool) -> String {
    let (kind, id) = room.split_once(':').expect("a kind");
    match (kind, is_bulk) {
        ("order", false) => format!("update orders set user_id = {owner} where id = {id}"),
        ("order", true) => format!(
            "set local pgbell.bulk_limit = 0; update orders set user_id = {owner} where id = {id}"
        ),
        (_, false) => format!(
            "update team set owner = '{owner}' where id = '{id}'; select pgbell.recheck('{room}')"
        ),
        (_, true) => format!(
            "update team set owner = '{owner}' where id = '{id}'; select pgbell.recheck('{room}');
             insert into pgbell.change (entity, id, op, events, rooms)
             select 'mass', n, 'update', '{{mass:changed}}', '{{{room}}}' from generate_series(1, {MANY}) as n"
        ),
    }
}

/// One who writes to a room, beside whom nobody does.
struct Writer {
    world: Arc<World>,
    database: Database,
    room: String,
    random: Rng,
}

impl Writer {
    async fn new(world: Arc<World>, room: String, random: Rng) -> Self {
        let database = world.site.database.session().await;
        Self {
            world,
            database,
            room,
            random,
        }
    }

    /// Commits `sql` and the number of the write, in one transaction.
    async fn commit(&mut self, write: Write, sql: &str) -> usize {
        let number = self.world.note(|journal| journal.writes(&self.room, write));
        let room = &self.room;
        let note = format!(
            "insert into pgbell.change (entity, id, op, events, rooms)
             values ('note', '{number}', 'insert', '{{note:written}}', '{{{room}}}')"
        );
        let nap = "select pg_sleep(0.01)";
        let rest = if self.random.u8(..5) == 0 { nap } else { "" };
        let (first, second) = match self.random.bool() {
            true => (sql, &*note),
            false => (&*note, sql),
        };
        let transaction = format!("begin; {first}; {second}; {rest}; commit");
        self.database.run(&transaction).await;
        number
    }

    /// Waits until the daemon has told everything up to this write.
    async fn fence(&self, number: usize) -> u64 {
        self.world.fence(&self.database).await;
        self.world.note(|journal| journal.heard(&self.room, number))
    }

    async fn change(&mut self) {
        let owner = self.world.note_quietly(|journal| journal.owner(&self.room));
        let keeps = Write {
            owner,
            ..Write::default()
        };
        let number = match self.random.u8(..12) {
            0..4 => self.commit(keeps, "").await,
            4 => {
                let user = self.random.choice(USERS).expect("users");
                let leaves = Write {
                    leaves: Some(user),
                    ..keeps
                };
                let sql = format!("select pgbell.revoke('{user}', '{}')", self.room);
                self.commit(leaves, &sql).await
            }
            5 => {
                let sql = format!("select pgbell.recheck('{}')", self.room);
                self.commit(keeps, &sql).await
            }
            _ => {
                let user = self.random.choice(USERS).expect("users");
                let is_bulk = self.random.u8(..100) < self.world.bulk;
                let sql = give(&self.room, user, is_bulk);
                let gives = Write {
                    owner: Some(user),
                    ..Write::default()
                };
                self.commit(gives, &sql).await
            }
        };
        if self.random.u8(..3) == 0 {
            self.fence(number).await;
        }
    }

    /// Waits until everybody without the right has left, and tells something after that.
    async fn settle(&mut self) {
        let (world, room) = (self.world.clone(), self.room.clone());
        let owner = world.note_quietly(|journal| journal.owner(&room));
        let keeps = Write {
            owner,
            ..Write::default()
        };
        let number = self.commit(keeps.clone(), "").await;
        let fence = self.fence(number).await;
        world.note(|journal| journal.settles(&room));
        let left = format!("{room} to be left by everybody but {owner:?}");
        world
            .until(&left, |journal| journal.is_left(&room, fence))
            .await;
        world.note(|journal| journal.has_settled(&room));
        let quiet = Write {
            quiet: true,
            ..keeps
        };
        let mut last = self.commit(quiet.clone(), "").await;
        last = last.max(self.commit(quiet, "").await);
        self.delivered(last).await;
    }

    /// Waits until everybody has been told of this write, and looks what else they were told.
    async fn delivered(&mut self, number: usize) {
        let (world, room) = (self.world.clone(), self.room.clone());
        self.fence(number).await;
        let what = format!("{room} {number} to be told");
        world
            .until(&what, |journal| journal.is_delivered(&room, number))
            .await;
        world.note(|journal| journal.judge(&room, number));
    }

    /// Gives the room away while its owner is being let in.
    async fn surprise(&mut self) {
        let (world, room) = (self.world.clone(), self.room.clone());
        let lull = Duration::from_millis(self.random.u64(500..2_500));
        let asked = world.until_so(|journal| journal.is_asked(&room));
        if timeout(lull, asked).await.is_err() || world.is_over() {
            return;
        }
        sleep(Duration::from_millis(self.random.u64(..30))).await;
        let user = self.random.choice(USERS).expect("users");
        let gives = Write {
            owner: Some(user),
            ..Write::default()
        };
        let is_bulk = self.random.u8(..20) < self.world.bulk;
        self.commit(gives, &give(&room, user, is_bulk)).await;
    }

    /// Gives the room away behind the back of an owner who has just left it, and comes back.
    async fn deceive(&mut self) {
        let (world, room) = (self.world.clone(), self.room.clone());
        let Some(owner) = world.note_quietly(|journal| journal.owner(&room)) else {
            return;
        };
        let Some(mut guest) = Guest::come(&world, owner, &room).await else {
            return;
        };
        let others = USERS.into_iter().filter(|user| *user != owner);
        let user = self
            .random
            .choice(others.collect::<Vec<_>>())
            .expect("others");
        let gives = Write {
            owner: Some(user),
            ..Write::default()
        };
        let number = self.commit(gives, &give(&room, user, world.bulk > 0)).await;
        self.fence(number).await;
        guest.ask(vec![room]).await;
    }

    async fn rest(&mut self) {
        sleep(Duration::from_millis(self.random.u64(..150))).await;
    }
}

/// Gives a room to one after the other.
pub(super) async fn change(world: Arc<World>, room: String, random: Rng) {
    let mut writer = Writer::new(world.clone(), room, random).await;
    while !world.is_over() {
        match writer.random.u8(..8) {
            0..3 => writer.surprise().await,
            3 => writer.deceive().await,
            _ => {
                for _ in 0..writer.random.u8(2..8) {
                    writer.change().await;
                    writer.rest().await;
                }
            }
        }
        writer.settle().await;
    }
    writer.settle().await;
}

/// Tells something in a room that claims decide about.
pub(super) async fn tell(world: Arc<World>, room: String, random: Rng) {
    let mut writer = Writer::new(world.clone(), room, random).await;
    while !world.is_over() {
        let mut last = 0;
        for _ in 0..writer.random.u8(2..8) {
            let (mut write, mut sql) = (Write::default(), String::new());
            if writer.random.u8(..8) == 0 {
                let user = writer.random.choice(USERS).expect("users");
                write.leaves = Some(user);
                sql = format!("select pgbell.revoke('{user}', '{}')", writer.room);
            }
            last = writer.commit(write, &sql).await;
            writer.rest().await;
        }
        writer.delivered(last).await;
    }
}

/// Sends users away, who come back with newer tokens.
pub(super) async fn revoke(world: Arc<World>, mut random: Rng) {
    let database = world.site.database.session().await;
    while !world.is_over() {
        sleep(Duration::from_millis(random.u64(1_500..3_000))).await;
        let user = random.choice(USERS).expect("users");
        let begun = world.note(|journal| journal.tick());
        let sql = format!("select pgbell.revoke('{user}')");
        database.run(&sql).await;
        world.note(|journal| journal.revoked(user, begun));
        let now = Timestamp::now().as_second();
        world.made[user].fetch_max(now + 1, Ordering::Relaxed);
        let what = format!("the end of the sessions of {user}");
        world
            .until(&what, |journal| journal.has_ended(user, begun))
            .await;
    }
}
