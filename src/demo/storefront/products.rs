//! What a seller does to a product.

use axum::{
    Router,
    extract::State,
    routing::{patch, post},
};
use serde::Deserialize;

use super::{
    Shop,
    answer::{Document, Failure},
    asked::{Asked, Origin, Said},
    reads::PRODUCT,
};

const DEAREST: f64 = 1_000_000.0;
const LONGEST_NAME: usize = 200;
const LONGEST_DESCRIPTION: usize = 4_000;
const MOST_STOCK: i32 = 1_000_000;
const DAY: i32 = 86_400;
/// The longest a sale may be away, or last.
const LONGEST: i32 = 30 * DAY;

pub(super) fn router() -> Router<Shop> {
    Router::new()
        .route("/api/products/{product}", patch(change))
        .route("/api/products/{product}/stock", post(count))
        .route(
            "/api/products/{product}/sale",
            post(put_on_sale).delete(end_sale),
        )
}

#[derive(Deserialize)]
struct Change {
    name: Option<String>,
    price: Option<f64>,
    status: Option<Status>,
    description: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Active,
    Inactive,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
        }
    }
}

impl Change {
    fn check(&self) -> Result<(), Failure> {
        let length = |text: &Option<String>| text.as_ref().map_or(0, |text| text.chars().count());
        let blank = self
            .name
            .as_ref()
            .is_some_and(|name| name.trim().is_empty());
        if blank || length(&self.name) > LONGEST_NAME {
            let text = format!("name has to be 1 to {LONGEST_NAME} characters");
            return Err(Failure::bad(text));
        }
        if length(&self.description) > LONGEST_DESCRIPTION {
            let text = format!("description has to be at most {LONGEST_DESCRIPTION} characters");
            return Err(Failure::bad(text));
        }
        if self
            .price
            .is_some_and(|price| !(0.0..=DEAREST).contains(&price))
        {
            return Err(Failure::bad(format!("price has to be from 0 to {DEAREST}")));
        }
        if self.name.is_none()
            && self.price.is_none()
            && self.status.is_none()
            && self.description.is_none()
        {
            let text = "say what to change: name, price, status or description";
            return Err(Failure::bad(text));
        }
        Ok(())
    }
}

async fn change(
    State(shop): State<Shop>,
    asked: Asked,
    origin: Origin,
    Said(change): Said<Change>,
) -> Result<Document, Failure> {
    change.check()?;
    let product = asked.id("product")?;
    let mut transaction = shop.begin(origin).await?;
    let changed = sqlx::query(include_str!("writes/product.sql"))
        .bind(product)
        .bind(change.name)
        .bind(change.price)
        .bind(change.status.map(Status::as_str))
        .bind(change.description)
        .execute(&mut *transaction)
        .await?;
    found(changed.rows_affected())?;
    shop.finish(transaction, &PRODUCT, &asked).await
}

#[derive(Deserialize)]
struct Stock {
    variant_id: Option<i64>,
    quantity: i32,
}

async fn count(
    State(shop): State<Shop>,
    asked: Asked,
    origin: Origin,
    Said(stock): Said<Stock>,
) -> Result<Document, Failure> {
    if !(0..=MOST_STOCK).contains(&stock.quantity) {
        let text = format!("quantity has to be from 0 to {MOST_STOCK}");
        return Err(Failure::bad(text));
    }
    let product = asked.id("product")?;
    let mut transaction = shop.begin(origin).await?;
    let counted = sqlx::query(include_str!("writes/stock.sql"))
        .bind(product)
        .bind(stock.variant_id)
        .bind(stock.quantity)
        .execute(&mut *transaction)
        .await?;
    found(counted.rows_affected())?;
    shop.finish(transaction, &PRODUCT, &asked).await
}

#[derive(Deserialize)]
struct Sale {
    discount_percent: f64,
    #[serde(default)]
    starts_in_s: i32,
    #[serde(default = "a_day")]
    lasts_s: i32,
}

fn a_day() -> i32 {
    DAY
}

async fn put_on_sale(
    State(shop): State<Shop>,
    asked: Asked,
    origin: Origin,
    Said(sale): Said<Sale>,
) -> Result<Document, Failure> {
    if !(0.01..=100.0).contains(&sale.discount_percent) {
        return Err(Failure::bad("discount_percent has to be from 0.01 to 100"));
    }
    if !(0..=LONGEST).contains(&sale.starts_in_s) || !(1..=LONGEST).contains(&sale.lasts_s) {
        let text = format!("starts_in_s has to be from 0, lasts_s from 1, both to {LONGEST}");
        return Err(Failure::bad(text));
    }
    let product = asked.id("product")?;
    let mut transaction = shop.begin(origin).await?;
    let begun = sqlx::query(include_str!("writes/sale.sql"))
        .bind(product)
        .bind(sale.discount_percent)
        .bind(sale.starts_in_s)
        .bind(sale.lasts_s)
        .execute(&mut *transaction)
        .await?;
    found(begun.rows_affected())?;
    shop.finish(transaction, &PRODUCT, &asked).await
}

/// Ends what runs; what is yet to come stays.
async fn end_sale(
    State(shop): State<Shop>,
    asked: Asked,
    origin: Origin,
) -> Result<Document, Failure> {
    let mut transaction = shop.begin(origin).await?;
    sqlx::query(include_str!("writes/sale_end.sql"))
        .bind(asked.id("product")?)
        .execute(&mut *transaction)
        .await?;
    shop.finish(transaction, &PRODUCT, &asked).await
}

fn found(rows: u64) -> Result<(), Failure> {
    match rows {
        0 => Err(Failure::missing("there is no such product or variant")),
        _ => Ok(()),
    }
}
