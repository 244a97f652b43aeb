//! Who may join which room, from outside: tokens by every way, rules, and rights that are taken away.

mod churn;
mod kept;
mod late;
mod logs;
mod model;
mod orders;
mod revoked;
mod sellers;
mod sessions;
mod streams;

use jiff::Timestamp;
use pgbell::{
    access::{Algorithm, Everybody, KeyConfig, RoomRule, Signer},
    config::Config,
    secret::Secret,
};
use serde_json::{Value, json};

use crate::support::{client::Client, daemon::Daemon, database::Database, soon};

/// What tokens are signed with; found in no log.
pub(crate) const SECRET: &str = "canary-7f3a-canary-7f3a-canary-7f3a";

/// A daemon that asks rules, and its database.
pub(crate) struct Site {
    pub(crate) database: Database,
    pub(crate) daemon: Daemon,
    config: Config,
}

impl Site {
    pub(crate) async fn new(rooms: Vec<RoomRule>) -> Self {
        Self::with(Database::with_shop().await, rooms, |_| {}).await
    }

    pub(crate) async fn with(
        database: Database,
        rooms: Vec<RoomRule>,
        set: impl FnOnce(&mut Config),
    ) -> Self {
        let mut all = Config::default();
        let daemon = Daemon::with(&database, |config| {
            protect(config, rooms);
            set(config);
            all = config.clone();
        })
        .await;
        Self {
            database,
            daemon,
            config: all,
        }
    }

    /// A token for an hour with these claims besides.
    pub(crate) fn token(&self, sub: &str, more: Value) -> String {
        let now = Timestamp::now().as_second();
        let mut claims = json!({"sub": sub, "iat": now, "exp": now + 3600});
        for (name, value) in more.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        let signer = Signer::with_secret(&self.config.access).expect("a secret");
        signer
            .sign(claims.as_object().expect("an object"))
            .expect("signed")
    }

    /// A client that has said who it is.
    pub(crate) async fn client(&self, sub: &str, more: Value) -> Client {
        let mut client = self.daemon.client().await;
        let answer = tell(&mut client, &self.token(sub, more)).await;
        assert_eq!(answer["type"], "authenticated", "{answer}");
        client
    }
}

/// Closes every room but those of `rooms`.
pub(crate) fn protect(config: &mut Config, rooms: Vec<RoomRule>) {
    config.access.open = false;
    config.access.rooms = rooms;
    config.access.sql.role = "pgbell_guest".into();
    config.access.tokens.leeway = std::time::Duration::ZERO;
    config.access.tokens.keys = vec![KeyConfig {
        algorithm: Algorithm::HS256,
        id: None,
        secret: Some(Secret::new(SECRET)),
        secret_file: None,
        public_key: None,
        public_key_file: None,
    }];
}

/// Shows a token in a message, and returns the answer.
pub(crate) async fn tell(client: &mut Client, token: &str) -> Value {
    client
        .say(json!({"type": "auth", "id": 7, "token": token}))
        .await;
    loop {
        let answer = client.next().await;
        if answer["id"] == 7 || answer.get("closed").is_some() {
            return answer;
        }
    }
}

/// Room and status, with the code where there is one: `order:7 denied forbidden`.
pub(crate) async fn join(client: &mut Client, rooms: &[&str]) -> Vec<String> {
    let subscribed = client.subscribe(rooms).await;
    let rooms = subscribed["rooms"].as_array().expect("rooms").iter();
    let word = |room: &Value, name: &str| room[name].as_str().map(str::to_owned);
    rooms
        .map(|room| {
            let words = ["room", "status", "code"].map(|name| word(room, name));
            words.into_iter().flatten().collect::<Vec<_>>().join(" ")
        })
        .collect()
}

/// Waits for the end of a connection; says its code, and what was told before.
pub(crate) async fn end(client: &mut Client) -> (Value, Vec<Value>) {
    let ended = async {
        let mut told = Vec::new();
        loop {
            let next = client.next().await;
            if next.get("closed").is_some() || next.get("ended").is_some() {
                return (next["closed"].clone(), told);
            }
            told.push(next);
        }
    };
    soon("the end of a connection", ended).await
}

pub(crate) fn rule(room: &str) -> RoomRule {
    RoomRule {
        room: room.into(),
        ..RoomRule::default()
    }
}

pub(crate) fn anyone(room: &str) -> RoomRule {
    RoomRule {
        allow: Some(Everybody::Anyone),
        ..rule(room)
    }
}

pub(crate) fn role(room: &str, role: &str) -> RoomRule {
    RoomRule {
        role: vec![role.into()],
        ..rule(room)
    }
}

pub(crate) fn sql(room: &str, query: &str) -> RoomRule {
    RoomRule {
        sql: Some(query.into()),
        ..rule(room)
    }
}

/// Writes a change by hand.
pub(crate) fn write(room: &str, id: &str) -> String {
    format!(
        "insert into pgbell.change (entity, id, op, events, rooms)
         values ('thing', '{id}', 'update', '{{thing:changed}}', '{{{room}}}')"
    )
}
