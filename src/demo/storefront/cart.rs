//! What a user does to the cart.

use axum::{
    Router,
    extract::State,
    routing::{patch, post},
};
use serde::Deserialize;
use sqlx::{PgConnection, Postgres, Transaction};

use super::{
    Shop,
    answer::{Document, Failure},
    asked::{Asked, Origin, Said},
    reads::CART,
};

/// Most of one thing in one cart, and in one order.
pub(super) const MOST_OF_ONE: i32 = 999;
/// Most different things in one cart, and in one order.
pub(super) const MOST_LINES: i64 = 50;

pub(super) fn router() -> Router<Shop> {
    Router::new()
        .route("/api/cart", post(add).delete(clear))
        .route("/api/cart/{line}", patch(set).delete(remove))
}

#[derive(Deserialize)]
struct Addition {
    product_id: i64,
    variant_id: Option<i64>,
    quantity: i32,
}

#[derive(Deserialize)]
struct Quantity {
    quantity: i32,
}

async fn add(
    State(shop): State<Shop>,
    asked: Asked,
    origin: Origin,
    Said(wanted): Said<Addition>,
) -> Result<Document, Failure> {
    let (mut transaction, user) = open(&shop, &asked, origin).await?;
    if !(1..=MOST_OF_ONE).contains(&wanted.quantity) {
        let text = format!("quantity has to be from 1 to {MOST_OF_ONE}");
        return Err(Failure::bad(text));
    }
    let state = sqlx::query_as(include_str!("writes/cart_may_add.sql"))
        .bind(user)
        .bind(wanted.product_id)
        .bind(wanted.variant_id)
        .bind(MOST_LINES)
        .fetch_optional(&mut *transaction)
        .await?;
    match state {
        Some((true, true)) => {}
        Some((true, false)) => {
            let text = format!("a cart holds {MOST_LINES} different things: order some first");
            return Err(Failure::conflict(text));
        }
        Some((false, _)) => return Err(Failure::conflict("this is not for sale now")),
        None => return Err(Failure::missing("there is no such product or variant")),
    }
    sqlx::query(include_str!("writes/cart_add.sql"))
        .bind(user)
        .bind(wanted.product_id)
        .bind(wanted.variant_id)
        .bind(wanted.quantity)
        .bind(MOST_OF_ONE)
        .execute(&mut *transaction)
        .await?;
    shop.finish(transaction, &CART, &asked).await
}

/// None at all removes the line.
async fn set(
    State(shop): State<Shop>,
    asked: Asked,
    origin: Origin,
    Said(Quantity { quantity }): Said<Quantity>,
) -> Result<Document, Failure> {
    if quantity == 0 {
        return remove(State(shop), asked, origin).await;
    }
    if !(1..=MOST_OF_ONE).contains(&quantity) {
        let text = format!("quantity has to be from 0, which removes it, to {MOST_OF_ONE}");
        return Err(Failure::bad(text));
    }
    let line = asked.id("line")?;
    let (mut transaction, user) = open(&shop, &asked, origin).await?;
    let changed = sqlx::query(include_str!("writes/cart_set.sql"))
        .bind(user)
        .bind(line)
        .bind(quantity)
        .execute(&mut *transaction)
        .await?;
    if changed.rows_affected() == 0 {
        return Err(Failure::missing("there is no such line in this cart"));
    }
    shop.finish(transaction, &CART, &asked).await
}

/// Removing what is gone already is no mistake: another device was faster.
async fn remove(
    State(shop): State<Shop>,
    asked: Asked,
    origin: Origin,
) -> Result<Document, Failure> {
    let line = asked.id("line")?;
    empty(&shop, &asked, origin, Some(line)).await
}

async fn clear(
    State(shop): State<Shop>,
    asked: Asked,
    origin: Origin,
) -> Result<Document, Failure> {
    empty(&shop, &asked, origin, None).await
}

async fn empty(
    shop: &Shop,
    asked: &Asked,
    origin: Origin,
    line: Option<i64>,
) -> Result<Document, Failure> {
    let (mut transaction, user) = open(shop, asked, origin).await?;
    sqlx::query(include_str!("writes/cart_remove.sql"))
        .bind(user)
        .bind(line)
        .execute(&mut *transaction)
        .await?;
    shop.finish(transaction, &CART, asked).await
}

async fn open(
    shop: &Shop,
    asked: &Asked,
    origin: Origin,
) -> Result<(Transaction<'static, Postgres>, i64), Failure> {
    let user = asked.id("user")?;
    let mut transaction = shop.begin(origin).await?;
    lock_user(&mut transaction, user).await?;
    Ok((transaction, user))
}

/// The first lock of everything that touches a cart.
pub(super) async fn lock_user(connection: &mut PgConnection, user: i64) -> Result<(), Failure> {
    let found: Option<i64> = sqlx::query_scalar(include_str!("writes/cart_user.sql"))
        .bind(user)
        .fetch_optional(connection)
        .await?;
    found.map_or_else(
        || Err(Failure::missing("there is no such user")),
        |_| Ok(()),
    )
}
