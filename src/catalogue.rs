//! The events and rooms that pgbell's own trigger files speak of, and those an installation adds.
//!
//! Nothing is refused for being unknown here: the daemon carries any event to any room. The
//! catalogue is for `pgbell triggers check`, because nobody subscribes to a misspelt room.
//! `docs/events.md` says what each event means; a test holds the two together.

use serde::{Deserialize, Serialize};

use crate::room::{InvalidRoom, Target};

/// Typing errors beyond this many letters are not worth a guess.
const MOST_LETTERS_WRONG: usize = 3;

/// What happens, by module.
const EVENTS: &[(&str, &[&str])] = &[
    (
        "product",
        &[
            "created",
            "updated",
            "deleted",
            "price_changed",
            "availability_changed",
            "attributes_changed",
            "stock_changed",
        ],
    ),
    ("stock", &["low", "out", "restocked"]),
    (
        "sale",
        &[
            "created",
            "updated",
            "deleted",
            "discount_changed",
            "started",
            "ended",
            "sold_out",
        ],
    ),
    (
        "order",
        &[
            "created",
            "updated",
            "status_changed",
            "payment_changed",
            "completed",
            "cancelled",
            "shipped",
            "refunded",
        ],
    ),
    (
        "analytics",
        &[
            "sale_completed",
            "revenue_updated",
            "product_viewed",
            "metrics_updated",
            "inventory_alert",
        ],
    ),
    ("store", &["updated", "availability_changed"]),
    ("cart", &["updated"]),
    (
        "wholesale",
        &[
            "invitation_sent",
            "invitation_accepted",
            "invitation_rejected",
            "order_placed",
            "order_updated",
            "deposit_paid",
            "balance_paid",
            "order_shipped",
        ],
    ),
    (
        "quotation",
        &[
            "created", "updated", "sent", "viewed", "accepted", "rejected", "expired",
        ],
    ),
    (
        "notification",
        &[
            "order",
            "payment",
            "shipping",
            "wholesale",
            "quotation",
            "system",
            "read",
            "deleted",
        ],
    ),
];

/// Where it is told: rooms, or what the names of a kind of rooms begin with.
const ROOMS: &[&str] = &[
    "product:*",
    "variant:*",
    "sale:*",
    "order:*",
    "user:*",
    "seller:*",
    "storefront:*",
    "store:*",
    "shop_*",
    "cart:*",
    "analytics:*",
    "buyers",
    "sellers",
    "admin:orders",
    "admin:stock",
    "admin:metrics",
];

/// The `[catalogue]` section: what the trigger files of an installation add to pgbell's own.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Events, such as `review:created`, or all of a module, `review:*`.
    pub events: Vec<Target>,
    /// Rooms, or all of a kind, `film:*`.
    pub rooms: Vec<Target>,
}

/// All known events and rooms.
#[derive(Clone, Debug)]
pub struct Catalogue {
    events: Vec<Target>,
    rooms: Vec<Target>,
}

impl Catalogue {
    /// pgbell's own and those of an installation.
    pub fn new(own: &Config) -> Self {
        let parse = |name: &str| -> Result<Target, InvalidRoom> { name.parse() };
        let events = own_events().filter_map(|event| parse(&event).ok());
        let rooms = ROOMS.iter().filter_map(|room| parse(room).ok());
        Self {
            events: events.chain(own.events.iter().cloned()).collect(),
            rooms: rooms.chain(own.rooms.iter().cloned()).collect(),
        }
    }

    /// Known events, or modules of events.
    pub fn events(&self) -> &[Target] {
        &self.events
    }

    /// Known rooms, or kinds of rooms.
    pub fn rooms(&self) -> &[Target] {
        &self.rooms
    }

    /// Whether an event such as `product:created` is known.
    pub fn contains(&self, event: &str) -> bool {
        covers(&self.events, event)
    }

    /// Whether any known event begins so.
    pub fn event_begins(&self, with: &str) -> bool {
        self.events.iter().any(|known| begins(known, with))
    }

    /// Whether pgbell or the installation has events of this module.
    pub fn has_module(&self, module: &str) -> bool {
        self.event_begins(&format!("{module}:"))
    }

    /// Whether rooms of this name are known; `room` may be a pattern, `product:*`.
    pub fn knows_room(&self, room: &str) -> bool {
        match room.strip_suffix('*') {
            Some(prefix) => self.room_begins(prefix),
            None => covers(&self.rooms, room),
        }
    }

    /// Whether this very room is known, and not only its kind.
    pub fn names_room(&self, room: &str) -> bool {
        let is_it = |known: &Target| matches!(known, Target::Room(only) if only.as_str() == room);
        self.rooms.iter().any(is_it)
    }

    /// Whether the name of any known room begins so.
    pub fn room_begins(&self, with: &str) -> bool {
        self.rooms.iter().any(|known| begins(known, with))
    }

    /// The known event that somebody who wrote `event` probably meant.
    pub fn nearest_event(&self, event: &str) -> Option<String> {
        nearest(event, self.events.iter().map(Target::to_string))
    }

    /// The known room, or pattern of rooms, that somebody who wrote `room` probably meant.
    pub fn nearest_room(&self, room: &str) -> Option<String> {
        let wanted = kind_of(room);
        let known: Vec<String> = self.rooms.iter().map(Target::to_string).collect();
        let kinds = known.iter().map(|room| kind_of(room).to_owned());
        let kind = nearest(wanted, kinds)?;
        known.into_iter().find(|room| kind_of(room) == kind)
    }
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::new(&Config::default())
    }
}

fn own_events() -> impl Iterator<Item = String> {
    EVENTS.iter().flat_map(|(module, actions)| {
        let name = move |action: &&str| format!("{module}:{action}");
        actions.iter().map(name)
    })
}

fn covers(known: &[Target], name: &str) -> bool {
    known.iter().any(|known| match known {
        Target::Room(only) => only.as_str() == name,
        Target::Prefix(prefix) => name.starts_with(&**prefix),
    })
}

fn begins(known: &Target, with: &str) -> bool {
    match known {
        Target::Room(only) => only.as_str().starts_with(with),
        Target::Prefix(prefix) => with.starts_with(&**prefix) || prefix.starts_with(with),
    }
}

/// What a name shares with others of its kind: `product` of `product:42`, `shop` of `shop_5`.
pub fn kind_of(room: &str) -> &str {
    let end = room.find([':', '*']).unwrap_or(room.len());
    let kind = &room[..end];
    let number = kind.rsplit_once('_').filter(|(_, id)| {
        id.bytes()
            .all(|digit| digit.is_ascii_digit() || digit == b'-')
    });
    number.map_or(kind, |(kind, _)| kind)
}

/// Two short kinds differ in few letters and are still two words: of `film`, at most one may be wrong.
fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let module = kind_of(name);
    let may_be = |known: &String| {
        let wrong = strsim::damerau_levenshtein(module, kind_of(known));
        wrong <= (module.len() / 3).min(MOST_LETTERS_WRONG)
    };
    known
        .filter(may_be)
        .map(|known| (strsim::damerau_levenshtein(name, &known), known))
        .min()
        .filter(|(distance, _)| *distance <= MOST_LETTERS_WRONG)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_short_word_of_its_own_is_no_typing_error() {
        let catalogue = Catalogue::default();
        for own in ["film:*", "staff:*", "role:*"] {
            assert_eq!(catalogue.nearest_room(own), None, "{own}");
        }
        assert_eq!(catalogue.nearest_event("film:created"), None);
        assert_eq!(
            catalogue.nearest_room("prodcut:*").as_deref(),
            Some("product:*")
        );
        let meant = catalogue.nearest_event("product:prize_changed");
        assert_eq!(meant.as_deref(), Some("product:price_changed"));
    }

    /// What stands in backticks, but for the names that other gateways use.
    fn quoted(docs: &str) -> BTreeSet<&str> {
        let sections = docs.split("\n## ");
        let ours = sections.filter(|section| !section.starts_with("Coming from"));
        ours.flat_map(|section| section.split('`').skip(1).step_by(2))
            .collect()
    }

    #[test]
    fn the_document_and_the_catalogue_name_the_same_events() {
        let docs = include_str!("../docs/events.md");
        let letters = |text: &str| {
            let allowed = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            !text.is_empty() && text.bytes().all(allowed)
        };
        let told: BTreeSet<String> = quoted(docs)
            .into_iter()
            .filter(|name| {
                let parts = name.split_once(':');
                parts.is_some_and(|(module, action)| letters(module) && letters(action))
            })
            .filter(|name| !ROOMS.contains(name) && *name != "module:action")
            .map(str::to_owned)
            .collect();
        assert_eq!(told, own_events().collect());
    }

    #[test]
    fn the_document_names_every_kind_of_room() {
        let docs = include_str!("../docs/events.md");
        let quoted = quoted(docs);
        for room in ROOMS {
            let kind = room.trim_end_matches('*');
            let named = |name: &&str| match room.ends_with('*') {
                true => name.starts_with(&format!("{kind}{{")),
                false => *name == kind,
            };
            assert!(quoted.iter().any(named), "{room} is not in docs/events.md");
        }
    }

    #[test]
    fn every_own_name_is_known() {
        let catalogue = Catalogue::default();
        assert_eq!(catalogue.events.len(), own_events().count());
        assert_eq!(catalogue.rooms.len(), ROOMS.len());
        assert!(catalogue.contains("product:price_changed"));
        assert!(!catalogue.contains("product:prize_changed"));
        assert!(!catalogue.contains("product:"));
        for room in [
            "product:42",
            "product:*",
            "shop_5",
            "admin:orders",
            "admin:*",
            "*",
        ] {
            assert!(catalogue.knows_room(room), "{room}");
        }
        for room in ["film:1", "film:*", "admin:films", "buyer"] {
            assert!(!catalogue.knows_room(room), "{room}");
        }
    }

    #[test]
    fn an_installation_adds_names_of_its_own() {
        let pattern = |text: &str| text.parse::<Target>().expect("a pattern");
        let own = Config {
            events: vec![pattern("review:*"), pattern("film:rented")],
            rooms: vec![pattern("film:*")],
        };
        let catalogue = Catalogue::new(&own);
        assert!(catalogue.contains("review:created") && catalogue.contains("film:rented"));
        assert!(!catalogue.contains("film:returned"));
        assert!(catalogue.has_module("film") && !catalogue.has_module("actor"));
        assert!(catalogue.knows_room("film:7") && catalogue.knows_room("film:*"));
        assert!(catalogue.knows_room("product:42"));
    }

    #[test]
    fn a_misspelt_name_is_guessed_and_a_foreign_one_is_not() {
        let catalogue = Catalogue::default();
        let event = |name| catalogue.nearest_event(name);
        assert_eq!(
            event("product:prize_changed").unwrap(),
            "product:price_changed"
        );
        assert_eq!(event("prodcut:created").unwrap(), "product:created");
        assert_eq!(event("telescope:realigned"), None);
        let room = |name| catalogue.nearest_room(name);
        assert_eq!(room("prodcut:42").unwrap(), "product:*");
        assert_eq!(room("shp_7").unwrap(), "shop_*");
        assert_eq!(room("telescope:7"), None);
    }
}
