//! Checkout: the server's own look at stock, prices and what is for sale decides, whatever a page shows.
//!
//! One transaction locks the user, the products, the stock and the sales, each in the order of their
//! ids. So checkouts wait for each other and for whoever changes what they look at, and none waits
//! in a circle: everything else in the demo that locks several of these rows does so in this order.

mod decide;

use std::collections::HashSet;

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;
use serde_json::json;
use sqlx::{FromRow, PgConnection, Row, postgres::PgRow};

use super::{
    Shop,
    answer::{Failure, written},
    asked::{Asked, Origin, Said},
    cart::{MOST_LINES, MOST_OF_ONE, lock_user},
};
use decide::{Bought, Goods, Wanted, decide};

pub(super) fn router() -> Router<Shop> {
    Router::new().route("/api/checkout", post(checkout))
}

#[derive(Deserialize)]
struct Basket {
    items: Vec<Wanted>,
}

async fn checkout(
    State(shop): State<Shop>,
    asked: Asked,
    origin: Origin,
    Said(Basket { items }): Said<Basket>,
) -> Result<Response, Failure> {
    let user = asked.id("user")?;
    check(&items)?;
    let mut transaction = shop.begin(origin).await?;
    lock_user(&mut transaction, user).await?;
    let goods = look(&mut transaction, &items).await?;
    match decide(&items, &goods) {
        Ok(bought) => {
            let orders = place(&mut transaction, user, &bought).await?;
            transaction.commit().await?;
            Ok(written(StatusCode::CREATED, orders))
        }
        Err(problems) => {
            transaction.rollback().await?;
            let refusal = json!({
                "error": "some of this has changed: look at the problems, and order again",
                "problems": problems,
            });
            Ok((StatusCode::CONFLICT, axum::Json(refusal)).into_response())
        }
    }
}

fn check(items: &[Wanted]) -> Result<(), Failure> {
    let most = usize::try_from(MOST_LINES).unwrap_or(usize::MAX);
    if !(1..=most).contains(&items.len()) {
        let text = format!("items has to name 1 to {MOST_LINES} things");
        return Err(Failure::bad(text));
    }
    let mut named = HashSet::new();
    if !items
        .iter()
        .all(|item| named.insert((item.product_id, item.variant_id)))
    {
        return Err(Failure::bad("items has to name each thing once"));
    }
    let sane = |item: &Wanted| (1..=MOST_OF_ONE).contains(&item.quantity);
    if !items.iter().all(sane) {
        let text = format!("quantity has to be from 1 to {MOST_OF_ONE}");
        return Err(Failure::bad(text));
    }
    Ok(())
}

/// Locks everything that decides, then looks at it: the statement after the locks sees all that was
/// committed before they were granted.
async fn look(connection: &mut PgConnection, items: &[Wanted]) -> Result<Vec<Goods>, Failure> {
    let products: Vec<i64> = items.iter().map(|item| item.product_id).collect();
    let variants: Vec<Option<i64>> = items.iter().map(|item| item.variant_id).collect();
    sqlx::query(include_str!("lock_products.sql"))
        .bind(&products)
        .execute(&mut *connection)
        .await?;
    sqlx::query(include_str!("lock_inventory.sql"))
        .bind(&products)
        .bind(&variants)
        .execute(&mut *connection)
        .await?;
    sqlx::query(include_str!("lock_sales.sql"))
        .bind(&products)
        .execute(&mut *connection)
        .await?;
    let goods = sqlx::query_as(include_str!("goods.sql"))
        .bind(&products)
        .bind(&variants)
        .fetch_all(connection)
        .await?;
    Ok(goods)
}

impl FromRow<'_, PgRow> for Goods {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            place: row.try_get("place")?,
            seller_id: row.try_get("seller_id")?,
            store_id: row.try_get("store_id")?,
            for_sale: row.try_get("for_sale")?,
            sale_id: row.try_get("sale_id")?,
            cents: row.try_get("cents")?,
            available: row.try_get("available")?,
        })
    }
}

/// The orders, as JSON.
async fn place(
    connection: &mut PgConnection,
    user: i64,
    bought: &[Bought],
) -> Result<String, Failure> {
    let orders = sqlx::query_scalar(include_str!("place.sql"))
        .bind(user)
        .bind(serde_json::to_string(bought).unwrap_or_default())
        .fetch_one(connection)
        .await?;
    Ok(orders)
}
