//! Rules that ask the database: its own policies decide who may join which order.

use std::time::Duration;

use jiff::Timestamp;
use pgbell::access::RoomRule;
use serde_json::json;

use super::{Site, anyone, end, join, sql};
use crate::support::{
    client::{Client, text_of},
    database::Database,
    proxy::{Fault, Proxy},
    server::{Server, url_at},
    soon,
};

/// Orders are for who ordered them, as the database sees it.
pub(super) const POLICY: &str = "
    do $$ begin
        create role pgbell_guest nologin;
    exception when duplicate_object or unique_violation then null; end $$;
    grant select on orders to pgbell_guest;
    alter table orders enable row level security;
    create policy own on orders for select to pgbell_guest
        using (user_id::text = current_setting('request.jwt.claims', true)::jsonb ->> 'sub');
    insert into orders (id, order_number, user_id, seller_id, store_id)
    values (7, 'A-7', 1, 11, 1), (8, 'A-8', 2, 11, 1), (9, 'A-9', 1, 12, 2);";

pub(super) fn orders() -> RoomRule {
    RoomRule {
        recheck_on: vec!["order:updated".into()],
        ..sql(
            "order:{id}",
            "select from orders where id = case when $1 ~ '^[1-9][0-9]{0,17}$' then $1::bigint end",
        )
    }
}

async fn shop(rooms: Vec<RoomRule>, more: &str) -> Site {
    let database = Database::with_shop().await;
    database.run(POLICY).await;
    database.run(more).await;
    Site::with(database, rooms, |config| {
        config.access.sql.timeout = Duration::from_millis(300);
    })
    .await
}

#[tokio::test]
async fn row_level_security_decides_who_may_join_an_order() {
    let site = shop(vec![orders(), anyone("mark:*")], "").await;
    let mut one = site.client("1", json!({})).await;
    let rooms = [
        "order:7",
        "order:8",
        "order:9",
        "order:10",
        "order:",
        "order:7:x",
        "order:07",
    ];
    assert_eq!(
        join(&mut one, &rooms).await,
        [
            "order:7 live",
            "order:8 denied forbidden",
            "order:9 live",
            "order:10 denied forbidden",
            "order: denied forbidden",
            "order:7:x denied forbidden",
            "order:07 denied forbidden",
        ]
    );
    let mut nobody = site.daemon.client().await;
    assert_eq!(
        join(&mut nobody, &["order:7"]).await,
        ["order:7 denied forbidden"]
    );
    let told = one
        .messages_of(&site.database, "update orders set status = 'paid'")
        .await;
    let mut rooms: Vec<_> = told
        .iter()
        .map(|message| text_of(&message["room"]))
        .collect();
    rooms.sort();
    assert_eq!(rooms, ["order:7", "order:9"]);
}

#[tokio::test]
async fn an_order_that_moves_to_another_account_is_told_to_the_old_one_no_longer() {
    let site = shop(vec![orders(), anyone("mark:*")], "").await;
    let mut one = site.client("1", json!({})).await;
    let mut two = site.client("2", json!({})).await;
    join(&mut one, &["order:7", "order:9"]).await;
    assert_eq!(
        join(&mut two, &["order:7"]).await,
        ["order:7 denied forbidden"]
    );
    site.database
        .run("update orders set user_id = 2 where id = 7")
        .await;
    let revoked = one.next_of("revoked").await;
    assert_eq!(
        (&revoked["room"], &revoked["code"]),
        (&json!("order:7"), &json!("forbidden"))
    );
    assert_eq!(join(&mut two, &["order:7"]).await, ["order:7 live"]);
    one.messages(&site.database).await;
    two.messages(&site.database).await;
    let paid = "update orders set status = 'paid' where id in (7, 9)";
    let told = one.messages_of(&site.database, paid).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["room"], "order:9");
    let told = two.messages(&site.database).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        join(&mut one, &["order:7"]).await,
        ["order:7 denied forbidden"]
    );
}

#[tokio::test]
async fn a_bulk_write_of_which_no_event_is_told_makes_rooms_be_asked_about_again() {
    let site = shop(vec![orders(), anyone("mark:*")], "").await;
    let mut one = site.client("1", json!({})).await;
    join(&mut one, &["order:7", "order:9"]).await;
    let bulk = "set pgbell.bulk_limit = 0; update orders set user_id = 2 where id = 7; reset pgbell.bulk_limit";
    site.database.run(bulk).await;
    assert_eq!(one.next_of("revoked").await["room"], "order:7");
}

#[tokio::test]
async fn what_no_event_tells_is_said_by_recheck() {
    let team = sql(
        "team:{id}",
        "select from member where team = $1 and name = current_setting('request.jwt.claims')::jsonb ->> 'sub'",
    );
    let tables =
        "create table member (team text, name text); grant select on member to pgbell_guest;
                  insert into member values ('a', 'anna'), ('b', 'anna')";
    let site = shop(vec![team, anyone("mark:*")], tables).await;
    let mut anna = site.client("anna", json!({})).await;
    assert_eq!(
        join(&mut anna, &["team:a", "team:b"]).await,
        ["team:a live", "team:b live"]
    );
    site.database
        .run("delete from member where team = 'a'; select pgbell.recheck('team:a')")
        .await;
    assert_eq!(anna.next_of("revoked").await["room"], "team:a");
    let writes = [super::write("team:a", "1"), super::write("team:b", "1")].join(";");
    let told = anna.messages_of(&site.database, &writes).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["room"], "team:b");
}

#[tokio::test]
async fn an_answer_is_remembered_for_the_same_claims_and_no_others() {
    let site = shop(vec![orders()], "").await;
    let answers = "pgbell_access_questions_total{reason=\"remembered\"}";
    let token = site.token("1", json!({}));
    for expected in [0.0, 1.0] {
        let mut client = site.daemon.client().await;
        super::tell(&mut client, &token).await;
        assert_eq!(join(&mut client, &["order:7"]).await, ["order:7 live"]);
        assert_eq!(site.daemon.number(answers).await, expected);
    }
    let mut other = site.client("1", json!({"jti": "another"})).await;
    join(&mut other, &["order:7"]).await;
    assert_eq!(site.daemon.number(answers).await, 1.0);
}

#[tokio::test]
async fn a_predicate_that_says_false_says_no() {
    let predicate = "create function may_see(id text) returns boolean language sql stable
                     as 'select case id when ''1'' then true when ''2'' then false end'";
    let rules = vec![
        sql("thing:{id}", "select may_see($1)"),
        sql("comment:{id}", "select 1 where $1 = '1' -- a comment;"),
        sql("end:{id}", "select 1 where $1 = '1' ; "),
    ];
    let site = shop(rules, predicate).await;
    let mut anna = site.client("anna", json!({})).await;
    assert_eq!(
        join(
            &mut anna,
            &[
                "thing:1",
                "thing:2",
                "thing:3",
                "comment:1",
                "comment:2",
                "end:1",
                "end:2"
            ]
        )
        .await,
        [
            "thing:1 live",
            "thing:2 denied forbidden",
            "thing:3 denied forbidden",
            "comment:1 live",
            "comment:2 denied forbidden",
            "end:1 live",
            "end:2 denied forbidden",
        ]
    );
}

#[tokio::test]
async fn errors_and_slowness_let_nobody_in_and_are_not_remembered() {
    let gate = "create table gate (does text); insert into gate values ('fail');
                grant select on gate to pgbell_guest";
    let query = "select from gate where case does when 'fail' then 1 / (length(does) - 4) = 0
                                                  when 'sleep' then pg_sleep(3) is not null
                                                  else true end and $1 <> ''";
    let site = shop(vec![sql("gate:{id}", query), anyone("product:*")], gate).await;
    let mut anna = site.client("anna", json!({})).await;
    for does in ["fail", "sleep"] {
        site.database
            .run(&format!("update gate set does = '{does}'"))
            .await;
        assert_eq!(
            join(&mut anna, &["gate:1", "product:1"]).await,
            ["gate:1 denied not_ready", "product:1 live"],
            "{does}"
        );
    }
    let told = anna.subscribe(&["gate:1", "product:1"]).await;
    let wait = |place: usize| told["rooms"][place]["retry_after_ms"].as_u64();
    assert!(wait(0).is_some_and(|wait| wait >= 1_000) && wait(1).is_none());
    site.database.run("update gate set does = 'open'").await;
    assert_eq!(join(&mut anna, &["gate:1"]).await, ["gate:1 live"]);
}

#[tokio::test]
async fn a_token_ends_although_the_database_is_being_asked() {
    let database = Database::with_shop().await;
    database.run(POLICY).await;
    let slow = sql("slow:{id}", "select from pg_sleep(4) where $1 <> ''");
    let site = Site::with(database, vec![slow], |config| {
        config.access.sql.timeout = Duration::from_secs(5);
    })
    .await;
    let soon = Timestamp::now().as_second() + 2;
    let mut anna = site.client("anna", json!({"exp": soon})).await;
    anna.say(json!({"type": "subscribe", "id": 1, "rooms": ["slow:1"]}))
        .await;
    let (closed, told) = end(&mut anna).await;
    assert_eq!(closed, 4200);
    assert!(
        told.iter().all(|message| message["type"] != "subscribed"),
        "it was let in after its end: {told:?}"
    );
}

#[tokio::test]
async fn a_query_can_do_nothing_but_read_as_its_role() {
    let more = "create table secrets (word text); insert into secrets values ('x');
                create function sneak() returns boolean language plpgsql
                as 'begin insert into secrets values (current_user); return true; end';
                create function who() returns text language sql stable as 'select current_user::text'";
    let rules = vec![
        sql("secret:{id}", "select from secrets where $1 <> ''"),
        sql("sneak:{id}", "select sneak() where $1 <> ''"),
        sql("role:{id}", "select 1 where who() = $1"),
    ];
    let site = shop(rules, more).await;
    let mut anna = site.client("anna", json!({})).await;
    assert_eq!(
        join(
            &mut anna,
            &["secret:1", "sneak:1", "role:pgbell_guest", "role:postgres"]
        )
        .await,
        [
            "secret:1 denied not_ready",
            "sneak:1 denied not_ready",
            "role:pgbell_guest live",
            "role:postgres denied forbidden",
        ]
    );
    assert_eq!(
        site.database.value("select count(*) from secrets").await,
        "1"
    );
}

#[tokio::test]
async fn a_session_goes_on_being_told_while_the_database_is_asked() {
    let slow = sql("slow:{id}", "select from pg_sleep(0.2) where $1 <> ''");
    let site = shop(vec![slow, anyone("mark:*"), anyone("product:*")], "").await;
    let mut anna = site.client("anna", json!({})).await;
    join(&mut anna, &["product:1"]).await;
    let rooms: Vec<_> = (0..8).map(|number| format!("slow:{number}")).collect();
    anna.say(json!({"type": "subscribe", "id": 2, "rooms": rooms}))
        .await;
    let asked = async {
        while site
            .daemon
            .number("pgbell_access_questions_total{reason=\"allowed\"}")
            .await
            < 1.0
        {}
    };
    soon("the first answer", asked).await;
    site.database.run(&super::write("product:1", "1")).await;
    assert_eq!(anna.next().await["type"], "invalidate", "before the answer");
    assert_eq!(anna.next_of("subscribed").await["id"], 2);
}

#[tokio::test]
async fn too_many_questions_at_a_time_are_for_later() {
    let database = Database::with_shop().await;
    database.run(POLICY).await;
    let slow = sql("slow:{id}", "select from pg_sleep(0.2) where $1 <> ''");
    let site = Site::with(database, vec![slow], |config| {
        config.access.sql.connections = 1;
        config.access.sql.waiting = 1;
    })
    .await;
    let mut anna = site.client("anna", json!({})).await;
    let answers = join(&mut anna, &["slow:1", "slow:2", "slow:3", "slow:4"]).await;
    assert_eq!(
        answers,
        [
            "slow:1 live",
            "slow:2 live",
            "slow:3 denied rate_limited",
            "slow:4 denied rate_limited"
        ]
    );
    assert_eq!(join(&mut anna, &["slow:3"]).await, ["slow:3 live"]);
}

#[tokio::test]
async fn without_the_database_nobody_is_let_in_by_it_until_it_is_back() {
    let server = Server::start().await;
    let database = server.database().await;
    database.run("create role pgbell_guest nologin").await;
    let proxy = Proxy::start(server.addr()).await;
    let through = url_at(proxy.addr());
    let site = Site::with(
        database,
        vec![sql("a:{id}", "select where $1 = '1'"), anyone("b:*")],
        |config| {
            config.database.url = pgbell::secret::Secret::new(through);
            config.database.connect_timeout = Duration::from_millis(500);
        },
    )
    .await;
    let mut anna = site.client("anna", json!({})).await;
    assert_eq!(join(&mut anna, &["a:1"]).await, ["a:1 live"]);
    proxy.set(Fault::Refuse);
    proxy.cut();
    anna.next_of("stale").await;
    let mut other = anna;
    assert_eq!(
        join(&mut other, &["a:2", "b:1"]).await,
        ["a:2 denied not_ready", "b:1 live"]
    );
    proxy.heal();
    other.next_of("fresh").await;
    let back = async { while join(&mut other, &["a:2"]).await != ["a:2 denied forbidden"] {} };
    soon("an answer", back).await;
}

#[tokio::test]
async fn a_member_about_whom_nobody_can_tell_any_more_is_not_told_any_more() {
    let gate = "create table gate (does text); insert into gate values ('open');
                grant select on gate to pgbell_guest";
    let query = "select from gate where case does when 'fail' then 1 / (length(does) - 4) = 0 else true end and $1 <> ''";
    let site = shop(vec![sql("gate:{id}", query), anyone("mark:*")], gate).await;
    let mut anna: Client = site.client("anna", json!({})).await;
    join(&mut anna, &["gate:1"]).await;
    site.database
        .run("update gate set does = 'fail'; select pgbell.recheck('gate:1')")
        .await;
    let revoked = anna.next_of("revoked").await;
    assert_eq!(
        (&revoked["room"], &revoked["code"]),
        (&json!("gate:1"), &json!("not_ready"))
    );
    let told = anna
        .messages_of(&site.database, &super::write("gate:1", "1"))
        .await;
    assert!(told.is_empty(), "{told:?}");
}
