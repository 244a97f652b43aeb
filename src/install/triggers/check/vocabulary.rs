//! The events and rooms that installed trigger functions name, beside those that are known.

use std::collections::BTreeSet;

use super::{
    installed::has_pgbell,
    names::{Name, names},
};
use crate::{
    catalogue::Catalogue,
    install::{Error, query::query_scalar, session::Session, triggers::manners::prepare},
    room::Target,
};

/// The functions of pgbell's triggers on tables of applications.
const BODIES: &str = "
    select distinct p.prosrc
      from pg_trigger as t
      join pg_proc as p on p.oid = t.tgfoid join pg_namespace as fn on fn.oid = p.pronamespace
     where not t.tgisinternal and fn.nspname = 'pgbell'";

/// Names that an installation has besides the known ones.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Vocabulary {
    /// Events.
    pub events: BTreeSet<Target>,
    /// Rooms, or kinds of rooms.
    pub rooms: BTreeSet<Target>,
}

/// What the installed trigger functions name, and `catalogue` does not know.
///
/// # Errors
/// When the database is out of reach, or lacks pgbell.
pub async fn vocabulary(url: &str, catalogue: &Catalogue) -> Result<Vocabulary, Error> {
    let mut session = Session::open(url).await?;
    let mut transaction = session.look().await?;
    prepare(&mut transaction).await?;
    if !has_pgbell(&mut transaction).await? {
        return Ok(Vocabulary::default());
    }
    let bodies: Vec<String> = query_scalar(BODIES)
        .fetch_all(&mut *transaction)
        .await
        .map_err(|source| Error::statement("read the functions", &source))?;
    let mut vocabulary = Vocabulary::default();
    for body in bodies {
        vocabulary.learn(&body, catalogue);
    }
    Ok(vocabulary)
}

impl Vocabulary {
    fn learn(&mut self, body: &str, catalogue: &Catalogue) {
        for (_, name) in names(body, catalogue) {
            match name {
                Name::Event(event) if !catalogue.contains(&event) => {
                    self.events.extend(event.parse::<Target>());
                }
                Name::Room(room) if !catalogue.knows_room(&room) => {
                    self.rooms.extend(kind(&room).parse::<Target>());
                }
                // An event that is put together begins as others of its module do.
                Name::Beginning(text)
                    if !catalogue.room_begins(&text) && !catalogue.event_begins(&text) =>
                {
                    self.rooms.extend(format!("{text}*").parse::<Target>());
                }
                Name::Event(_) | Name::Room(_) | Name::Beginning(_) => {}
            }
        }
    }
}

/// All rooms of a kind, where one is numbered.
fn kind(room: &str) -> String {
    match room.rsplit_once(':') {
        Some((kind, id)) if id.starts_with(|first: char| first.is_ascii_digit()) => {
            format!("{kind}:*")
        }
        _ => room.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(sql: &str) -> (Vec<String>, Vec<String>) {
        let mut vocabulary = Vocabulary::default();
        vocabulary.learn(sql, &Catalogue::default());
        let names = |targets: BTreeSet<Target>| targets.iter().map(Target::to_string).collect();
        (names(vocabulary.events), names(vocabulary.rooms))
    }

    #[test]
    fn what_an_installation_names_besides_is_told_by_its_strings() {
        let (events, rooms) = learnt(
            "select array['film:rented', 'product:updated'], '{film:*,product:*}', 'hall_' || 1,
                    array['cast:' || id, 'buyers'], array['film:9', 'seller:' || seller_id], 'order:' || status",
        );
        assert_eq!(events, ["film:rented"]);
        assert_eq!(rooms, ["cast:*", "film:*"]);
        assert_eq!(
            learnt("select 'insert', '{}', '{order:created}'"),
            (vec![], vec![])
        );
    }
}
