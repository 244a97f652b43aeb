//! Revocations that a daemon was not there to hear of.

use jiff::Timestamp;
use pgbell::{access::RoomRule, capture::Transport, config::Config};
use serde_json::{Value, json};

use super::{Site, anyone, end, join, protect, rule, tell, write};
use crate::support::{
    client::Client,
    daemon::Daemon,
    database::Database,
    proxy::{Fault, Proxy},
    server::{Server, url_at},
    soon,
};

const REVOKE: &str = "select pgbell.revoke('anna')";

fn rules() -> Vec<RoomRule> {
    vec![anyone("public:*"), anyone("mark:*"), rule("user:{sub}")]
}

/// How two ways of showing a token are answered: the code of a close or of an error, or `accepted`.
async fn shown(daemon: &Daemon, token: &str) -> [Value; 2] {
    let headers = [("authorization", format!("Bearer {token}"))];
    let mut by_header = Client::open_with(daemon.addr, &headers).await;
    let first = by_header.next().await;
    let by_header = match first["type"] == "welcome" {
        true => json!("accepted"),
        false => first["closed"].clone(),
    };
    let answer = tell(&mut daemon.client().await, token).await;
    let by_message = match answer["type"] == "authenticated" {
        true => json!("accepted"),
        false => answer["code"].clone(),
    };
    [by_header, by_message]
}

async fn assert_heeded(site: &Site, old: &str, daemon: &Daemon) {
    assert_eq!(
        shown(daemon, old).await,
        [json!(4000), json!("unauthorized")]
    );
    let later = json!({"iat": Timestamp::now().as_second() + 5});
    let accepted = [json!("accepted"), json!("accepted")];
    assert_eq!(
        shown(daemon, &site.token("anna", later)).await,
        accepted,
        "a newer one"
    );
    let ben = site.token("ben", json!({"iat": 1}));
    assert_eq!(shown(daemon, &ben).await, accepted, "somebody else");
}

#[tokio::test]
async fn a_daemon_that_starts_knows_who_was_revoked_before() {
    let mut site = Site::new(rules()).await;
    let old = site.token("anna", json!({}));
    site.database.run(REVOKE).await;
    let again = Daemon::with(&site.database, |config| protect(config, rules())).await;
    assert_heeded(&site, &old, &again).await;
    std::mem::replace(&mut site.daemon, again)
        .stop()
        .await
        .expect("stopped");
    // It goes on hearing of others.
    let token = site.token("ben", json!({}));
    let mut ben = site.client("ben", json!({})).await;
    site.database.run("select pgbell.revoke('ben')").await;
    assert_eq!(soon("the end", end(&mut ben)).await.0, 4005);
    assert_eq!(shown(&site.daemon, &token).await[1], "unauthorized");
}

#[tokio::test]
async fn what_is_revoked_while_no_daemon_runs_is_known_to_the_next() {
    for transport in [Transport::Doorbell, Transport::Payload, Transport::Poll] {
        let set = |config: &mut Config| config.database.transport = transport;
        let mut site = Site::with(Database::with_shop().await, rules(), set).await;
        let old = site.token("anna", json!({}));
        let away = Daemon::unready("postgres://nobody@127.0.0.1:1/nothing", |_| {});
        let stopped = std::mem::replace(&mut site.daemon, away).stop().await;
        stopped.expect("stopped");
        site.database.run(REVOKE).await;
        let daemon = Daemon::with(&site.database, |config| {
            protect(config, rules());
            set(config);
        })
        .await;
        assert_heeded(&site, &old, &daemon).await;
    }
}

#[tokio::test]
async fn what_is_older_than_revoke_for_counts_no_longer() {
    let site = Site::new(rules()).await;
    let ageless = site.token("anna", json!({"iat": null}));
    let long_ago = "insert into pgbell.revocation values ('anna', now() - interval '2 hours')";
    site.database.run(long_ago).await;
    for (hours, answer) in [(1, "accepted"), (3, "unauthorized")] {
        let daemon = Daemon::with(&site.database, |config| {
            protect(config, rules());
            config.access.revoke_for = std::time::Duration::from_secs(hours * 3600);
        })
        .await;
        assert_eq!(shown(&daemon, &ageless).await[1], answer, "{hours} h");
    }
}

/// A daemon that is cut off while `missed` happens, after which something is told to `public:1`.
async fn cut_off(transport: Transport, missed: &[&str]) {
    let server = Server::start().await;
    let proxy = Proxy::start(server.addr()).await;
    let mut all = Config::default();
    let daemon = Daemon::unready(&url_at(proxy.addr()), |config| {
        protect(config, rules());
        config.database.transport = transport;
        all = config.clone();
    });
    daemon.ready().await;
    let database = server.database().await;
    let site = Site {
        database,
        daemon,
        config: all,
    };
    let mut anna = site.client("anna", json!({})).await;
    let mut ben = site.client("ben", json!({})).await;
    for client in [&mut anna, &mut ben] {
        join(client, &["public:1"]).await;
    }
    proxy.set(Fault::Refuse);
    proxy.cut();
    ben.next_of("stale").await;
    let old = site.token("anna", json!({}));
    for sql in missed {
        site.database.run(sql).await;
    }
    site.database.run(&write("public:1", "7")).await;
    proxy.heal();
    ben.next_of("resync").await;
    let (closed, told) = soon("the end", end(&mut anna)).await;
    let what = format!("{transport:?} {missed:?}: {told:?}");
    assert_eq!(closed, 4005, "{what}");
    assert!(told.iter().all(|told| told["type"] == "stale"), "{what}");
    assert_heeded(&site, &old, &site.daemon).await;
}

const TRUNCATE: &str = "truncate pgbell.change; update pgbell.install set horizon = \
                        pg_snapshot_xmax(pg_current_snapshot())::text::xid8";
const OTHER_HISTORY: &str = "update pgbell.install set id = gen_random_uuid()";

#[tokio::test]
async fn what_is_revoked_in_a_part_of_the_log_that_is_gone_is_heeded_before_anything_is_told() {
    cut_off(Transport::Doorbell, &[REVOKE, TRUNCATE]).await;
}

#[tokio::test]
async fn what_is_revoked_in_another_history_is_heeded_before_anything_is_told() {
    cut_off(Transport::Poll, &[REVOKE, OTHER_HISTORY]).await;
}

#[tokio::test]
async fn what_is_revoked_in_a_notification_that_nobody_heard_is_heeded_before_anything_is_told() {
    cut_off(Transport::Payload, &[REVOKE]).await;
}

#[tokio::test]
async fn what_is_revoked_among_more_than_is_told_one_by_one_is_heeded() {
    let cases = [
        // Many of them in one transaction, which is more than clients are told one by one.
        "select pgbell.revoke('user ' || number) from generate_series(1, 50) as number; \
         select pgbell.revoke('anna')",
        // More than one read takes.
        "insert into pgbell.change (entity, id, rooms) select 'thing', n, '{public:1}' \
           from generate_series(1, 300) as n; select pgbell.revoke('anna')",
        // Something in which a revocation can no longer be made out.
        "insert into pgbell.revocation values ('anna', clock_timestamp()); \
         insert into pgbell.change (entity, rooms) values (null, '{pgbell:access}')",
        "insert into pgbell.revocation values ('anna', clock_timestamp()); \
         insert into pgbell.change (entity, id, rooms) values ('thing', '*', '{*}')",
    ];
    for revoke in cases {
        let set = |config: &mut Config| {
            config.coalesce.max_entities_per_room = 10;
            config.database.read_limit = 100;
        };
        let site = Site::with(Database::with_shop().await, rules(), set).await;
        let mut anna = site.client("anna", json!({})).await;
        let old = site.token("anna", json!({}));
        join(&mut anna, &["public:1"]).await;
        site.database.run(&format!("begin; {revoke}; commit")).await;
        let (closed, told) = soon("the end", end(&mut anna)).await;
        assert_eq!(closed, 4005, "{revoke}");
        assert!(told.is_empty(), "{revoke}: {told:?}");
        assert_eq!(shown(&site.daemon, &old).await[1], "unauthorized");
    }
}

#[tokio::test]
async fn no_token_is_accepted_while_nobody_knows_who_was_revoked() {
    let site = Site::new(rules()).await;
    let token = site.token("anna", json!({}));
    let server = Server::start().await;
    let database = server.database().await;
    let install = "drop function pgbell.forget_revocations; drop table pgbell.revocation; \
                   delete from pgbell.migration where version = 8";
    database.run(install).await;
    let daemon = Daemon::unready(&server.url, |config| protect(config, rules()));
    daemon
        .complains("of an older version: run `pgbell install`")
        .await;
    assert!(daemon.losses("outdated").await >= 1.0);
    let headers = [("authorization", format!("Bearer {token}"))];
    let mut client = Client::open_with(daemon.addr, &headers).await;
    assert_eq!(soon("the end", end(&mut client)).await.0, 4100);
    daemon
        .counted("pgbell_authentications_total{reason=\"not_ready\"} 1")
        .await;
    pgbell::install::install(&server.url)
        .await
        .expect("brought up to date");
    daemon.ready().await;
    assert_eq!(shown(&daemon, &token).await[1], "accepted");
}

#[tokio::test]
async fn a_daemon_that_may_not_read_who_was_revoked_says_so_and_serves_nobody() {
    let server = Server::start().await;
    let database = server.database().await;
    database
        .run(
            "create role watchman login; grant pgbell_daemon to watchman;
             revoke select on pgbell.revocation from pgbell_daemon",
        )
        .await;
    let url = server.url.replace("postgres@", "watchman@");
    let daemon = Daemon::unready(&url, |config| protect(config, rules()));
    let why = daemon.complains("cannot read who was revoked").await;
    assert!(why.contains("permission denied"), "{why}");
    database
        .run("grant select on pgbell.revocation to pgbell_daemon")
        .await;
    daemon.ready().await;
}

#[tokio::test]
async fn revoking_waits_for_nobody_in_whatever_order_and_neither_does_forgetting() {
    let database = Database::with_shop().await;
    let (one, other) = (database.session().await, database.session().await);
    for session in [&one, &other] {
        session
            .run("begin isolation level repeatable read; set local lock_timeout = '1ms'")
            .await;
    }
    one.run("select pgbell.revoke('anna')").await;
    other.run("select pgbell.revoke('ben')").await;
    one.run("select pgbell.revoke('ben')").await;
    other.run("select pgbell.revoke('anna')").await;
    database.run("select pgbell.forget_revocations(10)").await;
    other.run("commit").await;
    one.run("commit").await;
    let count = "select count(*) from pgbell.revocation";
    assert_eq!(database.value(count).await, "4");
}

#[tokio::test]
async fn what_counts_no_longer_is_taken_away_and_nothing_else() {
    let database = Database::with_shop().await;
    database
        .run(
            "insert into pgbell.revocation
             select 'user ' || n % 3000, now() - n * interval '1 minute' from generate_series(0, 8999) as n
             union all select 'old ' || n, now() - interval '32 days' from generate_series(1, 3000) as n",
        )
        .await;
    let _daemon = Daemon::start(&database).await;
    let left = "select concat_ws(' ', count(*), count(distinct subject), min(subject) ~ '^user',
                       min(at) > now() - interval '51 hours') from pgbell.revocation";
    let forgotten = async { while database.value(left).await != "3000 3000 t t" {} };
    soon("a small table", forgotten).await;
}
