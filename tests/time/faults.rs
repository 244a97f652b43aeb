use nix::sys::signal::Signal;
use pgbell::config::Config;

use super::{come, moment, never_by_itself};
use crate::support::{
    client::{changes_in, ids_in},
    daemon::Daemon,
    database::Database,
    program::Program,
    soon,
};

#[tokio::test]
async fn each_moment_comes_once_by_one_of_three_daemons() {
    let database = Database::new().await;
    let daemons = [
        Daemon::start(&database).await,
        Daemon::start(&database).await,
        Daemon::start(&database).await,
    ];
    let mut client = daemons[2].client_in(&["room:1"]).await;
    let ids: Vec<String> = (0..30).map(|id| id.to_string()).collect();
    for id in ids.iter().rev() {
        let due: u32 = 200 + 10 * id.parse::<u32>().expect("a number");
        database.run(&moment(id, &format!("{due} ms"))).await;
    }
    let expected: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut told = come(&mut client, &expected).await;
    told.sort_by_key(|id| id.parse::<u32>().expect("a number"));
    assert_eq!(told, expected);
    let logged = "select count(*) from pgbell.change where entity = 'thing'";
    assert_eq!(database.value(logged).await, "30");
    let mut fired = 0;
    for daemon in &daemons {
        fired += daemon.metric("pgbell_scheduled_changes_total").await;
    }
    assert_eq!(fired, 30);
}

#[tokio::test]
async fn one_that_is_held_by_an_open_transaction_keeps_no_other_waiting() {
    let database = Database::new().await;
    database.run(&moment("held", "-1 s")).await;
    let holder = database.session().await;
    holder
        .run("begin; select from pgbell.schedule where id = 'held' for update")
        .await;
    let daemon = Daemon::with(&database, never_by_itself).await;
    let mut client = daemon.client_in(&["room:1"]).await;
    database.run(&moment("free", "200 ms")).await;
    assert_eq!(come(&mut client, &["free"]).await, ["free"]);
    holder.run("rollback").await;
    assert_eq!(come(&mut client, &["held"]).await, ["held"]);
}

#[tokio::test]
async fn odd_rows_hold_up_nobody() {
    let database = Database::new().await;
    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["room:1"]).await;
    database
        .run(
            "insert into pgbell.schedule (entity, id, what, due_at, every, events, rooms)
             select 'odd', row_number() over (), 'comes', due_at::timestamptz, every::interval, null, null
               from (values ('-infinity', null), ('-infinity', '1 day'), ('infinity', '1 day'), (null, '1 s'),
                            ('4713-01-01 BC', '1 s'), ('2020-01-01', '0'), ('2020-01-01', '-1 s'),
                            ('2020-01-01', '178000000 years'), ('2020-01-01', '1 month -30 days')) as odd (due_at, every)",
        )
        .await;
    database.run(&moment("1", "0")).await;
    assert_eq!(come(&mut client, &["1"]).await, ["1"]);
    let left = "select string_agg(id, ' ' order by id) from pgbell.schedule";
    let gone = async { while database.value(left).await != "3 4" {} };
    soon("all that can come to have come", gone).await;
}

#[tokio::test]
async fn thousands_that_are_due_at_one_instant_come_once_each() {
    let database = Database::new().await;
    // So many of one room in one read, or waiting for one client, would otherwise be a resync.
    let listed = |config: &mut Config| {
        config.coalesce.max_entities_per_room = 100_000;
        config.hub.queue_size = bytesize::ByteSize::mib(4);
    };
    let daemon = Daemon::with(&database, listed).await;
    let _other = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["room:1"]).await;
    database
        .run(
            "insert into pgbell.schedule (entity, id, what, due_at, events, rooms)
             select 'thing', n, 'comes', now() + interval '500 ms', '{thing:came}', '{room:1}'
               from generate_series(1, 3000) as n",
        )
        .await;
    let mut told = Vec::new();
    while ids_in(&told, "room:1").len() < 3000 {
        let message = soon("a message", client.next()).await;
        assert_ne!(message["type"], "resync", "{message}");
        if message["type"] == "invalidate" {
            told.push(message);
        }
    }
    let counts = changes_in(&told, "room:1");
    let counts = counts
        .iter()
        .map(|change| change["count"].as_u64().expect("a count"));
    assert_eq!(counts.sum::<u64>(), 3000, "each once");
}

#[tokio::test]
async fn a_daemon_that_is_killed_leaves_each_moment_to_the_others() {
    let database = Database::new().await;
    let mut daemons = Vec::new();
    for _ in 0..2 {
        daemons.push(Program::with(&database, &[]).await);
    }
    let survivor = Daemon::start(&database).await;
    let mut client = survivor.client_in(&["room:1"]).await;
    database
        .run(
            "insert into pgbell.schedule (entity, id, what, due_at, events, rooms)
             select 'thing', n, 'comes', now() + n * interval '2 ms', '{thing:came}', '{room:1}'
               from generate_series(1, 400) as n",
        )
        .await;
    come(&mut client, &["100"]).await;
    daemons[0].signal(Signal::SIGKILL);
    come(&mut client, &["250"]).await;
    daemons[1].signal(Signal::SIGKILL);
    come(&mut client, &["400"]).await;
    let logged =
        "select count(distinct id) || ' ' || count(*) from pgbell.change where entity = 'thing'";
    assert_eq!(database.value(logged).await, "400 400");
}

#[tokio::test]
async fn a_stricter_default_isolation_keeps_no_moment_and_no_rotation_from_coming() {
    let database = Database::new().await;
    let defaults = "do $$ begin
        execute format('alter database %I set default_transaction_isolation = serializable', current_database());
    end $$";
    database.run(defaults).await;
    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["room:1"]).await;
    database.run(&moment("1", "0")).await;
    assert_eq!(come(&mut client, &["1"]).await, ["1"]);
    let rotations = "pgbell_log_rotations_total{reason=\"idle\"}";
    let looked = async { while daemon.number(rotations).await < 1.0 {} };
    soon("a look at the log", looked).await;
}

/// What the database calls now, in place of its real clock, which nothing else can move.
const CLOCK: &str = "
    create table public.clock (step interval not null);
    insert into public.clock values ('0');
    grant select on public.clock to public;
    set allow_system_table_mods = on;
    alter function pg_catalog.clock_timestamp() rename to real_clock_timestamp;
    create function pg_catalog.clock_timestamp() returns timestamptz language sql volatile
        as 'select pg_catalog.real_clock_timestamp() + (select step from public.clock)';
    reset allow_system_table_mods";

#[tokio::test]
async fn a_clock_that_steps_makes_moments_neither_lost_nor_early() {
    let database = Database::new().await;
    database.run(CLOCK).await;
    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["room:1"]).await;
    let session = database.session().await;
    let step = async |by: &str| {
        session
            .run(&format!("update clock set step = step + '{by}'"))
            .await
    };

    session.run(&moment("tomorrow", "1 day")).await;
    step("1 day").await;
    assert_eq!(come(&mut client, &["tomorrow"]).await, ["tomorrow"]);

    session.run(&moment("far again", "3 s")).await;
    step("-1 hour").await;
    session.run(&moment("near", "0")).await;
    assert_eq!(come(&mut client, &["near"]).await, ["near"]);
    step("1 hour").await;
    assert_eq!(come(&mut client, &["far again"]).await, ["far again"]);
}

#[tokio::test]
async fn a_transaction_that_does_not_see_that_a_moment_has_come_may_still_delete_what_it_is_of() {
    let database = Database::with_shop().await;
    let ends_soon = "now() + interval '100 ms'";
    database
        .run(&format!(
            "insert into sales (id, product_id, ends_at) values (7, 1, {ends_soon})"
        ))
        .await;
    for sql in ["delete from sales", "truncate sales"] {
        let writer = database.session().await;
        writer
            .run("begin isolation level repeatable read; select from products")
            .await;
        let fired = async { while database.value("select pgbell.fire_due()").await == "0" {} };
        soon("the moment to be fired", fired).await;
        writer.run(sql).await;
        writer.run("rollback").await;
        let again = format!(
            "insert into pgbell.schedule (entity, id, what, due_at) values ('sale', '7', 'end', {ends_soon})"
        );
        database.run(&again).await;
    }
}
