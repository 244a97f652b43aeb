//! Those who come, ask for rooms, leave them and come back, each with several connections.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use fastrand::Rng;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    PATIENCE, SHOPS, World,
    journal::{User, Write},
    owned, shops,
};
use crate::support::{client::Client, events::Events};

/// Most rooms of a connection, and a few more are asked for.
pub(super) const ROOMS: usize = 6;
const FAVOURITES: usize = 5;
/// Strangers of one user who come at the moment when this user is sent away.
const CROWD: usize = 10;

/// Where somebody was who comes back.
struct Left {
    session: usize,
    rooms: Vec<String>,
    position: String,
}

fn some_stores(random: &mut Rng) -> BTreeSet<u8> {
    (1..=SHOPS).filter(|_| random.u8(..3) > 0).collect()
}

fn some_favourites(random: &mut Rng) -> Vec<String> {
    let mut rooms: Vec<String> = owned().into_iter().chain(shops()).collect();
    random.shuffle(&mut rooms);
    rooms.truncate(FAVOURITES);
    rooms
}

/// A few rooms, mostly of those that are this one's favourites.
fn some_rooms(random: &mut Rng, favourites: &[String], most: usize) -> Vec<String> {
    let all: Vec<String> = match random.u8(..4) {
        0 => owned().into_iter().chain(shops()).collect(),
        _ => favourites.to_vec(),
    };
    let some = (0..random.usize(1..=most)).map(|_| random.choice(&all).expect("rooms").clone());
    some.collect::<BTreeSet<_>>().into_iter().collect()
}

impl World {
    /// Where somebody was a while ago.
    fn some_position(&self, random: &mut Rng) -> Option<String> {
        random
            .choice(&*self.positions.lock().expect("positions"))
            .cloned()
    }

    fn keep_position(&self, message: &Value, random: &mut Rng) {
        if let Some(cursor) = message["cursor"].as_str().filter(|_| random.u8(..20) == 0) {
            let mut positions = self.positions.lock().expect("positions");
            positions.push(cursor.into());
        }
    }
}

/// A connection of somebody who does all kinds of things.
struct Visit {
    world: Arc<World>,
    user: User,
    session: usize,
    client: Client,
    random: Rng,
    favourites: Vec<String>,
}

pub(super) async fn by_socket(world: Arc<World>, user: User, mut random: Rng) {
    let (mut stores, mut left) = (some_stores(&mut random), None);
    let favourites = some_favourites(&mut random);
    while !world.is_closed() {
        let visit = Visit::begin(&world, user, &mut random, &stores, &favourites).await;
        left = match visit {
            Some(mut visit) => visit.go_on(left, &mut stores).await,
            None => None,
        };
    }
}

impl Visit {
    async fn begin(
        world: &Arc<World>,
        user: User,
        random: &mut Rng,
        stores: &BTreeSet<u8>,
        favourites: &[String],
    ) -> Option<Self> {
        let token = world.token(user, stores);
        let session = world.note(|journal| journal.enters(user));
        let shown = world.note(|journal| journal.shows(session, stores.clone()));
        let by_header = random.bool();
        let header = [("authorization", format!("Bearer {token}"))];
        let headers = if by_header { &header[..] } else { &[] };
        let mut client = Client::open_with(world.site.daemon.addr, headers).await;
        if client.next().await["type"] != "welcome" {
            world.note(|journal| journal.leaves(session));
            // Without this, one who is refused would keep the others from their turn.
            sleep(Duration::from_millis(5)).await;
            return None;
        }
        if by_header {
            world.note(|journal| journal.accepted(session, shown));
        } else {
            let auth = json!({"type": "auth", "id": shown, "token": token});
            client.try_say(auth).await;
        }
        Some(Self {
            world: world.clone(),
            user,
            session,
            client,
            random: random.fork(),
            favourites: favourites.to_vec(),
        })
    }

    async fn go_on(&mut self, left: Option<Left>, stores: &mut BTreeSet<u8>) -> Option<Left> {
        if let Some(left) = left {
            self.subscribe(left.rooms, Some(left.position), Some(left.session))
                .await;
        }
        while !self.world.is_closed() {
            let pause = Duration::from_millis(self.random.u64(..20));
            if let Ok(message) = timeout(pause, self.client.next()).await {
                self.world
                    .note(|journal| journal.hears(self.session, &message, None));
                self.world.keep_position(&message, &mut self.random);
                let is_over = message.get("ended").is_some()
                    || self
                        .world
                        .note_quietly(|journal| journal.is_over(self.session));
                if is_over {
                    break;
                }
                if self.random.u8(..8) > 0 {
                    continue;
                }
            }
            if self.world.is_over() {
                continue;
            }
            if self.random.u8(..40) == 0 && self.may_leave() {
                return self.part();
            }
            if !self
                .world
                .note_quietly(|journal| journal.is_busy(self.session))
            {
                self.act(stores).await;
            }
        }
        self.world.note(|journal| journal.leaves(self.session));
        None
    }

    fn may_leave(&self) -> bool {
        self.world
            .note_quietly(|journal| journal.may_leave(self.session))
    }

    /// Is cut off, and may come back with its position.
    fn part(&mut self) -> Option<Left> {
        let rooms = self.world.note(|journal| {
            journal.leaves(self.session);
            journal.settled_rooms(self.session)
        });
        let (session, position) = (self.session, self.client.cursor.clone());
        (!rooms.is_empty() && self.random.u8(..4) > 0).then_some(Left {
            session,
            rooms,
            position,
        })
    }

    async fn act(&mut self, stores: &mut BTreeSet<u8>) {
        match self.random.u8(..12) {
            0..5 => {
                let rooms = some_rooms(&mut self.random, &self.favourites, 4);
                let since = self.since();
                self.subscribe(rooms, since, None).await;
            }
            5..8 => self.leave().await,
            8 => {
                if let Some(since) = self.since() {
                    self.say(json!({"type": "sync", "id": 0, "since": since}))
                        .await;
                }
            }
            9 => {
                for _ in 0..6 {
                    let rooms = some_rooms(&mut self.random, &self.favourites, 3);
                    let since = self.since();
                    self.subscribe(rooms, since, None).await;
                }
            }
            10 => {
                *stores = some_stores(&mut self.random);
                let token = self.world.token(self.user, stores);
                let shown = self
                    .world
                    .note(|journal| journal.shows(self.session, stores.clone()));
                let auth = json!({"type": "auth", "id": shown, "token": token});
                self.say(auth).await;
            }
            _ => {}
        }
    }

    fn since(&mut self) -> Option<String> {
        match self.random.u8(..5) {
            0 => Some(self.client.cursor.clone()).filter(|cursor| !cursor.is_empty()),
            1 => self.world.some_position(&mut self.random),
            _ => None,
        }
    }

    async fn subscribe(
        &mut self,
        rooms: Vec<String>,
        since: Option<String>,
        before: Option<usize>,
    ) {
        let asked = rooms.clone();
        let id = self
            .world
            .note(|journal| journal.asks(self.session, asked, before));
        let mut subscribe = json!({"type": "subscribe", "id": id, "rooms": rooms});
        if let Some(since) = since {
            subscribe["since"] = json!(since);
        }
        self.client.try_say(subscribe).await;
    }

    async fn leave(&mut self) {
        let rooms = self
            .world
            .note_quietly(|journal| journal.rooms_to_leave(self.session));
        if let Some(room) = self.random.choice(rooms) {
            let unsubscribe = json!({"type": "unsubscribe", "id": 0, "rooms": [room]});
            self.say(unsubscribe).await;
        }
    }

    async fn say(&mut self, message: Value) {
        self.world
            .note(|journal| journal.says(self.session, &message));
        self.client.try_say(message).await;
    }
}

/// Comes by server-sent events, with a ticket.
pub(super) async fn by_stream(world: Arc<World>, user: User, mut random: Rng) {
    let (mut left, mut stores) = (None, some_stores(&mut random));
    let favourites = some_favourites(&mut random);
    while !world.is_closed() {
        if random.u8(..4) == 0 {
            stores = some_stores(&mut random);
        }
        left = listen(&world, user, &mut random, &stores, &favourites, left.take()).await;
    }
}

async fn listen(
    world: &Arc<World>,
    user: User,
    random: &mut Rng,
    stores: &BTreeSet<u8>,
    favourites: &[String],
    left: Option<Left>,
) -> Option<Left> {
    let session = world.note(|journal| journal.enters(user));
    let shown = world.note(|journal| journal.shows(session, stores.clone()));
    let ticket = ticket(world, &world.token(user, stores)).await;
    let Some(ticket) = ticket else {
        world.note(|journal| journal.leaves(session));
        sleep(Duration::from_millis(5)).await;
        return None;
    };
    let before = left.as_ref().map(|left| left.session);
    let (rooms, since) = match left {
        Some(left) => (left.rooms, Some(left.position)),
        None => {
            let since = world.some_position(random).filter(|_| random.bool());
            (some_rooms(random, favourites, ROOMS + 2), since)
        }
    };
    let since = since
        .map(|since| format!("&since={since}"))
        .unwrap_or_default();
    let query = format!("rooms={}&ticket={ticket}{since}", rooms.join(","));
    let id = world.note(|journal| journal.asks(session, rooms, before));
    let mut events = Events::open(world.site.daemon.addr, &query, "").await;
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut reader = JoinSet::new();
    reader.spawn(async move {
        while let Some(event) = events.next().await {
            if tell.send(event).is_err() {
                break;
            }
        }
    });
    let mut position = None;
    let mut left_over = random.u32(20..200);
    while !world.is_closed()
        && (left_over > 0 || world.is_over() || !world.note_quietly(|j| j.may_leave(session)))
    {
        left_over = left_over.saturating_sub(1);
        let pause = Duration::from_millis(random.u64(..20));
        match timeout(pause, told.recv()).await {
            Err(_) => {}
            Ok(None) => break,
            Ok(Some(event)) => {
                if event.kind == "welcome" {
                    world.note(|journal| journal.accepted(session, shown));
                }
                world.note(|journal| journal.hears(session, &event.data, Some(id)));
                position = event.id.or(position);
            }
        }
    }
    let rooms = world.note(|journal| {
        let is_over = journal.is_over(session);
        journal.leaves(session);
        if is_over {
            Vec::new()
        } else {
            journal.settled_rooms(session)
        }
    });
    let position = position.filter(|_| !rooms.is_empty() && random.u8(..4) > 0)?;
    Some(Left {
        session,
        rooms,
        position,
    })
}

async fn ticket(world: &World, token: &str) -> Option<String> {
    let headers = format!("Authorization: Bearer {token}\r\nContent-Length: 0\r\n");
    let answer = world.site.daemon.ask("POST", "/ticket", &headers).await;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let body: Value = serde_json::from_str(body).ok()?;
    body["ticket"].as_str().map(str::to_owned)
}

/// Many connections of a user who is sent away just then: none of them outlives that.
pub(super) async fn crowd(world: Arc<World>, mut random: Rng) {
    let database = world.site.database.session().await;
    let room = "public:1";
    for number in 0.. {
        if world.is_over() {
            break;
        }
        let user = format!("guest {number}");
        let made = Timestamp::now().as_second() - 1;
        let token = world.site.token(&user, json!({"iat": made}));
        let mut guests = JoinSet::new();
        for _ in 0..CROWD {
            let session = world.note(|journal| journal.enters(&user));
            let after = Duration::from_micros(random.u64(..30_000));
            let guest = guest(world.clone(), session, token.clone(), random.bool(), after);
            guests.spawn(guest);
        }
        sleep(Duration::from_micros(random.u64(..30_000))).await;
        // What keeps the daemon busy while they come.
        let mass = format!(
            "insert into pgbell.change (entity, id, op, events, rooms)
             select 'mass', n, 'update', '{{mass:changed}}', '{{{room}}}' from generate_series(1, 300) as n"
        );
        database.run(&mass).await;
        let begun = world.note(|journal| journal.tick());
        database
            .run(&format!("select pgbell.revoke('{user}')"))
            .await;
        world.note(|journal| journal.revoked(&user, begun));
        let note = world.note(|journal| journal.writes(room, Write::default()));
        database
            .run(&super::super::write(room, &note.to_string()).replace("thing", "note"))
            .await;
        let gone = async { while guests.join_next().await.is_some() {} };
        if timeout(PATIENCE, gone).await.is_err() {
            let what = format!("{} sessions of {user} have outlived it", guests.len());
            world.note(|journal| journal.wrong.push(what));
        }
        world.note(|journal| *journal.counts.entry("sent away").or_default() += 1);
        sleep(Duration::from_millis(random.u64(100..500))).await;
    }
}

/// Joins a room and stays until sent away or refused.
async fn guest(world: Arc<World>, session: usize, token: String, by_header: bool, after: Duration) {
    sleep(after).await;
    let header = [("authorization", format!("Bearer {token}"))];
    let headers = if by_header { &header[..] } else { &[] };
    let shown = world.note(|journal| journal.shows(session, BTreeSet::new()));
    let mut client = Client::open_with(world.site.daemon.addr, headers).await;
    loop {
        let message = client.next().await;
        let is_known = match message["type"].as_str() {
            Some("welcome") if by_header => {
                world.note(|journal| journal.accepted(session, shown));
                true
            }
            Some("welcome") => {
                let auth = json!({"type": "auth", "id": shown, "token": token});
                client.try_say(auth).await;
                false
            }
            Some("error") | None => break,
            Some(kind) => kind == "authenticated",
        };
        world.note(|journal| journal.hears(session, &message, None));
        if is_known {
            let rooms = vec!["public:1".to_owned()];
            let id = world.note(|journal| journal.asks(session, rooms.clone(), None));
            let subscribe = json!({"type": "subscribe", "id": id, "rooms": rooms});
            client.try_say(subscribe).await;
        }
    }
    world.note(|journal| journal.leaves(session));
}

/// Somebody who was in a room a moment ago, and asks for it again.
pub(super) struct Guest(Visit);

impl Guest {
    /// Joins a room, if let in, and leaves it.
    pub(super) async fn come(world: &Arc<World>, user: User, room: &str) -> Option<Self> {
        let stores = BTreeSet::from([1]);
        let visit = Visit::begin(world, user, &mut Rng::new(), &stores, &[]).await?;
        let mut guest = Self(visit);
        guest.ask(vec![room.to_owned()]).await;
        Some(guest)
    }

    /// Asks for rooms, and leaves them when answered.
    pub(super) async fn ask(&mut self, rooms: Vec<String>) {
        let visit = &mut self.0;
        visit.subscribe(rooms.clone(), None, None).await;
        visit
            .say(json!({"type": "unsubscribe", "id": 0, "rooms": rooms}))
            .await;
        loop {
            let message = visit.client.next().await;
            visit
                .world
                .note(|journal| journal.hears(visit.session, &message, None));
            if message["type"] == "unsubscribed" || !message["type"].is_string() {
                break;
            }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.world.note(|journal| journal.leaves(self.0.session));
    }
}

/// When everything has settled: everybody asks for everything, and the answers are exactly what is so.
pub(super) async fn ask_for_everything(world: &Arc<World>) {
    let rooms: Vec<String> = owned().into_iter().chain(shops()).collect();
    for user in super::USERS {
        // One may come a second after being sent away at the earliest.
        let mut random = Rng::new();
        let visit = loop {
            let stores = BTreeSet::from([1]);
            if let Some(visit) = Visit::begin(world, user, &mut random, &stores, &[]).await {
                break visit;
            }
        };
        let mut guest = Guest(visit);
        for rooms in rooms.chunks(ROOMS) {
            guest.ask(rooms.to_vec()).await;
        }
    }
}
