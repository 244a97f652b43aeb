use pgbell::{capture::Transport, config::Config};
use serde_json::Value;

use super::{come, moment, never_by_itself};
use crate::support::{client::changes_in, daemon::Daemon, database::Database};

#[tokio::test]
async fn a_moment_makes_itself_known_whatever_the_transport() {
    for transport in [Transport::Doorbell, Transport::Payload, Transport::Poll] {
        let database = Database::new().await;
        let daemon = Daemon::with(&database, |config| {
            config.database.transport = transport;
            if transport != Transport::Poll {
                never_by_itself(config);
            }
        })
        .await;
        let mut client = daemon.client_in(&["room:1"]).await;
        // What is told now was read after the daemon had settled.
        client.messages(&database).await;
        database.run(&moment("later", "1 hour")).await;
        database.run(&moment("soon", "50 ms")).await;
        assert_eq!(
            come(&mut client, &["soon"]).await,
            ["soon"],
            "{transport:?}"
        );
        let sooner = "update pgbell.schedule set due_at = clock_timestamp() where id = 'later'";
        database.run(sooner).await;
        assert_eq!(
            come(&mut client, &["later"]).await,
            ["later"],
            "{transport:?}"
        );
    }
}

#[tokio::test]
async fn a_moment_is_told_even_where_nobody_may_ring() {
    let database = Database::new().await;
    let silence = "do $$ begin execute format('alter database %I set pgbell.ring = off', current_database()); end $$";
    database.run(silence).await;
    let daemon = Daemon::with(&database, never_by_itself).await;
    let mut client = daemon.client_in(&["room:1"]).await;
    database
        .run(&format!("set pgbell.ring = on; {}", moment("1", "50 ms")))
        .await;
    assert_eq!(come(&mut client, &["1"]).await, ["1"]);
}

#[tokio::test]
async fn a_moment_is_moved_earlier_and_later_and_taken_back() {
    let database = Database::new().await;
    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["room:1"]).await;
    for (id, due) in [("removed", "2 s"), ("later", "2 s"), ("earlier", "1 hour")] {
        database.run(&moment(id, due)).await;
    }
    database
        .run(
            "delete from pgbell.schedule where id = 'removed';
             update pgbell.schedule set due_at = due_at + interval '400 ms' where id = 'later';
             update pgbell.schedule set due_at = clock_timestamp() + interval '200 ms' where id = 'earlier'",
        )
        .await;
    assert_eq!(come(&mut client, &["later"]).await, ["earlier", "later"]);
}

#[tokio::test]
async fn moments_of_aborted_transactions_never_come_and_prepared_ones_when_they_commit() {
    let database = Database::new().await;
    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["room:1"]).await;
    let aborted = moment("aborted", "0");
    let prepared = moment("prepared", "0");
    let name = fastrand::u32(..);
    database.run(&format!("begin; {aborted}; rollback")).await;
    database
        .run(&format!(
            "begin; set local pgbell.ring = off; {prepared}; prepare transaction '{name}'"
        ))
        .await;
    database.run(&moment("other", "0")).await;
    assert_eq!(come(&mut client, &["other"]).await, ["other"]);
    database.run(&format!("commit prepared '{name}'")).await;
    assert_eq!(come(&mut client, &["prepared"]).await, ["prepared"]);
}

/// Prints how late moments are told. With `--ignored --nocapture`; release builds tell more.
#[tokio::test]
#[ignore = "prints figures"]
async fn how_late_moments_are() {
    for transport in [Transport::Doorbell, Transport::Payload, Transport::Poll] {
        let database = Database::new().await;
        let set = |config: &mut Config| config.database.transport = transport;
        let daemon = Daemon::with(&database, set).await;
        let _other = Daemon::with(&database, set).await;
        let mut client = daemon.client_in(&["room:1"]).await;
        database
            .run(
                "insert into pgbell.schedule (entity, id, what, due_at, events, rooms, new)
                 select 'thing', n, 'comes', due_at, '{thing:came}', '{room:1}',
                        jsonb_build_object('due', extract(epoch from due_at))
                   from generate_series(1, 50) as n, lateral (select now() + n * interval '73 ms') as at (due_at)",
            )
            .await;
        let mut late = Vec::new();
        while late.len() < 50 {
            let message = client.next_of("invalidate").await;
            let now = jiff::Timestamp::now().as_microsecond() as f64 / 1e6;
            let of = |change: &Value| now - change["new"]["due"].as_f64().expect("a time");
            late.extend(
                changes_in(&[message], "room:1")
                    .iter()
                    .map(|change| of(change) * 1e3),
            );
        }
        late.sort_by(f64::total_cmp);
        println!(
            "{transport:?}: median {:.1} ms, most {:.1} ms",
            late[25], late[49]
        );
    }
}
