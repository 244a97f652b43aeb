//! What goes wrong sooner or later, at the press of a button. Everything is bounded, and of each
//! there is one at a time.

mod hot;
mod storm;

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    Shop,
    answer::{Answer, Failure, written},
    asked::{Origin, Said},
};
use crate::demo::daemon;

const LONGEST_TEXT: usize = 200;

pub(super) fn router() -> Router<Shop> {
    Router::new()
        .route("/api/chaos", get(state))
        .route("/api/chaos/listener", post(end_listener))
        .route("/api/chaos/daemon", post(restart))
        .route("/api/chaos/hot", post(hot::start))
        .route("/api/chaos/storm", post(storm::run))
        .route("/api/chaos/announce", post(announce))
}

/// What is under way.
pub(super) struct Chaos {
    daemon: daemon::Handle,
    hot: Place<hot::Hot>,
    storm: Place<storm::Storm>,
    /// Cancelled when the storefront is gone.
    gone: CancellationToken,
}

impl Chaos {
    pub(super) fn new(daemon: daemon::Handle, gone: CancellationToken) -> Self {
        Self {
            daemon,
            hot: Place::default(),
            storm: Place::default(),
            gone,
        }
    }
}

/// Room for one of a kind.
struct Place<T>(Arc<Mutex<Option<T>>>);

/// Holds the place until it is dropped.
struct Taken<T>(Arc<Mutex<Option<T>>>);

impl<T> Default for Place<T> {
    fn default() -> Self {
        Self(Default::default())
    }
}

impl<T: Copy> Place<T> {
    fn take(&self, what: T) -> Result<Taken<T>, Failure> {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if place.is_some() {
            return Err(Failure::conflict(
                "one is under way already: wait until it is over",
            ));
        }
        *place = Some(what);
        Ok(Taken(self.0.clone()))
    }

    fn get(&self) -> Option<T> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Taken<T> {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[derive(Serialize)]
struct Report {
    daemon: &'static str,
    hot: Option<hot::Hot>,
    storm: Option<storm::Storm>,
}

async fn state(State(shop): State<Shop>) -> Json<Report> {
    let chaos = &shop.chaos;
    Json(Report {
        daemon: if chaos.daemon.is_up() { "up" } else { "down" },
        hot: chaos.hot.get(),
        storm: chaos.storm.get(),
    })
}

/// Ends the session that listens, as an administrator could.
async fn end_listener(State(shop): State<Shop>) -> Answer {
    let ended: i64 = sqlx::query_scalar(include_str!("end_listener.sql"))
        .fetch_one(&shop.pool)
        .await?;
    Ok(done(&json!({ "ended": ended })))
}

/// Stops the daemon in an orderly way; it is back after two seconds.
async fn restart(State(shop): State<Shop>) -> Answer {
    if shop.chaos.daemon.restart() {
        return Ok(done(&json!({})));
    }
    Err(Failure::conflict(
        "the daemon is down already: wait until it is back",
    ))
}

#[derive(Deserialize)]
struct Announcement {
    text: String,
}

/// Tells everybody something that is no row of the shop: the whole contract is one INSERT.
async fn announce(
    State(shop): State<Shop>,
    origin: Origin,
    Said(Announcement { text }): Said<Announcement>,
) -> Answer {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LONGEST_TEXT {
        let text = format!("text has to be 1 to {LONGEST_TEXT} characters");
        return Err(Failure::bad(text));
    }
    let mut transaction = shop.begin(origin).await?;
    sqlx::query(include_str!("announce.sql"))
        .bind(text)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(done(&json!({})))
}

fn done(what: &Value) -> axum::response::Response {
    written(StatusCode::OK, what.to_string())
}
