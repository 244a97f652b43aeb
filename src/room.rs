//! Rooms: where subscribers are, and the patterns that name many of them at once.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Longest room name the protocol allows, in bytes.
pub const MAX_ROOM_LENGTH: usize = 128;

/// A valid room name: 1 to 128 characters of `A-Za-z0-9_.:@/-`.
///
/// Cheap to clone.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct Room(Arc<str>);

/// Why a text names no room.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidRoom {
    /// The name is empty or longer than [`MAX_ROOM_LENGTH`].
    #[error("a room name has 1 to {MAX_ROOM_LENGTH} characters")]
    Length,
    /// The name has a character outside the allowed set.
    #[error("a room name has only letters, digits and _ . : @ / -")]
    Character,
}

impl Room {
    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `name` is no room name.
    pub fn is_unusual(name: &str) -> bool {
        check(name).is_err()
    }

    /// Where the daemon is told who may be where no longer. Nobody can join it.
    pub fn of_access() -> Self {
        Self("pgbell:access".into())
    }

    /// Whether this is one of the daemon's own rooms, which nobody can join: their kind is `pgbell`.
    pub fn is_reserved(&self) -> bool {
        self.kind() == "pgbell"
    }

    /// What stands before the first `:`; the whole name where there is none.
    pub fn kind(&self) -> &str {
        kind_of(&self.0)
    }
}

fn kind_of(name: &str) -> &str {
    name.split_once(':').map_or(name, |(kind, _)| kind)
}

fn check(name: &str) -> Result<(), InvalidRoom> {
    if name.is_empty() || name.len() > MAX_ROOM_LENGTH {
        return Err(InvalidRoom::Length);
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:@/-".contains(&byte);
    if !name.bytes().all(allowed) {
        return Err(InvalidRoom::Character);
    }
    Ok(())
}

impl FromStr for Room {
    type Err = InvalidRoom;

    fn from_str(name: &str) -> Result<Self, InvalidRoom> {
        check(name).map(|()| Self(name.into()))
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Room {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// One room, or every room whose name begins alike (`product:*`). Written like a room name with an
/// optional trailing `*`, which no room name can contain.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Target {
    /// Exactly this room.
    Room(Room),
    /// Every room that begins with this; the empty prefix is every room.
    Prefix(Arc<str>),
}

impl Target {
    /// Every room there is.
    pub fn every() -> Self {
        Self::Prefix("".into())
    }

    /// Whether `room` is meant.
    pub fn covers(&self, room: &Room) -> bool {
        match self {
            Self::Room(only) => only == room,
            Self::Prefix(prefix) => room.as_str().starts_with(&**prefix),
        }
    }

    /// As [`Room::kind`]; of a prefix, the kind its rooms share, as far as it tells.
    pub fn kind(&self) -> &str {
        match self {
            Self::Room(room) => room.kind(),
            Self::Prefix(prefix) => kind_of(prefix),
        }
    }
}

impl FromStr for Target {
    type Err = InvalidRoom;

    fn from_str(text: &str) -> Result<Self, InvalidRoom> {
        match text.strip_suffix('*') {
            None => text.parse().map(Self::Room),
            Some("") => Ok(Self::every()),
            Some(prefix) => check(prefix).map(|()| Self::Prefix(prefix.into())),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room(room) => room.fmt(f),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

impl From<Room> for Target {
    fn from(room: Room) -> Self {
        Self::Room(room)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_name_is_1_to_128_characters_of_a_small_alphabet() {
        for good in ["a", "product:42", "shop_5", "admin:orders", "a.b@c/d-e"] {
            assert_eq!(
                good.parse::<Room>().map(|room| room.to_string()),
                Ok(good.into())
            );
        }
        assert_eq!("".parse::<Room>(), Err(InvalidRoom::Length));
        assert_eq!("x".repeat(129).parse::<Room>(), Err(InvalidRoom::Length));
        for bad in ["a b", "product:*", "ü", "a\n", "a\0", "a,b"] {
            assert_eq!(bad.parse::<Room>(), Err(InvalidRoom::Character), "{bad:?}");
        }
    }

    #[test]
    fn the_kind_stands_before_the_first_colon() {
        assert_eq!("product:42:x".parse::<Room>().unwrap().kind(), "product");
        assert_eq!("buyers".parse::<Room>().unwrap().kind(), "buyers");
    }

    #[test]
    fn a_trailing_star_covers_every_room_that_begins_alike() {
        let products: Target = "product:*".parse().unwrap();
        assert!(products.covers(&"product:42".parse().unwrap()));
        assert!(!products.covers(&"products".parse().unwrap()));
        assert!(Target::every().covers(&"anything".parse().unwrap()));
        assert!("pro*duct".parse::<Target>().is_err());
    }
}
