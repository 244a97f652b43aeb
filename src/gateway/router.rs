//! Which path is answered by what.

use axum::{
    Router,
    routing::{get, post},
};

use super::{Gateway, client, console, events, health, ticket, upgrade};

/// Every path of the daemon.
pub(super) fn router(gateway: Gateway) -> Router {
    Router::new()
        .route("/ws", get(upgrade::upgrade))
        .route("/events", get(events::events))
        .route("/ticket", post(ticket::ticket).options(ticket::preflight))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/health", get(health::health))
        .route("/metrics", get(health::metrics))
        .merge(client::router())
        .merge(console::router())
        .with_state(gateway)
}
