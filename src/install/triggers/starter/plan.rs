//! What a starter file will say: entity, rooms, events and the columns of each.

use super::{
    Options,
    columns::Group,
    names::{plain, singular, stem, words},
    shape::{Column, Reference, Table},
};
use crate::{catalogue::Catalogue, install::Error};

/// Longest name of an entity: with a number after it, it is a room.
const LONGEST_ENTITY: usize = 64;

/// Most values in one event: a function takes a hundred arguments at most.
const MOST_SHOWN: usize = 20;

pub(super) struct Plan<'a> {
    pub(super) table: &'a Table,
    /// What clients call one row.
    pub(super) entity: String,
    /// What the table's functions begin with.
    pub(super) stem: String,
    pub(super) key: Vec<&'a Column>,
    pub(super) rooms: Vec<Room<'a>>,
    pub(super) created: String,
    pub(super) deleted: String,
    /// For many rows at once, and for all columns without an event of their own.
    pub(super) updated: String,
    /// Events by what changed, without empty ones.
    pub(super) events: Vec<Event<'a>>,
    pub(super) row_level: bool,
}

/// A kind of rooms, and which one of them a row is about.
pub(super) struct Room<'a> {
    pub(super) kind: String,
    /// In the order of the other table's key.
    pub(super) columns: Vec<&'a Column>,
}

/// An event that tells of changes of some columns.
pub(super) struct Event<'a> {
    pub(super) name: String,
    pub(super) columns: Vec<&'a Column>,
}

impl Event<'_> {
    pub(super) fn shown(&self) -> Vec<&Column> {
        shown(self.columns.iter().copied())
    }
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        table: &'a Table,
        options: &Options,
        catalogue: &Catalogue,
    ) -> Result<Self, Error> {
        if table.key.is_empty() {
            return Err(Error::UnfitTable {
                table: table.quoted.clone(),
                reason:
                    "has no primary key, so clients could not be told which row changed; give it \
                         one (or a unique key of columns that are not null), or write a trigger by \
                         hand that tells its rooms to resync (id '*')"
                        .into(),
            });
        }
        let entity = entity(table, options)?;
        let event = |actions: &[&str]| event_of(&entity, actions, catalogue);
        let updated = event(&["updated"]);
        let mut plan = Self {
            table,
            stem: stem(table),
            key: table
                .key
                .iter()
                .filter_map(|name| table.column(name))
                .collect(),
            rooms: Vec::new(),
            created: event(&["created", "updated"]),
            deleted: event(&["deleted", "updated"]),
            updated,
            events: Vec::new(),
            row_level: options.row_level,
            entity,
        };
        plan.rooms = plan.all_rooms();
        plan.events = plan.all_events(catalogue);
        Ok(plan)
    }

    /// The entity's own, and one for each row it references.
    fn all_rooms(&self) -> Vec<Room<'a>> {
        let own = Room {
            kind: self.entity.clone(),
            columns: self.key.clone(),
        };
        let mut rooms = vec![own];
        for reference in self
            .table
            .references
            .iter()
            .filter(|reference| reference.by_key)
        {
            let columns = self.columns_of(reference);
            let kind = singular(&reference.table);
            let is_new = |room: &Room<'_>| room.kind != kind || !same(&room.columns, &columns);
            if !columns.is_empty() && rooms.iter().all(is_new) {
                rooms.push(Room { kind, columns });
            }
        }
        rooms
    }

    fn columns_of(&self, reference: &Reference) -> Vec<&'a Column> {
        let columns = reference.columns.iter();
        columns.filter_map(|name| self.table.column(name)).collect()
    }

    fn all_events(&self, catalogue: &Catalogue) -> Vec<Event<'a>> {
        let event = |actions: &[&str]| event_of(&self.entity, actions, catalogue);
        let groups = [
            (Group::Rest, event(&["updated"])),
            (Group::Price, event(&["price_changed", "updated"])),
            (
                Group::Amount,
                event(&["amount_changed", "price_changed", "updated"]),
            ),
            (
                Group::Status,
                event(&["status_changed", "availability_changed", "updated"]),
            ),
            (Group::Stock, event(&["stock_changed", "updated"])),
        ];
        let mut events: Vec<Event<'a>> = Vec::new();
        for (group, name) in groups {
            let columns: Vec<_> = self
                .compared()
                .filter(|column| self.group(column) == group)
                .collect();
            match events.iter_mut().find(|event| event.name == name) {
                _ if columns.is_empty() => {}
                Some(event) => event.columns.extend(columns),
                None => events.push(Event { name, columns }),
            }
        }
        events
    }

    /// Columns whose change is worth telling.
    pub(super) fn compared(&self) -> impl Iterator<Item = &'a Column> {
        let rest = self
            .table
            .columns
            .iter()
            .filter(|column| !self.is_key(column));
        rest.filter(|column| !column.is_volatile() && !column.is_virtual())
    }

    /// Columns whose change alone is told to nobody.
    pub(super) fn left_out(&self) -> impl Iterator<Item = &'a Column> {
        let rest = self
            .table
            .columns
            .iter()
            .filter(|column| !self.is_key(column));
        rest.filter(|column| column.is_volatile() || column.is_virtual())
    }

    /// Columns that a new row shows: those of every event but the rest, and names.
    pub(super) fn introduced(&self) -> Vec<&'a Column> {
        let is_told = |column: &&Column| {
            let named = |word: &str| words(&column.name).last().is_some_and(|last| last == word);
            self.group(column) != Group::Rest || named("name") || named("title")
        };
        shown(self.compared().filter(is_told))
    }

    /// Names that look like references without being ones.
    pub(super) fn possible_rooms(&self) -> impl Iterator<Item = &'a Column> {
        let is_in_a_room = |column: &Column| {
            self.rooms
                .iter()
                .any(|room| room.columns.iter().any(|c| c.name == column.name))
        };
        self.table.columns.iter().filter(move |column| {
            words(&column.name).last().is_some_and(|last| last == "id") && !is_in_a_room(column)
        })
    }

    pub(super) fn is_key(&self, column: &Column) -> bool {
        self.key.iter().any(|key| key.name == column.name)
    }

    fn group(&self, column: &Column) -> Group {
        let references = self
            .rooms
            .iter()
            .any(|room| room.columns.iter().any(|c| c.name == column.name));
        if references {
            Group::Rest
        } else {
            column.group()
        }
    }
}

fn same(these: &[&Column], those: &[&Column]) -> bool {
    these
        .iter()
        .map(|column| &column.name)
        .eq(those.iter().map(|column| &column.name))
}

fn shown<'a>(columns: impl Iterator<Item = &'a Column>) -> Vec<&'a Column> {
    columns
        .filter(|column| column.hidden().is_none())
        .take(MOST_SHOWN)
        .collect()
}

/// The first of these names that fits the catalogue, if it has others of this module.
fn event_of(entity: &str, actions: &[&str], catalogue: &Catalogue) -> String {
    let named = |action: &&&str| {
        let event = format!("{entity}:{action}");
        !catalogue.has_module(entity) || catalogue.contains(&event)
    };
    let action = actions.iter().find(named).or(actions.first());
    format!("{entity}:{}", action.copied().unwrap_or("updated"))
}

fn entity(table: &Table, options: &Options) -> Result<String, Error> {
    let Some(given) = &options.entity else {
        let mut name = singular(&table.name);
        name.truncate(LONGEST_ENTITY);
        return Ok(name);
    };
    if plain(given) != *given || given.len() > LONGEST_ENTITY {
        return Err(Error::UnfitEntity {
            name: given.clone(),
        });
    }
    Ok(given.clone())
}
