//! Who sees what is for the operator.

use crate::support::{
    daemon::{Daemon, get},
    database::Database,
    soon,
};

const TOKEN: &str = "correct-horse-battery-staple";
const OPERATORS: [&str; 5] = ["/health", "/metrics", "/demo.json", "/", "/console.js"];
const EVERYBODYS: [&str; 4] = ["/livez", "/readyz", "/client.js", "/asyncapi.json"];

async fn status(daemon: &Daemon, path: &str, headers: &str) -> String {
    let answer = daemon.ask("GET", path, headers).await;
    answer.split(' ').nth(1).expect("a status").to_owned()
}

#[tokio::test]
async fn a_daemon_that_is_not_open_shows_it_to_programs_on_its_machine_alone() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| config.access.open = false).await;
    let through_a_proxy = "X-Forwarded-For: 203.0.113.7\r\n";
    for path in OPERATORS {
        assert!(status(&daemon, path, "").await.starts_with("20"), "{path}");
        assert_eq!(
            status(&daemon, path, through_a_proxy).await,
            "403",
            "{path}"
        );
    }
    for path in EVERYBODYS {
        assert_eq!(
            status(&daemon, path, through_a_proxy).await,
            "200",
            "{path}"
        );
    }
    let answer = daemon.ask("GET", "/metrics", through_a_proxy).await;
    for key in ["gateway.admin.token", "gateway.admin.listen"] {
        assert!(answer.contains(key), "{answer}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_database_is_told_to_the_operator_and_to_others_that_something_is() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| config.access.open = false).await;
    database
        .run("alter table products disable trigger pgbell_products_update")
        .await;
    let through_a_proxy = "X-Forwarded-For: 203.0.113.7\r\n";
    let noticed = async { while !daemon.ask("GET", "/readyz", "").await.contains("drift:") {} };
    soon("a finding about a trigger", noticed).await;
    let others = daemon.ask("GET", "/readyz", through_a_proxy).await;
    assert!(others.ends_with("\r\n\r\nok\n"), "{others}");
    database.run("drop schema pgbell cascade").await;
    let lost = async { while !daemon.ask("GET", "/readyz", "").await.contains(" 503 ") {} };
    soon("the end of the log", lost).await;
    let (told, others) = (
        daemon.ask("GET", "/readyz", "").await,
        daemon.ask("GET", "/readyz", through_a_proxy).await,
    );
    assert!(told.contains("install"), "{told}");
    assert!(
        others.contains("the operator sees why") && !others.contains("install"),
        "{others}"
    );
}

#[tokio::test]
async fn with_a_token_only_who_sends_it_sees_more_than_the_page_that_asks_for_it() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.gateway.admin.token = pgbell::secret::Secret::new(TOKEN);
    })
    .await;
    let (right, wrong) = (
        format!("Authorization: Bearer {TOKEN}\r\n"),
        format!("Authorization: Bearer {TOKEN}x\r\n"),
    );
    for path in ["/health", "/metrics", "/demo.json"] {
        assert_eq!(status(&daemon, path, "").await, "401", "{path}");
        assert_eq!(status(&daemon, path, &wrong).await, "401", "{path}");
        assert!(
            status(&daemon, path, &right).await.starts_with("20"),
            "{path}"
        );
    }
    for path in EVERYBODYS.into_iter().chain(["/", "/console.js"]) {
        assert_eq!(status(&daemon, path, "").await, "200", "{path}");
    }
    let refused = daemon.ask("GET", "/metrics", "").await;
    assert!(refused.contains("www-authenticate: Bearer"), "{refused}");
    assert!(!refused.contains(TOKEN));
}

#[tokio::test]
async fn who_guesses_the_token_is_not_listened_to_for_a_while_and_others_are() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.gateway.admin.token = pgbell::secret::Secret::new(TOKEN);
        config.gateway.trusted_proxies = vec!["127.0.0.1".into()];
    })
    .await;
    let ask = async |from: &str, token: &str| {
        let headers = format!("X-Forwarded-For: {from}\r\nAuthorization: Bearer {token}\r\n");
        daemon.ask("GET", "/metrics", &headers).await
    };
    let shut = async {
        loop {
            while !ask("203.0.113.7", "guess")
                .await
                .starts_with("HTTP/1.1 429")
            {}
            // Unless it is over just now, which is tried again.
            let right = ask("203.0.113.7", TOKEN).await;
            if right.starts_with("HTTP/1.1 429") {
                return right;
            }
        }
    };
    let right = soon("an end of guessing, also by the right one", shut).await;
    assert!(right.contains("retry-after: "), "{right}");
    let from_there = "X-Forwarded-For: 203.0.113.7\r\n";
    assert_eq!(status(&daemon, "/livez", from_there).await, "200");
    let metrics = ask("203.0.113.8", TOKEN).await;
    let counted = r#"pgbell_refused_requests_total{reason="too_many_guesses"} "#;
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn a_listener_of_its_own_takes_the_operators_paths_along() {
    let database = Database::with_shop().await;
    let daemon = Daemon::with(&database, |config| {
        config.gateway.admin.listen = Some(([127, 0, 0, 1], 0).into());
    })
    .await;
    let operator = daemon.operator.expect("a second address");
    for path in OPERATORS {
        assert_eq!(daemon.get(path).await.0, 404, "{path}");
        assert!([200, 204].contains(&get(operator, path).await.0), "{path}");
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!(
            (daemon.get(path).await.0, get(operator, path).await.0),
            (200, 200)
        );
    }
    assert_eq!(get(operator, "/ws").await.0, 426, "the console is a client");
    for path in ["/events", "/client.js"] {
        assert_eq!(get(operator, path).await.0, 404, "{path}");
    }
    daemon.client_in(&["product:1"]).await;
    daemon.stop().await.expect("stopped");
}
