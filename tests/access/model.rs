//! Random grants, revocations and changes against a small model: nobody is told anything without the right to
//! it at that time, and everybody who has it is.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use jiff::Timestamp;
use pgbell::access::RoomRule;
use serde_json::json;

use super::{Site, anyone, rule, sql, tell, write};
use crate::support::{
    client::{Client, text_of},
    database::Database,
};

const STEPS: usize = 200;
const NAMES: [&str; 4] = ["anna", "ben", "cleo", "anna"];

fn rules() -> Vec<RoomRule> {
    let member = "select from member where team = $1
                     and name = current_setting('request.jwt.claims')::jsonb ->> 'sub'";
    vec![
        anyone("public:*"),
        anyone("mark:*"),
        rule("user:{sub}"),
        rule("shop_{stores}"),
        sql("team:{id}", member),
    ]
}

/// Every room of the model, and some that nobody may join.
fn rooms() -> Vec<String> {
    let numbered = (1..=3).flat_map(|id| {
        [
            format!("team:{id}"),
            format!("shop_{id}"),
            format!("public:{id}"),
        ]
    });
    let users = ["anna", "ben", "cleo"].map(|name| format!("user:{name}"));
    let never = [
        "admin:1",
        "team:",
        "shop_1_2",
        "user:anna:x",
        "pgbell:access",
    ]
    .map(String::from);
    numbered.chain(users).chain(never).collect()
}

struct Player {
    name: &'static str,
    stores: BTreeSet<u32>,
    client: Client,
    /// Where it is, as the model has it.
    rooms: BTreeSet<String>,
}

struct World {
    site: Site,
    rng: Rng,
    players: Vec<Player>,
    /// Hears when the daemon has read what was written.
    witness: Client,
    members: BTreeSet<(String, String)>,
    /// When the last tokens were made: later ones are made later, also when a second has not passed.
    clock: i64,
    written: u32,
    counts: BTreeMap<&'static str, usize>,
}

impl World {
    fn may(&self, player: usize, room: &str) -> bool {
        let player = &self.players[player];
        if let Some(team) = room.strip_prefix("team:") {
            return self.members.contains(&(team.into(), player.name.into()));
        }
        if let Some(store) = room.strip_prefix("shop_") {
            return store
                .parse()
                .is_ok_and(|store| player.stores.contains(&store));
        }
        room.starts_with("public:") || room == format!("user:{}", player.name)
    }

    fn token(&self, player: usize) -> String {
        let player = &self.players[player];
        let stores: Vec<_> = player.stores.iter().collect();
        self.site
            .token(player.name, json!({"iat": self.clock, "stores": stores}))
    }

    /// Commits, and waits until the daemon has heard of it.
    async fn commit(&mut self, sql: &str) {
        let told = self.witness.messages_of(&self.site.database, sql).await;
        assert!(told.is_empty(), "{told:?}");
    }

    fn some_stores(&mut self) -> BTreeSet<u32> {
        (1..=3).filter(|_| self.rng.u8(..3) > 0).collect()
    }

    fn some_room(&mut self) -> String {
        self.rng.choice(rooms()).expect("rooms")
    }

    /// Comes with a new token to a new connection.
    async fn enter(&mut self, player: usize) {
        let token = self.token(player);
        let mut client = self.site.daemon.client().await;
        assert_eq!(tell(&mut client, &token).await["type"], "authenticated");
        self.players[player].client = client;
        self.players[player].rooms.clear();
    }

    async fn subscribe(&mut self, player: usize) {
        let wanted: BTreeSet<String> = (0..10).map(|_| self.some_room()).collect();
        let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let answer = self.players[player].client.subscribe(&names).await;
        for room in answer["rooms"].as_array().expect("rooms") {
            let (name, may) = (
                text_of(&room["room"]),
                self.may(player, &text_of(&room["room"])),
            );
            let expected = if may { "live" } else { "denied" };
            assert_eq!(
                room["status"], expected,
                "{} {name}",
                self.players[player].name
            );
            if may {
                self.players[player].rooms.insert(name);
            }
        }
    }

    async fn leave(&mut self, player: usize) {
        let Some(room) = self.players[player].rooms.pop_first() else {
            return;
        };
        let client = &mut self.players[player].client;
        client
            .say(json!({"type": "unsubscribe", "id": 1, "rooms": [room]}))
            .await;
        client.next_of("unsubscribed").await;
    }

    /// Changes who is in a team, by the table and by what asks again.
    async fn regroup(&mut self) {
        let team = self.rng.u32(1..=3).to_string();
        let name = self.rng.choice(["anna", "ben", "cleo"]).expect("a name");
        let pair = (team.clone(), name.to_owned());
        let change = match self.members.remove(&pair) {
            true => format!("delete from member where team = '{team}' and name = '{name}'"),
            false => format!("insert into member values ('{team}', '{name}')"),
        };
        let removed = change.starts_with("delete");
        if !removed {
            self.members.insert(pair);
        }
        let sql = format!("{change}; select pgbell.recheck('team:{team}')");
        self.commit(&sql).await;
        self.losses().await;
    }

    async fn refresh(&mut self, player: usize) {
        self.players[player].stores = self.some_stores();
        let token = self.token(player);
        let answer = tell(&mut self.players[player].client, &token).await;
        assert_eq!(answer["type"], "authenticated");
        self.losses().await;
    }

    async fn revoke_room(&mut self, player: usize) {
        let (name, room) = (self.players[player].name, self.some_room());
        self.commit(&format!("select pgbell.revoke('{name}', '{room}')"))
            .await;
        for player in 0..self.players.len() {
            if self.players[player].name == name && self.players[player].rooms.contains(&room) {
                self.lose(player, BTreeSet::from([room.clone()])).await;
            }
        }
    }

    async fn revoke(&mut self, player: usize) {
        let name = self.players[player].name;
        self.commit(&format!("select pgbell.revoke('{name}')"))
            .await;
        self.clock = self.clock.max(Timestamp::now().as_second()) + 1;
        for player in 0..self.players.len() {
            if self.players[player].name == name {
                let (closed, told) = super::end(&mut self.players[player].client).await;
                assert_eq!(closed, 4005);
                assert!(told.is_empty(), "{told:?}");
                self.enter(player).await;
            }
        }
    }

    /// Waits until everybody has lost what the model says they have.
    async fn losses(&mut self) {
        for player in 0..self.players.len() {
            let rooms = self.players[player].rooms.iter();
            let lost: BTreeSet<_> = rooms
                .filter(|room| !self.may(player, room))
                .cloned()
                .collect();
            self.lose(player, lost).await;
        }
    }

    async fn lose(&mut self, player: usize, mut lost: BTreeSet<String>) {
        let player = &mut self.players[player];
        while !lost.is_empty() {
            let revoked = player.client.next_of("revoked").await;
            assert_eq!(revoked["code"], "forbidden");
            let room = text_of(&revoked["room"]);
            assert!(lost.remove(&room), "{} had lost no {room}", player.name);
            assert!(player.rooms.remove(&room));
            *self.counts.entry("lost").or_default() += 1;
        }
    }

    /// Writes to some rooms, and looks at what everybody is told.
    async fn write(&mut self) {
        let written: Vec<_> = (0..6)
            .map(|_| {
                self.written += 1;
                (self.some_room(), self.written.to_string())
            })
            .collect();
        for (room, id) in written.iter().filter(|(room, _)| room != "pgbell:access") {
            self.site.database.run(&write(room, id)).await;
        }
        for player in &mut self.players {
            let messages = player.client.messages(&self.site.database).await;
            let mut told = BTreeSet::new();
            for message in messages {
                assert_eq!(message["type"], "invalidate", "{message}");
                for change in message["changes"].as_array().expect("changes") {
                    told.insert((text_of(&message["room"]), text_of(&change["id"])));
                }
            }
            let expected = written
                .iter()
                .filter(|(room, _)| player.rooms.contains(room));
            assert_eq!(told, expected.cloned().collect(), "{}", player.name);
            *self.counts.entry("told").or_default() += told.len();
        }
    }
}

#[tokio::test]
async fn nobody_is_told_anything_without_the_right_to_it_and_everybody_with() {
    let seed = match std::env::var("ACCESS_SEED") {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => fastrand::u64(..),
    };
    println!("ACCESS_SEED={seed}");
    let database = Database::installed(
        "do $$ begin create role pgbell_guest nologin;
         exception when duplicate_object or unique_violation then null; end $$;
         create table member (team text, name text);
         grant select on member to pgbell_guest",
    )
    .await;
    let site = Site::with(database, rules(), |_| {}).await;
    let mut players = Vec::new();
    for name in NAMES {
        players.push(Player {
            name,
            stores: BTreeSet::new(),
            client: site.daemon.client().await,
            rooms: BTreeSet::new(),
        });
    }
    let mut world = World {
        rng: Rng::with_seed(seed),
        clock: Timestamp::now().as_second(),
        players,
        witness: site.daemon.client().await,
        members: BTreeSet::new(),
        written: 0,
        counts: BTreeMap::new(),
        site,
    };
    for _ in 0..6 {
        world.regroup().await;
    }
    for player in 0..NAMES.len() {
        world.players[player].stores = world.some_stores();
        world.enter(player).await;
    }
    for _ in 0..STEPS {
        let player = world.rng.usize(..NAMES.len());
        match world.rng.u8(..20) {
            0..6 => world.subscribe(player).await,
            6..8 => world.leave(player).await,
            8..12 => world.regroup().await,
            12..14 => world.refresh(player).await,
            14..16 => world.revoke_room(player).await,
            16 => world.revoke(player).await,
            _ => world.write().await,
        }
    }
    world.write().await;
    let counts = &world.counts;
    assert!(counts["told"] > 50 && counts["lost"] > 10, "{counts:?}");
    println!("{counts:?}");
}
