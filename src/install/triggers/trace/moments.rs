//! Changes that time will make, as a statement has added, changed or removed them.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use crate::install::query::query_as;

/// Most rows of the schedule that are looked at; further ones are only said to be there.
const MOST: usize = 10_000;

/// What was done to the schedule.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    /// The rows, in order of their moments.
    pub rows: Vec<Moment>,
    /// Whether there are more.
    pub has_more: bool,
}

/// A row of `pgbell.schedule`.
#[derive(Clone, Debug)]
pub struct Moment {
    /// What was done to it.
    pub fate: Fate,
    /// The row as JSON: as it is now, or as it was before it was removed.
    pub row: String,
    /// When it is due, or was before it was removed.
    pub due_at: String,
    /// When it was due before, if it is due at another moment now.
    pub was_due_at: Option<String>,
}

/// What was done to a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It is new.
    Added,
    /// It is another one.
    Changed,
    /// It is gone.
    Removed,
}

impl Fate {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

/// Rows by key, as one look found them.
#[derive(Debug, Default)]
pub(super) struct Look {
    rows: BTreeMap<String, Due>,
    is_cut: bool,
}

#[derive(Debug)]
struct Due {
    at: String,
    row: String,
}

/// Rows that were written or locked since this transaction began. To be asked twice: with what it has
/// written, and after it went back to a savepoint, when rows that it had removed are back and an id
/// that was given up still stands on them. What others do meanwhile is the same in both.
pub(super) async fn look(connection: &mut PgConnection) -> Result<Look, sqlx::Error> {
    let sql = format!(
        "select json_build_array(entity, id, what)::text collate \"C\",
                coalesce(nullif(to_char(due_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), ''),
                         due_at::text, ''),
                to_jsonb(schedule)::text
           from pgbell.schedule
          where age(xmin) <= 0 or age(xmax) <= 0
          order by 1
          limit {}",
        MOST + 1
    );
    let rows: Vec<(String, String, String)> = query_as(&sql).fetch_all(connection).await?;
    let is_cut = rows.len() > MOST;
    let rows = rows.into_iter().take(MOST);
    Ok(Look {
        rows: rows.map(|(key, at, row)| (key, Due { at, row })).collect(),
        is_cut,
    })
}

/// What leads from one look to the other. Behind the place where one of them was cut off nothing can be
/// told.
pub(super) fn difference(mut before: Look, mut now: Look) -> Moments {
    let has_more = before.is_cut || now.is_cut;
    let ends = [&before, &now].map(|look| look.rows.keys().next_back().filter(|_| look.is_cut));
    if let Some(end) = ends.into_iter().flatten().min().cloned() {
        before.rows.retain(|key, _| *key <= end);
        now.rows.retain(|key, _| *key <= end);
    }
    let mut rows = Vec::new();
    for (key, due) in now.rows {
        let (fate, was_due_at) = match before.rows.remove(&key) {
            None => (Fate::Added, None),
            Some(was) if was.row == due.row => continue,
            Some(was) => (Fate::Changed, Some(was.at).filter(|at| *at != due.at)),
        };
        rows.push(Moment {
            fate,
            row: due.row,
            was_due_at,
            due_at: due.at,
        });
    }
    rows.extend(before.rows.into_values().map(|due| Moment {
        fate: Fate::Removed,
        row: due.row,
        was_due_at: None,
        due_at: due.at,
    }));
    rows.sort_by(|one, other| one.due_at.cmp(&other.due_at));
    Moments { rows, has_more }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(rows: &[(&str, &str)], is_cut: bool) -> Look {
        let due = |at: &str| Due {
            at: at.into(),
            row: at.into(),
        };
        let rows = rows.iter().map(|(key, at)| ((*key).into(), due(at)));
        Look {
            rows: rows.collect(),
            is_cut,
        }
    }

    fn fates(moments: &Moments) -> Vec<(&str, &str)> {
        let fate = |moment: &Moment| (moment.fate.as_str(), moment.row.clone());
        let fates: Vec<_> = moments.rows.iter().map(fate).collect();
        fates
            .into_iter()
            .map(|(fate, row)| (fate, &*row.leak()))
            .collect()
    }

    #[test]
    fn rows_are_added_changed_or_removed_and_equal_ones_say_nothing() {
        let before = seen(&[("a", "1"), ("b", "2"), ("c", "3")], false);
        let now = seen(&[("b", "5"), ("c", "3"), ("d", "4")], false);
        let moments = difference(before, now);
        assert_eq!(
            fates(&moments),
            [("removed", "1"), ("added", "4"), ("changed", "5")]
        );
        assert_eq!(moments.rows[2].was_due_at.as_deref(), Some("2"));
    }

    #[test]
    fn behind_a_cut_nothing_is_claimed() {
        let before = seen(&[("a", "1"), ("b", "2"), ("c", "3")], false);
        let moments = difference(before, seen(&[("a", "9")], true));
        assert_eq!(fates(&moments), [("changed", "9")]);
        assert!(moments.has_more);
    }
}
