//! Values that parse but cannot work.

use std::time::Duration;

use bytesize::ByteSize;
use figment::Figment;

use super::{Config, Error, address::is_postgres, source};
use crate::{access::Access, gateway};

struct Rule {
    key: &'static str,
    allowed: &'static str,
    holds: fn(&Config) -> bool,
}

const fn rule(key: &'static str, allowed: &'static str, holds: fn(&Config) -> bool) -> Rule {
    Rule {
        key,
        allowed,
        holds,
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

const RULES: &[Rule] = &[
    rule(
        URL,
        "postgres://[user[:password]@]host[:port]/database",
        |c| is_postgres(c.database.url.reveal()),
    ),
    rule("database.mute_above", "at least 1", |c| {
        c.database.mute_above >= 1
    }),
    rule("database.poll_interval", "at least 1ms", |c| {
        c.database.poll_interval >= MILLISECOND
    }),
    rule("database.safety_interval", "at least 1ms", |c| {
        c.database.safety_interval >= MILLISECOND
    }),
    rule("database.heartbeat", "at least 1s", |c| {
        c.database.heartbeat >= SECOND
    }),
    rule("database.connect_timeout", "at least 1ms", |c| {
        c.database.connect_timeout >= MILLISECOND
    }),
    rule("database.statement_timeout", "at least 1ms", |c| {
        c.database.statement_timeout >= MILLISECOND
    }),
    rule("database.read_limit", "at least 1", |c| {
        c.database.read_limit >= 1
    }),
    rule("database.drift_interval", "at least 1s", |c| {
        c.database.drift_interval >= SECOND
    }),
    rule("log.retention", "at least 1m", |c| {
        c.log.retention >= MINUTE
    }),
    rule("log.max_size", "at least 1 MiB", |c| {
        c.log.max_size >= ByteSize::mib(1)
    }),
    rule("log.rotate_interval", "at least 1s", |c| {
        c.log.rotate_interval >= SECOND
    }),
    rule("coalesce.max_entities_per_room", "at least 1", |c| {
        c.coalesce.max_entities_per_room >= 1
    }),
    rule("coalesce.max_pending", "at least 1", |c| {
        c.coalesce.max_pending >= 1
    }),
    rule("hub.queue_frames", "at least 1", |c| {
        c.hub.queue_frames >= 1
    }),
    rule("hub.queue_size", "at least 1 KiB", |c| {
        c.hub.queue_size >= ByteSize::kib(1)
    }),
    rule("gateway.heartbeat", "at least 1s", |c| {
        c.gateway.heartbeat >= SECOND
    }),
    rule("gateway.max_connections", "at least 1", |c| {
        c.gateway.max_connections >= 1
    }),
    rule("gateway.max_http_connections", "at least 1", |c| {
        c.gateway.max_http_connections >= 1
    }),
    rule("gateway.max_rooms_per_connection", "at least 1", |c| {
        c.gateway.max_rooms_per_connection >= 1
    }),
    rule("gateway.max_rooms_per_message", "at least 1", |c| {
        c.gateway.max_rooms_per_message >= 1
    }),
    rule("gateway.max_message_size", "at least 1 KiB", |c| {
        c.gateway.max_message_size >= ByteSize::kib(1)
    }),
    rule("gateway.write_deadline", "at least 1ms", |c| {
        c.gateway.write_deadline >= MILLISECOND
    }),
    rule("gateway.header_timeout", "at least 1ms", |c| {
        c.gateway.header_timeout >= MILLISECOND
    }),
    rule(
        "gateway.origins",
        "as a browser sends them: https://shop.example.com, in lower case, without a path, without * and \
         without the port that its scheme has anyway",
        |c| c.gateway.has_valid_origins(),
    ),
    rule(
        "gateway.trusted_proxies",
        "addresses and networks such as 10.0.0.0/8",
        |c| gateway::Config::are_networks(&c.gateway.trusted_proxies),
    ),
    rule(
        "gateway.unlimited_addresses",
        "addresses and networks such as 10.0.0.0/8",
        |c| gateway::Config::are_networks(&c.gateway.unlimited_addresses),
    ),
    rule("gateway.max_connections_per_address", "at least 1", |c| {
        c.gateway.max_connections_per_address >= 1
    }),
    rule(
        "gateway.max_http_connections_per_address",
        "at least 1",
        |c| c.gateway.max_http_connections_per_address >= 1,
    ),
    rule("gateway.max_connections_per_user", "at least 1", |c| {
        c.gateway.max_connections_per_user >= 1
    }),
    rule("gateway.connection_rate", "at least 1", |c| {
        c.gateway.connection_rate >= 1
    }),
    rule("gateway.connection_burst", "at least 1", |c| {
        c.gateway.connection_burst >= 1
    }),
    rule("gateway.message_rate", "at least 1", |c| {
        c.gateway.message_rate >= 1
    }),
    rule("gateway.message_burst", "at least 1", |c| {
        c.gateway.message_burst >= 1
    }),
    rule("gateway.subscribe_rate", "at least 1", |c| {
        c.gateway.subscribe_rate >= 1
    }),
    rule("gateway.subscribe_burst", "at least 1", |c| {
        c.gateway.subscribe_burst >= 1
    }),
    rule(
        "gateway.tls.certificate",
        "set together with gateway.tls.key",
        |c| c.gateway.tls.certificate.is_some() || c.gateway.tls.key.is_none(),
    ),
    rule(
        "gateway.tls.key",
        "set together with gateway.tls.certificate",
        |c| c.gateway.tls.key.is_some() || c.gateway.tls.certificate.is_none(),
    ),
    rule(ADMIN_TOKEN, "at least 16 visible ASCII characters", |c| {
        let token = c.gateway.admin.token.reveal();
        token.is_empty() || token.len() >= 16 && token.bytes().all(|b| b.is_ascii_graphic())
    }),
    rule("access.auth_timeout", "at least 1ms", |c| {
        c.access.auth_timeout >= MILLISECOND
    }),
    rule("access.sql.connections", "1 to 100", |c| {
        (1..=100).contains(&c.access.sql.connections)
    }),
    rule("access.sql.timeout", "1ms to 1m", |c| {
        (MILLISECOND..=MINUTE).contains(&c.access.sql.timeout)
    }),
    rule("access.sql.waiting", "1 to 1000000", |c| {
        (1..=1_000_000).contains(&c.access.sql.waiting)
    }),
];

const URL: &str = "database.url";
const ADMIN_TOKEN: &str = "gateway.admin.token";

/// Refuses the first value that cannot work.
pub(super) fn judge(config: &Config, figment: &Figment) -> Result<(), Error> {
    let Some(broken) = RULES.iter().find(|rule| !(rule.holds)(config)) else {
        return judge_access(config, figment);
    };
    Err(Error::Impossible {
        key: broken.key,
        source_name: source::name_of(figment, broken.key),
        allowed: broken.allowed,
        found: found(figment, broken.key),
    })
}

/// Rules and keys are judged by compiling them, files included.
fn judge_access(config: &Config, figment: &Figment) -> Result<(), Error> {
    let invalid = match Access::new(&config.access) {
        Ok(_) => return Ok(()),
        Err(invalid) => invalid,
    };
    Err(Error::Value {
        source_name: source::name_of(figment, &invalid.key),
        key: invalid.key,
        reason: invalid.reason,
    })
}

fn found(figment: &Figment, key: &str) -> String {
    let value = figment.find_value(key).ok();
    let text = value.and_then(|value| serde_json::to_string(&value).ok());
    match text {
        Some(text) if ![URL, ADMIN_TOKEN].contains(&key) => format!(", not {text}"),
        _ => String::new(),
    }
}
