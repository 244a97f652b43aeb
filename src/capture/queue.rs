//! A look at the server's notification queue. When it is full, every transaction that notifies fails
//! at its commit, our writers' included.
//!
//! Our own listener is never what fills it: it is never in a transaction and reads whatever comes.

use super::{Capture, Error, connect::Session};

/// The part of the queue in use from which on it is warned of, and below which all is well again.
const WARN_FROM: f64 = 0.10;
const WELL_BELOW: f64 = 0.05;

/// The part in use from which on writers of the log do not ring: they must not fail when it is full.
pub(super) const CROWDED_FROM: f64 = 0.50;

const SUBJECT: &str = "notification_queue";

/// The oldest open transactions, as far as this role may see them. Which of their sessions listen is
/// known to those sessions alone.
const SUSPECTS: &str = "
    select string_agg(format('pid %s (%s, database %s, %s for %s s)', pid,
                             coalesce(nullif(application_name, ''), 'no application name'),
                             datname, state, extract(epoch from now() - xact_start)::int), ', ')
      from (select * from pg_stat_activity
             where xact_start is not null and backend_type = 'client backend' and pid <> pg_backend_pid()
             order by xact_start limit 3) as oldest";

/// Publishes how full the queue is, and warns with what to look for.
pub(super) async fn look(capture: &Capture, session: &Session) -> Result<f64, Error> {
    let query = "select pg_notification_queue_usage()";
    let doing = "look at the notification queue";
    let usage = session.row(doing, query, &[]).await?;
    let usage = usage.get::<_, f64>(0);
    capture.metrics.notification_queue_usage.set(usage);
    if usage < WELL_BELOW {
        capture.all_well(SUBJECT);
    } else if usage >= WARN_FROM && !capture.warns_of(SUBJECT) {
        let doing = "look for what holds the queue";
        let suspects = session.row(doing, SUSPECTS, &[]).await?;
        capture.warn(SUBJECT, warning(usage, suspects.get(0)));
    }
    Ok(usage)
}

fn warning(usage: f64, suspects: Option<&str>) -> String {
    let suspects = suspects.map_or_else(
        || {
            "this role may not see open transactions: grant it pg_read_all_stats, or look into \
            pg_stat_activity and the server's log"
                .to_owned()
        },
        |suspects| format!("the oldest open transactions are {suspects}"),
    );
    format!(
        "the notification queue is {:.0} % full, and at 100 % commits that notify fail: look for a \
         session that listens and stays in a transaction, and end it; {suspects}",
        usage * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_names_suspects_or_how_to_see_them() {
        let seen = warning(0.123, Some("pid 7 (worker)"));
        assert!(
            seen.contains("12 % full") && seen.contains("pid 7 (worker)"),
            "{seen}"
        );
        assert!(warning(0.5, None).contains("pg_read_all_stats"));
    }
}
