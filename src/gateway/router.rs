//! Which path is answered by what, and for whom.

use axum::{
    Router,
    extract::{Request, State},
    middleware::{from_fn_with_state, map_response},
    routing::{get, post},
};

#[cfg(feature = "sabotage")]
use super::echo;
use super::{
    Gateway, client, console,
    edge::{is_operators, operator_only, pages_that_may, protect},
    events, health, ticket, upgrade,
};

/// What a listener is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// Clients; and the operator, unless it has a listener of its own.
    Clients,
    /// The operator alone.
    Operator,
}

/// Every path of a listener.
pub(super) fn router(gateway: Gateway, purpose: Purpose) -> Router {
    let has_own = gateway.config.admin.listen.is_some();
    let tells_operators = purpose == Purpose::Operator || !has_own;
    let readyz = async move |State(gateway): State<Gateway>, request: Request| {
        health::readyz(
            &gateway,
            tells_operators && is_operators(&gateway, &request),
        )
    };
    let router = match purpose {
        Purpose::Clients if has_own => clients(&gateway),
        Purpose::Clients => clients(&gateway).merge(operator(&gateway)),
        // The console is a client.
        Purpose::Operator => operator(&gateway).merge(sockets()),
    };
    #[cfg(feature = "sabotage")]
    let router = router.merge(echo::router(&gateway));
    router
        .route("/livez", get(health::livez))
        .route("/readyz", get(readyz))
        .layer(map_response(protect))
        .with_state(gateway)
}

fn clients(gateway: &Gateway) -> Router<Gateway> {
    let told_to_pages = from_fn_with_state(gateway.clone(), pages_that_may);
    Router::new()
        .route("/events", get(events::events))
        .route("/ticket", post(ticket::ticket))
        .route_layer(told_to_pages)
        .merge(sockets())
        .merge(client::router())
}

fn sockets() -> Router<Gateway> {
    Router::new().route("/ws", get(upgrade::upgrade))
}

/// The console, and what it and others look at. A page that asks for the token can be seen without it.
fn operator(gateway: &Gateway) -> Router<Gateway> {
    let guarded = Router::new()
        .route("/health", get(health::health))
        .route("/metrics", get(health::metrics))
        .merge(console::answers());
    let (guarded, free) = match gateway.edge.operator.is_asked_for_by_page() {
        true => (guarded, console::page()),
        false => (guarded.merge(console::page()), Router::new()),
    };
    guarded
        .route_layer(from_fn_with_state(gateway.clone(), operator_only))
        .merge(free)
}
