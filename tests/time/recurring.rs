use std::collections::BTreeSet;

use super::{come, moment};
use crate::support::{daemon::Daemon, database::Database, soon};

#[tokio::test]
async fn what_came_while_no_daemon_ran_is_told_by_the_next_and_a_recurring_moment_once() {
    let database = Database::new().await;
    for (id, due) in [("second", "-1 hour"), ("first", "-2 hours")] {
        database.run(&moment(id, due)).await;
    }
    database
        .run(&moment("hourly", "-100 days -30 minutes"))
        .await;
    let every = "update pgbell.schedule set every = '1 hour' where id = 'hourly'";
    database.run(every).await;
    // A cursor of before lets a client be told what came before it did.
    let since = database.value("pgbell.cursor()").await;
    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client().await;
    let fired = async { while daemon.metric("pgbell_scheduled_changes_total").await < 3 {} };
    soon("what is due to be fired", fired).await;
    client.resume(&["room:1"], &since).await;
    let expected = ["hourly", "first", "second"];
    let told: BTreeSet<String> = come(&mut client, &expected).await.into_iter().collect();
    assert_eq!(told, expected.map(str::to_owned).into());
    let logged =
        "select string_agg(id, ' ' order by ctid) from pgbell.change where entity = 'thing'";
    assert_eq!(database.value(logged).await, "hourly first second");
    let next = "select due_at - now() between '20 minutes' and '40 minutes' from pgbell.schedule";
    assert_eq!(
        database.value(next).await,
        "true",
        "the only one that is left"
    );
}

#[tokio::test]
async fn a_recurring_moment_comes_again_and_again() {
    let database = Database::new().await;
    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["room:1"]).await;
    let again = "update pgbell.schedule set every = '50 ms'";
    database
        .run(&format!("begin; {}; {again}; commit", moment("1", "50 ms")))
        .await;
    for _ in 0..5 {
        assert_eq!(come(&mut client, &["1"]).await, ["1"]);
    }
}

#[tokio::test]
async fn a_recurring_moment_keeps_to_the_calendar() {
    let database = Database::new().await;
    for (due, every, now, next) in [
        (
            "2024-01-31 10:00",
            "1 month",
            "2024-02-15",
            "2024-02-29 10:00",
        ),
        (
            "2024-01-31 10:00",
            "1 month",
            "2025-05-31 10:00",
            "2025-06-30 10:00",
        ),
        (
            "1990-01-01 18:00",
            "1 day",
            "2026-03-29 18:30",
            "2026-03-30 18:00",
        ),
        ("2024-02-29", "1 year", "2027-07-01", "2028-02-29"),
        (
            "2024-01-01",
            "90 s",
            "2024-01-01 00:01:30",
            "2024-01-01 00:03",
        ),
        (
            "2024-01-01",
            "7 days 1 hour",
            "2024-01-08 00:59",
            "2024-01-08 01:00",
        ),
        ("2024-01-01", "0", "2024-01-02", ""),
        ("2024-01-01", "-1 hour", "2024-01-02", ""),
        ("2024-01-01", "178000000 years", "2024-01-02", ""),
        ("-infinity", "1 hour", "2024-01-02", ""),
    ] {
        let sql = format!(
            "select pgbell.again('{due} Europe/Berlin', '{every}', '{now} Europe/Berlin')
                    at time zone 'Europe/Berlin'"
        )
        .replace("-infinity Europe/Berlin", "-infinity");
        database.run("set timezone = 'Europe/Berlin'").await;
        let found = database.value(&sql).await;
        let next = match next {
            "" => String::new(),
            next => database.value(&format!("'{next}'::timestamp")).await,
        };
        assert_eq!(found, next, "{due} every {every}, after {now}");
    }
}
