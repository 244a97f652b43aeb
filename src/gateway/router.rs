//! Which path is answered by what.

use axum::{Router, routing::get};

#[cfg(feature = "sabotage")]
use super::echo;
use super::{Gateway, client, console, events, health, upgrade};

/// Every path of the daemon.
pub(super) fn router(gateway: Gateway) -> Router {
    let router = Router::new()
        .route("/ws", get(upgrade::upgrade))
        .route("/events", get(events::events))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/health", get(health::health))
        .route("/metrics", get(health::metrics))
        .merge(client::router())
        .merge(console::router());
    #[cfg(feature = "sabotage")]
    let router = router.merge(echo::router(&gateway));
    router.with_state(gateway)
}
