//! What a seller does to an order.

use axum::{Router, extract::State, routing::patch};
use serde::Deserialize;

use super::{
    Shop,
    answer::{Document, Failure},
    asked::{Asked, Origin, Said},
    reads::ORDER,
};

const LONGEST_TRACKING: usize = 100;
const PAYMENTS: [&str; 4] = ["pending", "paid", "failed", "refunded"];

pub(super) fn router() -> Router<Shop> {
    Router::new().route("/api/orders/{order}", patch(change))
}

#[derive(Deserialize)]
struct Change {
    status: Option<String>,
    tracking_number: Option<String>,
    payment_status: Option<String>,
}

impl Change {
    fn check(&self) -> Result<(), Failure> {
        let tracking = self.tracking_number.as_ref();
        if tracking.is_some_and(|number| number.chars().count() > LONGEST_TRACKING) {
            let text = format!("tracking_number has to be at most {LONGEST_TRACKING} characters");
            return Err(Failure::bad(text));
        }
        let payment = self.payment_status.as_deref();
        if payment.is_some_and(|payment| !PAYMENTS.contains(&payment)) {
            let text = format!("payment_status has to be one of {}", PAYMENTS.join(", "));
            return Err(Failure::bad(text));
        }
        if self.status.is_none() && tracking.is_none() && payment.is_none() {
            let text = "say what to change: status, tracking_number or payment_status";
            return Err(Failure::bad(text));
        }
        Ok(())
    }
}

/// What may become of an order.
fn next(status: &str) -> &'static [&'static str] {
    match status {
        "pending" => &["processing", "cancelled"],
        "processing" => &["shipped", "cancelled"],
        "shipped" => &["completed"],
        "completed" | "cancelled" => &["refunded"],
        _ => &[],
    }
}

async fn change(
    State(shop): State<Shop>,
    asked: Asked,
    origin: Origin,
    Said(change): Said<Change>,
) -> Result<Document, Failure> {
    change.check()?;
    let order = asked.id("order")?;
    let mut transaction = shop.begin(origin).await?;
    let status: Option<String> = sqlx::query_scalar(include_str!("writes/order_lock.sql"))
        .bind(order)
        .fetch_optional(&mut *transaction)
        .await?;
    let status = status.ok_or_else(|| Failure::missing("there is no such order"))?;
    let becomes = change.status.as_deref().filter(|&next| next != status);
    if let Some(wanted) = becomes
        && !next(&status).contains(&wanted)
    {
        let text = match next(&status) {
            [] => format!("an order that is {status} stays so"),
            next => format!("an order that is {status} can become {}", next.join(" or ")),
        };
        return Err(Failure::conflict(text));
    }
    sqlx::query(include_str!("writes/order.sql"))
        .bind(order)
        .bind(becomes)
        .bind(change.tracking_number.as_deref())
        .bind(change.payment_status.as_deref())
        .execute(&mut *transaction)
        .await?;
    if becomes == Some("cancelled") {
        sqlx::query(include_str!("writes/order_restock.sql"))
            .bind(order)
            .execute(&mut *transaction)
            .await?;
    }
    shop.finish(transaction, &ORDER, &asked).await
}
