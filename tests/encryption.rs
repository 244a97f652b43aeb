//! The way to the database, by both libraries: encryption, whom it believes, and logins.

use std::{net::SocketAddr, time::Duration};

use pgbell::{
    database::{self, Address},
    install,
};
use tokio_postgres::SimpleQueryMessage;

use crate::support::{
    certificates::{Authority, Files, Identity, PASSWORD, allow},
    command::command,
    daemon::Daemon,
    database::Database,
    program::Program,
    proxy::{Fault, Proxy, Way},
    relay::Relay,
    server::{Server, change},
    soon,
};

/// How a connection came about: `clear`, `encrypted`, or why not.
type Outcome = String;

/// As the daemon connects, to the first place of the URL.
async fn by_the_daemon(url: &str) -> Outcome {
    let connecting = async {
        let address = Address::parse(url)?;
        let host = &address.hosts()[0];
        let places = host.places(Duration::from_secs(5)).await?;
        let (client, connection) = database::connect(&address, &places[0], "test").await?;
        tokio::spawn(connection);
        let ssl = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
        let rows = client.simple_query(ssl).await;
        let rows = rows.map_err(database::Error::Login)?;
        let encrypted = rows.iter().any(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0) == Some("t"),
            _ => false,
        });
        Ok::<_, database::Error>(encrypted)
    };
    match soon(url, connecting).await {
        Ok(true) => "encrypted".into(),
        Ok(false) => "clear".into(),
        Err(error) => causes(&error),
    }
}

/// As the tools connect.
async fn by_the_tools(url: &str) -> Outcome {
    match soon(url, install::connect(url)).await {
        Ok(mut connection) => {
            let ssl = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
            let encrypted = sqlx::query_scalar(ssl).fetch_one(&mut connection).await;
            match encrypted.expect("an answer") {
                true => "encrypted".into(),
                false => "clear".into(),
            }
        }
        Err(error) => causes(&error),
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    assert!(!text.contains(PASSWORD), "{text}");
    text
}

/// Both ways lead to the same end, which has these words in it.
async fn both(url: &str, words: &str) {
    for (who, outcome) in [
        ("the daemon", by_the_daemon(url).await),
        ("the tools", by_the_tools(url).await),
    ] {
        assert!(
            outcome.contains(words),
            "{who}: {url}: {outcome}, not {words}"
        );
    }
}

/// A URL for a role, by an address or a name that needs no lookup.
fn url(server: &Server, login: &str, host: &str, query: &str) -> String {
    let port = server.addr().port();
    let login = match login {
        "postgres" | "certified" => login.to_owned(),
        role => format!("{role}:{PASSWORD}"),
    };
    format!("postgres://{login}@{host}:{port}/shop?hostaddr=127.0.0.1&{query}")
}

const NAMES: [&str; 3] = ["db.internal", "*.cluster.internal", "127.0.0.1"];

#[tokio::test]
async fn both_libraries_encrypt_and_believe_as_the_url_says() {
    let server = Server::with_roles().await;
    let (ours, others, files) = (
        Authority::new("ours"),
        Authority::new("others"),
        Files::new(),
    );
    let trusted = format!(
        "sslrootcert={}",
        files.write("ours.crt", &ours.pem).display()
    );
    let wrong = format!(
        "sslrootcert={}",
        files.write("others.crt", &others.pem).display()
    );
    let case = async |host: &str, query: &str, words: &str| {
        both(&url(&server, "postgres", host, query), words).await;
    };
    for (query, outcome) in [
        ("", "clear"),
        ("sslmode=disable", "clear"),
        ("sslmode=prefer", "clear"),
        ("sslmode=require", "takes no encrypted connections"),
        ("channel_binding=require", "takes no encrypted connections"),
    ] {
        case("db.internal", query, outcome).await;
    }
    let verified = format!("sslmode=verify-full&{trusted}");
    case("db.internal", &verified, "set ssl = on there").await;

    server.identify(&ours.server(&NAMES), &ours).await;
    for (host, query, outcome) in [
        ("db.internal", "", "encrypted"),
        ("db.internal", "sslmode=disable", "clear"),
        ("db.internal", "sslmode=prefer", "encrypted"),
        ("elsewhere", "sslmode=require", "encrypted"),
        (
            "elsewhere",
            &format!("sslmode=require&{trusted}"),
            "encrypted",
        ),
        (
            "elsewhere",
            &format!("sslmode=require&{wrong}"),
            "nobody in sslrootcert /",
        ),
        (
            "elsewhere",
            &format!("sslmode=verify-ca&{trusted}"),
            "encrypted",
        ),
        (
            "db.internal",
            &format!("sslmode=verify-ca&{wrong}"),
            "others.crt has signed",
        ),
        ("db.internal", &verified, "encrypted"),
        ("a.cluster.internal", &verified, "encrypted"),
        ("127.0.0.1", &verified, "encrypted"),
        (
            "elsewhere",
            &verified,
            "is for db.internal, *.cluster.internal, 127.0.0.1, not for elsewhere",
        ),
        ("127.0.0.2", &verified, "not for 127.0.0.2"),
        (
            "db.internal",
            &format!("sslmode=verify-full&{wrong}"),
            "nobody in sslrootcert",
        ),
        (
            "db.internal",
            "sslmode=verify-full&sslrootcert=system",
            "nobody whom this system believes",
        ),
        ("db.internal", "sslmode=verify-full", "sslrootcert=system"),
        (
            "db.internal",
            "sslmode=verify-full&sslrootcert=/nowhere",
            "cannot read sslrootcert /nowhere: No such file",
        ),
    ] {
        case(host, query, outcome).await;
    }
    let nobody = url(&server, "postgres", "x", &verified).replace("@x:", "@:");
    both(&nobody, "needs the name of a host").await;

    server.identify(&ours.expired(&NAMES), &ours).await;
    case(
        "db.internal",
        &verified,
        "was valid until 2021-02-03T00:00:00Z: renew it",
    )
    .await;
    case("db.internal", "sslmode=require", "encrypted").await;
}

#[tokio::test]
async fn a_certificate_that_signed_itself_is_believed_when_it_is_named() {
    let server = Server::with_roles().await;
    let (clients, files) = (Authority::new("clients"), Files::new());
    let own = Identity::self_signed(&NAMES, false);
    let other = Identity::self_signed(&NAMES, false);
    let old = Identity::self_signed(&NAMES, true);
    let case = async |host: &str, named: &Identity, words: &str| {
        let path = files.write("root.crt", &named.certificate);
        let query = format!("sslmode=verify-full&sslrootcert={}", path.display());
        both(&url(&server, "postgres", host, &query), words).await;
    };
    server.identify(&own, &clients).await;
    case("db.internal", &own, "encrypted").await;
    case("elsewhere", &own, "not for elsewhere").await;
    case("db.internal", &other, "the certificate of the database").await;
    server.identify(&old, &clients).await;
    case("db.internal", &old, "was valid until 2021-02-03").await;
}

#[tokio::test]
async fn clients_show_a_certificate_and_keep_its_key_to_themselves() {
    let server = Server::with_roles().await;
    let (ours, others, files) = (
        Authority::new("ours"),
        Authority::new("others"),
        Files::new(),
    );
    server.identify(&ours.server(&NAMES), &ours).await;
    let case = async |query: &str, words: &str| {
        let query = format!("sslmode=require&{query}");
        both(&url(&server, "certified", "db.internal", &query), words).await;
    };
    let own = ours.client("certified");
    let named = files.identity("own", &own);
    case(&named, "encrypted").await;
    case("", "connection requires a valid client certificate").await;
    case(
        &files.identity("neighbour", &ours.client("worded")),
        "certificate authentication failed",
    )
    .await;
    case(
        &files.identity("stranger", &others.client("certified")),
        "refused the encrypted connection",
    )
    .await;

    let key = files.write("own.key", &own.key);
    for (mode, word) in [
        (0o644, "chmod 600"),
        (0o640, "0640"),
        (0o660, "0660"),
        (0o604, "0604"),
    ] {
        // What belongs to root may be shared with a group.
        let may_share = mode == 0o640 && nix::unistd::geteuid().is_root();
        allow(&key, mode);
        case(&named, if may_share { "encrypted" } else { word }).await;
    }
    allow(&key, 0o400);
    case(&named, "encrypted").await;
    for (name, text, word) in [
        ("own.key", "no key", "holds no key in PEM format"),
        (
            "own.key",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "is encrypted",
        ),
        (
            "own.key",
            &ours.client("certified").key,
            "cannot be used together",
        ),
        (
            "own.crt",
            "no certificate",
            "holds no certificate in PEM format",
        ),
    ] {
        std::fs::remove_file(&key).expect("removed");
        files.identity("own", &own);
        files.write(name, text);
        case(&named, word).await;
    }
    case("sslcert=/c", "sslcert without sslkey").await;
}

#[tokio::test]
async fn logins_of_every_kind_are_the_same_for_both_and_bound_to_the_channel_if_required() {
    let server = Server::with_roles().await;
    let (ours, files) = (Authority::new("ours"), Files::new());
    let case = async |role: &str, query: &str, words: &str| {
        both(&url(&server, role, "db.internal", query), words).await;
    };
    for role in ["worded", "plain", "digested"] {
        case(role, "sslmode=disable", "clear").await;
        case(
            role,
            "sslmode=disable&password=other",
            "password authentication failed",
        )
        .await;
    }
    case(
        "worded",
        "sslmode=disable&channel_binding=require",
        "takes no encrypted connections",
    )
    .await;

    // Each of these makes servers hash their certificate in another way.
    for identity in [ours.server(&NAMES), Identity::self_signed(&NAMES, false)] {
        server.identify(&identity, &ours).await;
        let unbound = "server did not use channel binding";
        for (role, query, outcome) in [
            ("worded", "channel_binding=require", "encrypted"),
            ("worded", "channel_binding=prefer", "encrypted"),
            ("worded", "channel_binding=disable", "encrypted"),
            (
                "worded",
                "sslmode=disable&channel_binding=require",
                "takes no encrypted",
            ),
            ("plain", "channel_binding=require", unbound),
            ("plain", "channel_binding=prefer", "encrypted"),
            ("digested", "channel_binding=require", unbound),
            ("postgres", "channel_binding=require", unbound),
        ] {
            case(role, query, outcome).await;
        }
        let named = files.identity("own", &ours.client("certified"));
        case(
            "certified",
            &format!("{named}&channel_binding=require"),
            unbound,
        )
        .await;
    }
    let wordless =
        url(&server, "worded", "h", "sslmode=require").replace(&format!(":{PASSWORD}"), "");
    both(&wordless, "password").await;
}

#[tokio::test]
async fn somebody_in_between_with_a_certificate_of_their_own_is_found_out_by_channel_binding() {
    let server = Server::with_roles().await;
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let genuine = ours.server(&NAMES);
    server.identify(&genuine, &ours).await;
    let addr = server.addr();
    let case = async |between: SocketAddr, query: &str, words: &str| {
        let port = between.port();
        let url =
            format!("postgres://worded:{PASSWORD}@127.0.0.1:{port}/shop?sslmode=require&{query}");
        both(&url, words).await;
    };
    // One who speaks TLS to the server, too, so that it offers channel binding.
    let relay = Relay::start(addr, &theirs.server(&NAMES), true).await;
    case(relay.addr, "channel_binding=disable", "encrypted").await;
    case(
        relay.addr,
        "channel_binding=prefer",
        "channel binding check failed",
    )
    .await;
    case(
        relay.addr,
        "channel_binding=require",
        "channel binding check failed",
    )
    .await;
    // One who does not, so that it offers none.
    let relay = Relay::start(addr, &theirs.server(&NAMES), false).await;
    case(relay.addr, "channel_binding=disable", "clear").await;
    case(
        relay.addr,
        "channel_binding=require",
        "did not use channel binding",
    )
    .await;
    // One who shows the server's own certificate, which everybody can have, without having its key.
    let stolen = Identity {
        certificate: genuine.certificate.clone(),
        key: theirs.server(&NAMES).key,
    };
    let relay = Relay::start(addr, &stolen, true).await;
    case(relay.addr, "channel_binding=disable", "BadSignature").await;
}

#[tokio::test]
async fn tls_without_asking_is_spoken_with_servers_that_know_it() {
    let server = Server::with_roles().await;
    let ours = Authority::new("ours");
    server.identify(&ours.server(&NAMES), &ours).await;
    let database = server.database().await;
    let version = database
        .value("current_setting('server_version_num')")
        .await;
    let knows = version.parse::<u32>().expect("a number") >= 170_000;
    let direct = url(
        &server,
        "postgres",
        "db.internal",
        "sslmode=require&sslnegotiation=direct",
    );
    both(
        &direct,
        if knows {
            "encrypted"
        } else {
            "needs Postgres 17"
        },
    )
    .await;
    let weak = url(&server, "postgres", "db.internal", "sslnegotiation=direct");
    both(&weak, "sslmode=require or stronger").await;
}

#[tokio::test]
async fn sockets_are_not_encrypted_and_the_host_that_can_be_trusted_is_found() {
    let server = Server::with_roles().await;
    let plain = Server::with_roles().await;
    let (ours, files) = (Authority::new("ours"), Files::new());
    server.identify(&ours.server(&NAMES), &ours).await;
    let root = files.write("ours.crt", &ours.pem);
    let verified = format!("sslmode=verify-full&sslrootcert={}", root.display());
    let (port, directory) = (server.addr().port(), server.postgres.directory().display());
    let socket = format!("postgres:///shop?host={directory}&port={port}&user=postgres&{verified}");
    both(&socket, "clear").await;

    let several = format!(
        "postgres://postgres@db.internal:{},db.internal:{port}/shop?hostaddr=127.0.0.1,127.0.0.1&{verified}",
        plain.addr().port()
    );
    assert_eq!(by_the_tools(&several).await, "encrypted");
    let daemon = Daemon::unready(&several, |_| {});
    daemon.ready().await;
    let other = several.replace("db.internal:", "elsewhere:");
    let why = by_the_tools(&other).await;
    for word in ["takes no encrypted connections", "not for elsewhere"] {
        assert!(why.contains(word), "{why}");
    }
}

#[tokio::test]
async fn whom_the_system_believes_is_believed_when_that_is_said() {
    let server = Server::with_roles().await;
    let (ours, files) = (Authority::new("ours"), Files::new());
    server.identify(&ours.server(&NAMES), &ours).await;
    let root = files.write("ours.crt", &ours.pem).display().to_string();
    let url = url(&server, "postgres", "db.internal", "sslrootcert=system");
    let install = async |settings: &[(&str, &str)]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_pgbell"));
        command.args(["install", "--database-url", &url]);
        command.env_clear().envs(settings.iter().copied());
        let output = soon("install", command.output()).await.expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), told)
    };
    let (code, told) = install(&[("SSL_CERT_FILE", &root)]).await;
    assert_eq!(code, Some(0), "{told}");
    for (file, words) in [
        (
            files.write("other.crt", &Authority::new("other").pem),
            "nobody whom this system believes",
        ),
        (files.write("none.crt", ""), "ca-certificates"),
    ] {
        let (code, told) = install(&[("SSL_CERT_FILE", &file.display().to_string())]).await;
        assert_eq!(code, Some(3), "{told}");
        assert!(told.contains(words) && told.lines().count() == 1, "{told}");
    }
}

#[tokio::test]
async fn a_daemon_says_at_its_start_what_is_not_safe_and_refuses_what_cannot_be() {
    for (query, word) in [
        ("", "encrypted only if whoever answers wants that"),
        ("?sslmode=disable", "it is not encrypted"),
        ("?sslmode=require", "nobody checks who answers"),
    ] {
        let url = format!("postgres://u:{PASSWORD}@db.invalid/shop{query}");
        let mut program = Program::at(&url, &[]).await;
        let line = program.says("leaves this machine").await;
        assert!(line.contains("WARN") && line.contains(word), "{line}");
        assert!(!program.log().join(" ").contains(PASSWORD));
    }
    let safe = "postgres://u@db.invalid/shop?sslrootcert=system";
    let program = Program::at(safe, &[]).await;
    assert!(!program.log().join(" ").contains("leaves this machine"));
    let directory = tempfile::tempdir().expect("a directory");
    let url = "postgres://u@db.invalid/shop?sslmode=verify-full";
    for arguments in ["serve", "install", "uninstall"].map(|verb| [verb]) {
        let (code, _, told) = command(directory.path(), url, &arguments);
        assert_eq!(code, 2, "{told}");
        assert!(
            told.contains("database.url: the database URL does not say whose"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn certificates_are_renewed_without_a_restart() {
    let server = Server::with_roles().await;
    let (old, new, files) = (Authority::new("old"), Authority::new("new"), Files::new());
    server.identify(&old.server(&NAMES), &old).await;
    let root = files.write("root.crt", &old.pem);
    let own = files.identity("own", &old.client("certified"));
    let query = format!("sslmode=verify-full&sslrootcert={}&{own}", root.display());
    let daemon = Daemon::unready(&url(&server, "certified", "db.internal", &query), |_| {});
    daemon.ready().await;
    let mut client = daemon.client_in(&["room"]).await;
    let database = server.database().await;

    server.identify(&new.server(&NAMES), &new).await;
    let others =
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'certified'";
    database.run(others).await;
    daemon.complains("root.crt has signed").await;
    assert!(daemon.losses("tls").await >= 1.0);
    client.next_of("stale").await;
    database.run(&change("room")).await;

    files.write("root.crt", &new.pem);
    daemon.complains("refused the encrypted connection").await;
    files.identity("own", &new.client("certified"));
    daemon.ready().await;
    let told = client.messages(&database).await;
    assert_eq!(
        told.iter()
            .filter(|told| told["type"] == "invalidate")
            .count(),
        1,
        "{told:?}"
    );
    let encrypted = "select count(*) filter (where not ssl) || ' of ' || count(*)
                       from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'certified'";
    assert_eq!(database.value(encrypted).await, "0 of 3");
}

#[tokio::test]
async fn a_server_that_falls_silent_at_any_step_of_encryption_is_given_up_and_tried_again() {
    let server = Server::with_roles().await;
    let ours = Authority::new("ours");
    server.identify(&ours.server(&NAMES), &ours).await;
    let mut attempts = Vec::new();
    for (step, way) in (0..12).flat_map(|step| [(step, Way::ToServer), (step, Way::ToClient)]) {
        let proxy = Proxy::start(server.addr()).await;
        proxy.set_one_way(way, Fault::StallAfter(step * 160));
        let query = format!("postgres://postgres@{}/shop?sslmode=require", proxy.addr());
        let daemon = Daemon::unready(&query, |config| {
            config.database.connect_timeout = Duration::from_millis(700);
            config.database.statement_timeout = Duration::from_millis(300);
            config.database.heartbeat = Duration::from_millis(500);
        });
        attempts.push((proxy, daemon));
    }
    for (proxy, daemon) in &attempts {
        daemon.complains("database: ").await;
        proxy.heal();
    }
    for (_, daemon) in &attempts {
        daemon.ready().await;
    }
    // The tools have ten seconds.
    let proxy = Proxy::start(server.addr()).await;
    proxy.set_one_way(Way::ToClient, Fault::StallAfter(600));
    let stalled = format!("postgres://postgres@{}/shop?sslmode=require", proxy.addr());
    let outcome = by_the_tools(&stalled).await;
    assert!(outcome.contains("no answer within 10s"), "{outcome}");
}

#[tokio::test]
async fn the_daemon_does_all_it_has_to_over_an_encrypted_and_bound_connection() {
    let server = Server::with_roles().await;
    let (ours, files) = (Authority::new("ours"), Files::new());
    server.identify(&ours.server(&NAMES), &ours).await;
    let root = files.write("ours.crt", &ours.pem);
    let query = format!(
        "sslmode=verify-full&sslrootcert={}&channel_binding=require",
        root.display()
    );
    let daemon = Daemon::unready(&url(&server, "worded", "db.internal", &query), |_| {});
    daemon.ready().await;
    let database: Database = server.database().await;
    let mut client = daemon.client_in(&["room"]).await;
    let many = format!("{}; {}", change("room"), "select pg_notify('pgbell', '')");
    for _ in 0..50 {
        database.run(&many).await;
    }
    let told = client.messages(&database).await;
    assert!(!told.is_empty());
}
