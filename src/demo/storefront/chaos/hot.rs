//! A hot row: one product is repriced far more often than anybody wants to be told.

use std::time::Duration;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgPool;
use tokio::{
    select,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{Taken, done};
use crate::demo::storefront::{
    Shop,
    answer::{Answer, Failure},
    asked::Said,
};

const MOST_PER_SECOND: u32 = 500;
const MOST_SECONDS: u64 = 10;
/// The price goes up so many times, and then down as often.
const SWING: u32 = 50;

/// What is asked for, and what is under way.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Hot {
    product_id: i64,
    per_second: u32,
    seconds: u64,
}

/// Answers once the first price is written.
pub(super) async fn start(State(shop): State<Shop>, Said(hot): Said<Hot>) -> Answer {
    let sane = (1..=MOST_PER_SECOND).contains(&hot.per_second)
        && (1..=MOST_SECONDS).contains(&hot.seconds);
    if !sane {
        let text = format!(
            "per_second has to be from 1 to {MOST_PER_SECOND}, seconds from 1 to {MOST_SECONDS}"
        );
        return Err(Failure::bad(text));
    }
    let place = shop.chaos.hot.take(hot)?;
    if reprice(&shop.pool, hot.product_id, 1).await? == 0 {
        return Err(Failure::missing("there is no such product"));
    }
    let (pool, gone) = (shop.pool.clone(), shop.chaos.gone.clone());
    tokio::spawn(async move {
        select! {
            () = run(&pool, hot, place) => {}
            () = gone.cancelled() => {}
        }
    });
    Ok(done(&json!(hot)))
}

/// Leaves the price as it was, whoever else has changed it meanwhile.
async fn run(pool: &PgPool, hot: Hot, place: Taken<Hot>) {
    let (end, mut risen) = (Instant::now() + Duration::from_secs(hot.seconds), 1);
    let mut ticks = interval(Duration::from_secs(1) / hot.per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for number in 1_u32.. {
        if ticks.tick().await >= end {
            break;
        }
        let cent = if (number / SWING).is_multiple_of(2) {
            1
        } else {
            -1
        };
        match reprice(pool, hot.product_id, cent).await {
            Ok(0) => {}
            Ok(_) => risen += cent,
            Err(error) => {
                tracing::debug!(%error, "the hot row cools down early");
                break;
            }
        }
    }
    if let Err(error) = reprice(pool, hot.product_id, -risen).await {
        tracing::debug!(%error, "the hot row stays a little dearer");
    }
    drop(place);
}

async fn reprice(pool: &PgPool, product: i64, cents: i32) -> Result<u64, sqlx::Error> {
    let written = sqlx::query(include_str!("hot.sql"))
        .bind(product)
        .bind(cents)
        .execute(pool)
        .await?;
    Ok(written.rows_affected())
}
