//! The writes that there are, and whom each concerns.

use fastrand::Rng;
use serde_json::Value;

use super::{journal::Room, truth::Change};

/// Tokens begin here; no other number in the shop is as large.
pub(crate) const FIRST_TOKEN: u64 = 1_000_000;
const PRODUCTS: u64 = 6;
const ORDERS: u64 = 8;
const TOPICS: u64 = 12;

/// The rows that the writes touch, and where writers leave a trace of each transaction.
pub(crate) const SETUP: &str = "
    create table ledger (number bigint primary key);
    insert into stores (id, name) values (1, 'North'), (2, 'South');
    insert into products (id, store_id, seller_id, name, price)
    select id, 1 + id % 2, 11 + id % 2, 'Product', 10 from generate_series(1, 6) as id;
    insert into inventory (product_id, quantity) select id, 100 from products;
    insert into orders (id, order_number, user_id, seller_id, store_id)
    select id, id, 1 + id % 4, 11 + id % 2, 1 + id % 2 from generate_series(1, 8) as id";

/// What a transaction may do. Each puts its token where clients are shown it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Write {
    Price(u64),
    Rename(u64),
    Stock(u64),
    Status(u64),
    Order,
    Sale(u64),
    /// A row of the log written by hand, about something new.
    Say(u64),
    /// The same, about the one thing that everybody talks about there.
    Repeat(u64),
    /// To all topics: told as a resync.
    Everybody,
}

impl Write {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        match rng.u8(..20) {
            0..3 => Self::Price(rng.u64(1..=PRODUCTS)),
            3..5 => Self::Rename(rng.u64(1..=PRODUCTS)),
            5..8 => Self::Stock(rng.u64(1..=PRODUCTS)),
            8..10 => Self::Status(rng.u64(1..=ORDERS)),
            _ => Self::without_waiting(rng),
        }
    }

    /// A write that takes no lock which others wait for, so that its transaction may stay open.
    pub(crate) fn without_waiting(rng: &mut Rng) -> Self {
        match rng.u8(..40) {
            0..10 => Self::Order,
            10..15 => Self::Sale(rng.u64(1..=PRODUCTS)),
            15..30 => Self::Say(rng.u64(1..=TOPICS)),
            30..39 => Self::Repeat(rng.u64(1..=TOPICS)),
            _ if rng.u8(..10) == 0 => Self::Everybody,
            _ => Self::Say(rng.u64(1..=TOPICS)),
        }
    }

    pub(crate) fn sql(self, token: u64) -> String {
        let said = |id: &str, rooms: &str| {
            format!(
                "insert into pgbell.change (entity, id, op, events, rooms, new) values
                 ('topic', '{id}', 'update', '{{topic:said}}', '{{{rooms}}}', '{{\"token\": {token}}}')"
            )
        };
        match self {
            Self::Price(id) => format!("update products set price = {token} where id = {id}"),
            Self::Rename(id) => format!("update products set name = 't{token}' where id = {id}"),
            Self::Stock(id) => {
                format!("update inventory set quantity = {token} where product_id = {id}")
            }
            Self::Status(id) => format!("update orders set status = 't{token}' where id = {id}"),
            Self::Order => format!(
                "insert into orders (id, order_number, user_id, seller_id, store_id)
                 values ({token}, 't{token}', 1 + {token} % 4, 11 + {token} % 2, 1 + {token} % 2)"
            ),
            Self::Sale(id) => {
                format!("insert into sales (id, product_id) values ({token}, {id})")
            }
            Self::Say(topic) => said(&token.to_string(), &format!("topic:{topic}")),
            Self::Repeat(topic) => said("old", &format!("topic:{topic}")),
            Self::Everybody => said("*", "topic:*"),
        }
    }

    /// What this write must be told as, in words of the trigger files.
    pub(crate) fn change(self, token: u64) -> Change {
        let (thing, rooms) = match self {
            Self::Price(id) | Self::Rename(id) => (format!("product/{id}"), sold(id)),
            Self::Stock(id) => {
                let rooms = [format!("product:{id}"), seller(id), shop(id)];
                (format!("product/{id}"), rooms.into())
            }
            Self::Status(id) => (format!("order/{id}"), ordered(id)),
            Self::Order => (format!("order/{token}"), ordered(token)),
            Self::Sale(id) => {
                let rooms = [format!("product:{id}"), seller(id), storefront(id)];
                (format!("sale/{token}"), rooms.into())
            }
            Self::Say(topic) => (format!("topic/{token}"), vec![format!("topic:{topic}")]),
            Self::Repeat(topic) => ("topic/old".into(), vec![format!("topic:{topic}")]),
            Self::Everybody => {
                let rooms = (1..=TOPICS).map(|topic| format!("topic:{topic}"));
                ("topic/*".into(), rooms.collect())
            }
        };
        Change {
            token,
            thing,
            rooms: rooms.into_iter().map(Room::from).collect(),
        }
    }
}

fn sold(product: u64) -> Vec<String> {
    let store = format!("store:{}", 1 + product % 2);
    [
        format!("product:{product}"),
        seller(product),
        storefront(product),
        store,
    ]
    .into()
}

fn ordered(order: u64) -> Vec<String> {
    let user = format!("user:{}", 1 + order % 4);
    let admin = "admin:orders".to_owned();
    [
        format!("order:{order}"),
        user,
        seller(order),
        shop(order),
        admin,
    ]
    .into()
}

fn seller(id: u64) -> String {
    format!("seller:{}", 11 + id % 2)
}

fn storefront(id: u64) -> String {
    format!("storefront:{}", 11 + id % 2)
}

fn shop(id: u64) -> String {
    format!("shop_{}", 1 + id % 2)
}

/// Every room that clients may join.
pub(crate) fn rooms() -> Vec<Room> {
    let numbered = |name: &'static str, most| (1..=most).map(move |id| format!("{name}:{id}"));
    let both = (1..=2).flat_map(|id| [seller(id), storefront(id), shop(id), format!("store:{id}")]);
    numbered("product", PRODUCTS)
        .chain(numbered("order", ORDERS))
        .chain(numbered("topic", TOPICS))
        .chain(numbered("user", 4))
        .chain(both)
        .chain(["admin:orders".to_owned()])
        .map(Room::from)
        .collect()
}

/// The tokens that a told change, or a row of the log, carries.
pub(crate) fn tokens(id: &Value, old: &Value, new: &Value) -> Vec<u64> {
    let columns = [old, new].into_iter().filter_map(Value::as_object);
    let values = columns.flat_map(|columns| columns.values());
    values.chain([id]).filter_map(token).collect()
}

fn token(value: &Value) -> Option<u64> {
    let token = match value {
        Value::Number(number) => number.as_f64()? as u64,
        Value::String(text) => text.trim_start_matches('t').parse().ok()?,
        _ => return None,
    };
    (token >= FIRST_TOKEN).then_some(token)
}
