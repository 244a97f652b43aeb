use super::*;

fn load(toml: &str, environment: &[(&str, &str)]) -> Result<Effective, Error> {
    let file = tempfile::Builder::new()
        .suffix("pgbell.toml")
        .tempfile()
        .expect("a file");
    std::fs::write(file.path(), toml).expect("a file");
    let pair = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    Sources {
        file: Some(file.path().into()),
        environment: environment.iter().map(pair).collect(),
        flags: vec![],
    }
    .load()
}

fn complaint(toml: &str, environment: &[(&str, &str)]) -> String {
    let error = load(toml, environment).expect_err("a complaint");
    let text = error.to_string();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

fn source_of<'a>(effective: &'a Effective, key: &str) -> &'a str {
    let setting = effective.settings.iter().find(|setting| setting.key == key);
    &setting.expect("the key").source
}

#[test]
fn stronger_sources_win_and_are_named() {
    let mut sources = Sources {
        environment: vec![
            ("PGBELL_COALESCE__WINDOW".into(), "0ms".into()),
            ("PGBELL_GATEWAY__MAX_CONNECTIONS".into(), "7".into()),
            ("PGBELL_ACCESS__OPEN".into(), "true".into()),
            ("PGBELL_DATABASE__TRANSPORT".into(), "poll".into()),
            ("DATABASE_URL".into(), "postgres://u:hunter2@h/db".into()),
        ],
        ..Sources::default()
    };
    sources.flags.push(Flag {
        name: "--listen",
        key: "gateway.listen",
        value: "127.0.0.1:0".into(),
    });
    let effective = sources.load().expect("valid");
    let config = &effective.config;
    assert!(config.coalesce.window.is_zero() && config.access.open);
    assert_eq!(config.gateway.max_connections, 7);
    assert_eq!(config.gateway.listen.port(), 0);
    assert_eq!(config.database.transport, capture::Transport::Poll);
    assert_eq!(config.database.url.reveal(), "postgres://u:hunter2@h/db");
    assert_eq!(source_of(&effective, "gateway.listen"), "--listen");
    assert_eq!(
        source_of(&effective, "coalesce.window"),
        "PGBELL_COALESCE__WINDOW"
    );
    assert_eq!(source_of(&effective, "database.url"), "DATABASE_URL");
    assert_eq!(source_of(&effective, "gateway.drain"), "default");
    assert!(!format!("{effective:?}").contains("hunter2"));
}

#[test]
fn the_file_yields_to_variables_and_database_url_to_both() {
    let toml = "[database]\nurl = 'postgres://file/db'\n[coalesce]\nwindow = '1s'\n\
                rooms = [{ pattern = 'checkout:*', window = '0ms' }]";
    let url = [("DATABASE_URL", "postgres://fallback/db")];
    let effective = load(toml, &url).expect("valid");
    assert_eq!(effective.config.database.url.reveal(), "postgres://file/db");
    assert_eq!(effective.config.coalesce.rooms.len(), 1);
    assert!(source_of(&effective, "coalesce.window").ends_with("pgbell.toml"));

    let effective = load(toml, &[("PGBELL_DATABASE__URL", "postgres://variable/db")]);
    assert_eq!(
        effective.expect("valid").config.database.url.reveal(),
        "postgres://variable/db"
    );
}

#[test]
fn a_variable_may_hold_a_list_of_rules() {
    let rules = r#"[{pattern="checkout:*",window="0ms"},{pattern="cart:*",window="1s"}]"#;
    let effective = load("", &[("PGBELL_COALESCE__ROOMS", rules)]).expect("valid");
    assert_eq!(effective.config.coalesce.rooms.len(), 2);
}

#[test]
fn variables_of_other_purposes_are_no_settings() {
    let others = [
        ("PGBELL_LOG", "debug"),
        ("PGBELL_LOG_FORMAT", "json"),
        ("PGBELL_PG_BIN", "/opt/bin"),
        ("PGBELL_SERVICE_HOST", "10.0.0.1"),
        ("PGBELL_PORT_8787_TCP_ADDR", "10.0.0.1"),
    ];
    load("", &others).expect("valid");
}

#[test]
fn an_unknown_key_is_named_with_its_source_and_a_guess() {
    let typo = complaint("[coalesce]\nwindwo = '1s'", &[]);
    assert!(typo.contains("unknown key coalesce.windwo in /"), "{typo}");
    assert!(typo.ends_with("did you mean coalesce.window?"), "{typo}");
    assert_eq!(
        complaint("", &[("PGBELL_COALESCE_WINDOW", "1s")]),
        "unknown key coalesce_window in PGBELL_COALESCE_WINDOW; \
         did you mean PGBELL_COALESCE__WINDOW?"
    );
    assert!(complaint("[gatewya]\nlisten = 'x'", &[]).ends_with("did you mean gateway?"));
    assert!(complaint("colour = 1", &[]).contains("unknown key colour in /"));
    let nested = "[coalesce]\nrooms = [{ pattern = 'a', windo = '1s' }]";
    assert!(complaint(nested, &[]).contains("windo"));
}

#[test]
fn an_impossible_value_is_named_with_its_source_and_what_is_allowed() {
    assert_eq!(
        complaint("", &[("PGBELL_DATABASE__MUTE_ABOVE", "0")]),
        "database.mute_above in PGBELL_DATABASE__MUTE_ABOVE must be at least 1, not 0"
    );
    assert_eq!(
        complaint("", &[("PGBELL_GATEWAY__HEARTBEAT", "500ms")]),
        "gateway.heartbeat in PGBELL_GATEWAY__HEARTBEAT must be at least 1s, not \"500ms\""
    );
    assert_eq!(
        complaint("", &[("PGBELL_GATEWAY__MAX_CONNECTIONS_PER_USER", "0")]),
        "gateway.max_connections_per_user in PGBELL_GATEWAY__MAX_CONNECTIONS_PER_USER must be at least 1, \
         not 0"
    );
    let duration = complaint("[coalesce]\nwindow = 'soon'", &[]);
    assert!(duration.starts_with("coalesce.window in /"), "{duration}");
    let number = complaint("", &[("PGBELL_DATABASE__READ_LIMIT", "-1")]);
    assert!(
        number.starts_with("database.read_limit in PGBELL_DATABASE__READ_LIMIT:"),
        "{number}"
    );
    let transport = complaint("", &[("PGBELL_DATABASE__TRANSPORT", "pigeon")]);
    assert!(transport.contains("doorbell"), "{transport}");
}

#[test]
fn no_complaint_repeats_a_password() {
    let wrong_scheme = complaint("", &[("DATABASE_URL", "mysql://u:hunter2@h/db")]);
    assert!(wrong_scheme.contains("database.url in DATABASE_URL must be postgres://"));
    let unclosed = complaint("[database]\nurl = 'postgres://u:hunter2@h/db", &[]);
    assert!(unclosed.contains("line 2"), "{unclosed}");
    assert!(!format!("{wrong_scheme}{unclosed}").contains("hunter2"));
}

#[test]
fn a_named_file_must_exist() {
    let missing = Sources {
        file: Some("/nonexistent/pgbell.toml".into()),
        ..Sources::default()
    };
    assert_eq!(
        missing.load().expect_err("missing").to_string(),
        "cannot read /nonexistent/pgbell.toml"
    );
}

const SECRET: &str = "hunter2-hunter2-hunter2-hunter2-hunter2";

#[test]
fn access_is_read_as_its_documentation_shows_it_and_keeps_its_secrets() {
    let toml = format!(
        r#"
        [access]
        open = false
        [access.tokens]
        issuer = "https://auth.example.com"
        audience = "pgbell"
        leeway = "5s"
        roles_claim = ["role", "app.roles"]
        keys = [{{ algorithm = "HS256", secret = "{SECRET}" }}]
        jwks = [{{ url = "https://auth.example.com/jwks.json", algorithms = ["RS256"] }}]
        [access.sql]
        role = "pgbell_guest"
        [[access.rooms]]
        room = "product:*"
        allow = "anyone"
        [[access.rooms]]
        room = "user:{{sub}}"
        [[access.rooms]]
        room = "admin:*"
        role = "admin"
        [[access.rooms]]
        room = "order:{{id}}"
        sql = "select from orders where id::text = $1"
        "#
    );
    let environment = [("PGBELL_ACCESS__TOKENS__LEEWAY", "1s")];
    let effective = load(&toml, &environment).expect("valid");
    let access = &effective.config.access;
    assert!(!access.open && access.rooms.len() == 4);
    assert_eq!(access.tokens.audience, ["pgbell"]);
    assert_eq!(access.tokens.leeway.as_secs(), 1);
    assert_eq!(
        source_of(&effective, "access.tokens.leeway"),
        "PGBELL_ACCESS__TOKENS__LEEWAY"
    );
    assert!(source_of(&effective, "access.tokens.issuer").ends_with("pgbell.toml"));
    let shown = serde_json::to_string(&effective.settings).expect("JSON");
    assert!(
        shown.contains("(redacted)") && !shown.contains("hunter2"),
        "{shown}"
    );
    assert!(!format!("{effective:?}").contains("hunter2"));
}

#[test]
fn keys_and_rules_may_come_from_variables() {
    let keys = format!(r#"[{{algorithm="HS256",secret="{SECRET}"}}]"#);
    let environment = [
        ("PGBELL_ACCESS__TOKENS__KEYS", keys.as_str()),
        ("PGBELL_ACCESS__TOKENS__AUDIENCE", r#"["a", "b"]"#),
        ("PGBELL_ACCESS__ROOMS", r#"[{room="user:{sub}"}]"#),
    ];
    let access = load("", &environment).expect("valid").config.access;
    assert_eq!((access.tokens.keys.len(), access.rooms.len()), (1, 1));
    assert_eq!(access.tokens.audience, ["a", "b"]);
}

#[test]
fn a_wrong_key_or_rule_is_named_with_its_source_and_never_shown() {
    let variable = "PGBELL_ACCESS__TOKENS__KEYS";
    for (value, complaint_of) in [
        ("hunter2", "access.tokens.keys in"),
        (r#"["hunter2"]"#, "access.tokens.keys.0 in"),
        (
            r#"[{algorithm="HS256",secret="hunter2"}]"#,
            "access.tokens.keys.0.secret in",
        ),
        (
            r#"[{algorithm="HS256",secret=4711471147114711}]"#,
            "access.tokens.keys.0.secret in",
        ),
        (
            r#"[{algorithm="none",secret="hunter2"}]"#,
            "access.tokens.keys.0.algorithm in",
        ),
        (r#"[{secret="hunter2"}]"#, "access.tokens.keys.0 in"),
        (
            r#"[{algorithm="RS256",public_key="hunter2"}]"#,
            "access.tokens.keys.0.public_key in",
        ),
    ] {
        let text = complaint("", &[(variable, value)]);
        assert!(text.starts_with(complaint_of), "{text}");
        assert!(text.contains(variable), "{text}");
        assert!(
            !text.contains("hunter2") && !text.contains("4711"),
            "{text}"
        );
    }
    let rule = complaint(
        "[[access.rooms]]\nroom = 'user:{sub}x'\nallow = 'anyone'",
        &[],
    );
    assert!(rule.starts_with("access.rooms.0.room in /"), "{rule}");
    assert!(rule.contains("goes on after {sub}"), "{rule}");
    let who = complaint("[[access.rooms]]\nroom = 'a'\nallow = 'everybody'", &[]);
    assert!(who.contains("`anyone` or `authenticated`"), "{who}");
    let typo = complaint("[access.tokens]\nisuer = 'x'", &[]);
    assert!(
        typo.ends_with("did you mean access.tokens.issuer?"),
        "{typo}"
    );
    let typo = complaint("", &[("PGBELL_ACCESS__TOKENS__LEEWEY", "1s")]);
    assert!(
        typo.ends_with("did you mean PGBELL_ACCESS__TOKENS__LEEWAY?"),
        "{typo}"
    );
    let role = complaint("", &[("PGBELL_ACCESS__SQL__ROEL", "x")]);
    assert!(
        role.ends_with("did you mean PGBELL_ACCESS__SQL__ROLE?"),
        "{role}"
    );
}
