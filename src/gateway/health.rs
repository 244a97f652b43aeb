//! How the daemon is: for supervisors, for load balancers, for people, for Prometheus.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::Serialize;

use super::Gateway;
use crate::status::{DatabaseState, DatabaseStatus, Finding};

/// Most lines of `/readyz` about triggers that are not what was applied.
const MOST_DRIFT_LINES: usize = 20;

/// The process turns. Slow to fail: a restart does not bring a database back.
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// Changes arrive and connections are accepted. Fast to fail; open connections stay open. What exactly is
/// wrong, and what is noteworthy, is for the operator: there are names of tables and hosts in it.
pub(super) fn readyz(gateway: &Gateway, with_details: bool) -> (StatusCode, String) {
    let status = gateway.status.borrow().clone();
    match overall(gateway, &status) {
        Overall::Ok if with_details => (StatusCode::OK, fine(&status)),
        Overall::Ok => (StatusCode::OK, "ok\n".into()),
        Overall::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n".into()),
        Overall::Starting | Overall::Degraded => {
            let problem = match status.problem.filter(|_| with_details) {
                Some(problem) => problem,
                None if status.state == DatabaseState::Connecting => {
                    "the first connection is being made".into()
                }
                None => "nothing is heard from it now; the operator sees why".into(),
            };
            (
                StatusCode::SERVICE_UNAVAILABLE,
                format!("database: {problem}\n"),
            )
        }
    }
}

/// One line, and one for each warning and for each trigger that is not what was applied: neither
/// keeps what arrives from arriving.
fn fine(status: &DatabaseStatus) -> String {
    let mut text = String::from("ok\n");
    for (subject, warning) in &status.warnings {
        text.push_str(&format!("warning: {subject}: {warning}\n"));
    }
    for found in status.drift.iter().take(MOST_DRIFT_LINES) {
        let (kind, table, object) = found.place();
        let Finding { detail, mend, .. } = found;
        text.push_str(&format!(
            "drift: {kind}: {table}, {object}: {detail}; {mend}\n"
        ));
    }
    if let Some(more @ 1..) = status.drift.len().checked_sub(MOST_DRIFT_LINES) {
        text.push_str(&format!("drift: and {more} more, see /health\n"));
    }
    text
}

/// Everything at a glance.
pub(super) async fn health(State(gateway): State<Gateway>) -> Json<Health> {
    Json(Health::of(&gateway))
}

/// What is counted, for Prometheus.
pub(super) async fn metrics(State(gateway): State<Gateway>) -> impl IntoResponse {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    (
        [(header::CONTENT_TYPE, OPEN_METRICS)],
        gateway.metrics.render(),
    )
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Overall {
    Ok,
    Starting,
    Degraded,
    Draining,
}

/// The answer of `/health`. Counts of things are of now, `…_total` since the start.
#[derive(Debug, Serialize)]
pub(super) struct Health {
    status: Overall,
    version: &'static str,
    uptime_seconds: u64,
    connections: i64,
    rooms: i64,
    subscribers: i64,
    pending_batches: i64,
    pending_entities: i64,
    changes_total: u64,
    invalidations_total: u64,
    invalidated_entities_total: u64,
    frames_sent_total: u64,
    deliveries_total: u64,
    database: Database,
}

#[derive(Debug, Serialize)]
struct Database {
    #[serde(flatten)]
    status: DatabaseStatus,
    transport: &'static str,
}

impl Health {
    fn of(gateway: &Gateway) -> Self {
        let metrics = &gateway.metrics;
        let database = gateway.status.borrow().clone();
        Self {
            status: overall(gateway, &database),
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: gateway.started.elapsed().as_secs(),
            connections: metrics.connections.get(),
            rooms: metrics.rooms.get(),
            subscribers: metrics.subscribers.get(),
            pending_batches: metrics.pending_batches.get(),
            pending_entities: metrics.pending_entities.get(),
            changes_total: metrics.changes.get(),
            invalidations_total: metrics.invalidations.get(),
            invalidated_entities_total: metrics.invalidated_entities.get(),
            frames_sent_total: metrics.frames.get(),
            deliveries_total: metrics.deliveries.get(),
            database: Database {
                status: database,
                transport: gateway.transport,
            },
        }
    }
}

fn overall(gateway: &Gateway, database: &DatabaseStatus) -> Overall {
    match database.state {
        _ if gateway.draining.is_cancelled() => Overall::Draining,
        DatabaseState::Live => Overall::Ok,
        DatabaseState::Connecting => Overall::Starting,
        DatabaseState::Lost => Overall::Degraded,
    }
}
