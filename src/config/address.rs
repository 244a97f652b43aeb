//! Database URLs as far as configuration cares: is it one, and what of it may be shown.

/// Whether this could be the URL of a database; nothing at all is left to the command to judge.
pub(super) fn is_postgres(url: &str) -> bool {
    let rest = url
        .strip_prefix("postgres://")
        .or_else(|| url.strip_prefix("postgresql://"));
    url.is_empty() || rest.is_some_and(|rest| !rest.is_empty())
}

/// The URL with passwords replaced by `***`. Works on text, so that it also covers URLs too broken
/// to parse.
pub fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return if url.is_empty() { "" } else { "***" }.into();
    };
    let (authority, tail) = split_authority(rest);
    let authority = match authority.rsplit_once('@') {
        // An @ in the query: nobody can tell what belongs to whom.
        Some((login, _)) if login.split('?').skip(1).any(may_be_password) => {
            return format!("{scheme}://***");
        }
        Some((login, host)) => match login.split_once(':') {
            Some((user, _)) => format!("{user}:***@{host}"),
            None => authority.into(),
        },
        None => authority.into(),
    };
    format!("{scheme}://{authority}{}", masked_query(tail))
}

/// The URL with another login, which also leaves out how the first one proves who it is.
pub fn with_login(url: &str, user: &str, password: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.into();
    };
    // Where those who connect take the login to end. What follows may hold another @.
    let place = rest.split_once('@').map_or(rest, |(_, place)| place);
    let (place, query) = place.split_once('?').unwrap_or((place, ""));
    let of_login = ["user", "password", "sslcert", "sslkey"];
    let others = query.split('&').filter(|pair| {
        let key = pair.split_once('=').map_or(*pair, |(key, _)| key);
        !key.is_empty() && !of_login.contains(&key)
    });
    let others: Vec<_> = others.collect();
    let mark = if others.is_empty() { "" } else { "?" };
    format!(
        "{scheme}://{user}:{password}@{place}{mark}{}",
        others.join("&")
    )
}

/// The authority ends at the first `/` or `?` after the last `@`, since an unescaped password may
/// contain either.
fn split_authority(rest: &str) -> (&str, &str) {
    let login = rest.rfind('@').map_or(0, |at| at + 1);
    let end = rest[login..]
        .find(['/', '?'])
        .map_or(rest.len(), |end| login + end);
    rest.split_at(end)
}

fn masked_query(tail: &str) -> String {
    let Some((path, query)) = tail.split_once('?') else {
        return tail.into();
    };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((key, _)) if may_be_password(key) => format!("{key}=***"),
        _ => pair.into(),
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

/// Whether a key may name a password: also one that is escaped, which servers' libraries undo.
fn may_be_password(key: &str) -> bool {
    key.contains('%') || key.to_ascii_lowercase().contains("password")
}

#[cfg(test)]
mod tests {
    use super::{masked, with_login};

    #[test]
    fn another_login_keeps_the_way_and_nothing_of_the_first_login() {
        for (url, expected) in [
            (
                "postgres://a:hunter2@h:1,i:2/db",
                "postgres://u:p@h:1,i:2/db",
            ),
            ("postgres://h/db", "postgres://u:p@h/db"),
            (
                "postgres://a@h/db?sslmode=verify-full&sslcert=/c&sslrootcert=/r&sslkey=/k",
                "postgres://u:p@h/db?sslmode=verify-full&sslrootcert=/r",
            ),
            (
                "postgresql:///db?host=/run/pg&user=a&password=hunter2",
                "postgresql://u:p@/db?host=/run/pg",
            ),
            (
                "postgres://a:hunter2@h/db?options=-c%20a=b@c&sslmode=require",
                "postgres://u:p@h/db?options=-c%20a=b@c&sslmode=require",
            ),
            (
                "postgres://a:hun/te?r2@h/db?host=i@j",
                "postgres://u:p@h/db?host=i@j",
            ),
        ] {
            assert_eq!(with_login(url, "u", "p"), expected);
        }
    }

    #[test]
    fn a_password_is_never_shown_wherever_it_stands() {
        for (url, shown) in [
            ("", ""),
            ("hunter2", "***"),
            (
                "postgres://u:hunter2@h:5432/db",
                "postgres://u:***@h:5432/db",
            ),
            ("postgres://u:hun/te?r@2@h/db", "postgres://u:***@h/db"),
            (
                "postgres://u@h/db?password=hunter2&sslmode=require",
                "postgres://u@h/db?password=***&sslmode=require",
            ),
            (
                "postgres://u@h/db?a=b&password=hun@ter2&sslmode=require",
                "postgres://***",
            ),
            (
                "postgres://h/db?p%61ssword=hunter2",
                "postgres://h/db?p%61ssword=***",
            ),
            (
                "postgres:///shop?host=/tmp/x&user=u",
                "postgres:///shop?host=/tmp/x&user=u",
            ),
        ] {
            assert_eq!(masked(url), shown);
        }
    }
}
