//! `POST /ticket`: what a browser opens a stream of events with, because it can send no token along and a
//! token has no business in a URL. Good once, for half a minute, at the daemon that gave it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_lc_rs::rand;
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

use super::{Gateway, bearer, events::refused};
use crate::{access::Identity, protocol::ErrorCode};

/// How long a ticket is good for.
const LIFE: Duration = Duration::from_secs(30);
/// Most tickets that wait to be used, of everybody and of one user.
const MOST: usize = 10_000;
const MOST_OF_ONE: usize = 20;

#[derive(Serialize)]
struct Given {
    ticket: String,
    expires_in_ms: u64,
}

/// Gives a ticket to who has a token.
pub(super) async fn ticket(State(gateway): State<Gateway>, headers: HeaderMap) -> Response {
    let Some(token) = bearer::of(&headers) else {
        let advice = "send a token along: Authorization: Bearer …";
        return refused(&gateway, ErrorCode::Unauthorized, advice);
    };
    let identity = match gateway.guard.identify(&token.0).await {
        Ok(identity) => identity,
        Err(refusal) => {
            return refused(
                &gateway,
                bearer::code_of(refusal),
                bearer::advice_on(refusal),
            );
        }
    };
    match gateway.tickets.give(identity, Instant::now()) {
        Ok(ticket) => {
            let given = Given {
                ticket,
                expires_in_ms: LIFE.as_millis() as u64,
            };
            ([(header::CACHE_CONTROL, "no-store")], Json(given)).into_response()
        }
        Err(advice) => refused(&gateway, ErrorCode::RateLimited, advice),
    }
}

/// Tickets that wait to be used.
#[derive(Debug, Default)]
pub struct Tickets {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    tickets: HashMap<String, (Identity, Instant)>,
    by_user: HashMap<Arc<str>, usize>,
}

impl Tickets {
    /// A new ticket for somebody, if it does not have many.
    ///
    /// # Errors
    /// Why there is none.
    pub fn give(&self, identity: Identity, now: Instant) -> Result<String, &'static str> {
        const NO_MORE: &str =
            "too many tickets wait to be used: use them, or ask again in half a minute";
        let mut secret = [0; 32];
        rand::fill(&mut secret).map_err(|_| "no ticket can be made now")?;
        let ticket = URL_SAFE_NO_PAD.encode(secret);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_full(identity.user()) {
            waiting.forget(now);
        }
        if waiting.is_full(identity.user()) {
            return Err(NO_MORE);
        }
        *waiting.by_user.entry(identity.user().clone()).or_default() += 1;
        waiting.tickets.insert(ticket.clone(), (identity, now));
        Ok(ticket)
    }

    /// Who a ticket was given to. It is good for nothing after that.
    pub fn take(&self, ticket: &str, now: Instant) -> Option<Identity> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (identity, given) = waiting.tickets.remove(ticket)?;
        waiting.count_out(identity.user());
        (now.duration_since(given) < LIFE).then_some(identity)
    }
}

impl Waiting {
    fn is_full(&self, user: &Arc<str>) -> bool {
        let own = self.by_user.get(user).copied().unwrap_or_default();
        self.tickets.len() >= MOST || own >= MOST_OF_ONE
    }

    fn forget(&mut self, now: Instant) {
        let old = self
            .tickets
            .extract_if(|_, (_, given)| now.duration_since(*given) >= LIFE);
        let users: Vec<_> = old
            .map(|(_, (identity, _))| identity.user().clone())
            .collect();
        users.iter().for_each(|user| self.count_out(user));
    }

    fn count_out(&mut self, user: &Arc<str>) {
        if let Some(own) = self.by_user.get_mut(user) {
            *own -= 1;
            if *own == 0 {
                self.by_user.remove(user);
            }
        }
    }
}
