//! What can be said of a rule's query without asking a database.

/// Refuses a query whose parameters are not those that the room has.
pub(super) fn check(query: &str, words: usize) -> Result<(), String> {
    if query.trim().is_empty() {
        return Err("is empty".into());
    }
    let named = parameters(query);
    if let Some(number) = named.iter().find(|number| !(1..=words).contains(*number)) {
        return Err(format!(
            "has ${number}, but the room has {words} {{names}} to fill in"
        ));
    }
    match (1..=words).find(|number| !named.contains(number)) {
        Some(number) => Err(format!(
            "has no ${number}, so that it answers alike whatever stands in the room's name there"
        )),
        None => Ok(()),
    }
}

/// The numbers behind `$`, outside of quotes.
fn parameters(query: &str) -> Vec<usize> {
    let unquoted = query.split('\'').step_by(2);
    unquoted
        .flat_map(|code| code.split('$').skip(1))
        .filter_map(|after| {
            let end = after.find(|letter: char| !letter.is_ascii_digit());
            after[..end.unwrap_or(after.len())].parse().ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_query_has_the_parameters_that_the_room_fills_in() {
        assert_eq!(check("select from orders where id::text = $1", 1), Ok(()));
        assert_eq!(check("select from t where a = $2 and b = $1", 2), Ok(()));
        assert_eq!(check("select 1 where '$3' <> ''", 0), Ok(()));
        assert_eq!(
            check("select $tag$ text $tag$ where $1 = 'it''s $9'", 1),
            Ok(())
        );
        for (query, words) in [
            (" ", 0),
            ("select 1", 1),
            ("select $2", 1),
            ("select $0", 1),
            ("select $1", 0),
            ("select $1", 2),
            ("select '$1'", 1),
        ] {
            assert!(check(query, words).is_err(), "{query} {words}");
        }
    }
}
