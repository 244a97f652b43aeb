//! Judges what triggers have put into the log.

use super::{Trial, Watched};
use crate::{
    install::{
        Error,
        query::query_as,
        triggers::{
            check::{
                names,
                problem::{Code, Problem},
                size,
            },
            savepoint::Savepoint,
        },
    },
    room::Room,
};

/// Events and rooms of a row of the log, whether it stands for many, and its size in bytes.
type Logged = (Option<Vec<String>>, Option<Vec<Option<String>>>, bool, i32);

impl Trial<'_, '_> {
    /// Judges what the triggers have put into the log.
    pub(super) async fn read_log(&mut self, watched: &Watched<'_>) -> Result<(), Error> {
        let savepoint = Savepoint::set(self.connection).await?;
        let logged: Result<Vec<Logged>, _> = query_as(
            "select events, rooms, id is not distinct from '*',
                    octet_length(concat(entity, id, events::text, rooms::text, old::text, new::text))
               from pgbell.change where xid = pg_current_xact_id()",
        )
        .fetch_all(&mut *self.connection)
        .await;
        savepoint.roll_back(self.connection).await?;
        let Ok(logged) = logged else {
            let note = "pgbell.change cannot be read by this role, so what triggers write to it was not judged";
            if !self.report.unchecked.iter().any(|known| known == note) {
                self.report.unchecked.push(note.into());
            }
            return Ok(());
        };
        let place = watched
            .triggers
            .first()
            .map(|(part, _)| (part.file.name(), part.statement.line));
        let mut found = Vec::new();
        for (events, rooms, is_many, bytes) in logged {
            for event in events
                .into_iter()
                .flatten()
                .filter(|event| !self.catalogue.contains(event))
            {
                found.push(names::unknown_event(&event, self.catalogue));
            }
            for room in rooms.into_iter().flatten().flatten() {
                let name = if is_many {
                    room.trim_end_matches('*')
                } else {
                    &room
                };
                if !name.is_empty() && Room::is_unusual(name) {
                    found.push(invalid_room(&room));
                }
            }
            found.extend(size::of_row(bytes));
        }
        for problem in found {
            let is_said = self
                .report
                .problems
                .iter()
                .any(|known| known.message == problem.message);
            if let (false, Some((file, line))) = (is_said, place) {
                self.report
                    .problems
                    .push(problem.at(file, line).about(&watched.name));
            }
        }
        Ok(())
    }
}

fn invalid_room(room: &str) -> Problem {
    Problem::new(
        Code::InvalidRoom,
        format!("{room:?} is no room, so nobody hears of it there"),
        "rooms are 1 to 128 characters of A-Z a-z 0-9 _ . : @ / -",
    )
}
