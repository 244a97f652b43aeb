//! What can be read: each path is a statement that writes one document, and no row is 404.

use axum::{Router, extract::State, routing::get};

use super::{
    Shop,
    answer::{Document, Failure},
    asked::{
        Asked,
        Parameter::{self, Id, Ids, Number, SomeId, Words},
    },
};

/// A statement, and what it needs to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    path: &'static str,
    parameters: &'static [Parameter],
    sql: &'static str,
}

/// One statement is one snapshot: the position in it is that of the data.
macro_rules! read {
    ($path:literal, $parameters:expr, $file:literal) => {
        Read {
            path: $path,
            parameters: $parameters,
            sql: concat!(
                "select pgbell.cursor() as cursor, json::text as json from (\n",
                include_str!(concat!("reads/", $file)),
                "\n) as document (json)"
            ),
        }
    };
}

const PAGE: Parameter = Number("page", (1, 1_000_000), "1");
const SIZE: Parameter = Number("size", (1, 200), "24");

/// One product with its variants and sales.
pub(super) static PRODUCT: Read = read!("/api/products/{product}", &[Id("product")], "product.sql");
/// What a user wants to buy.
pub(super) static CART: Read = read!("/api/cart", &[Id("user")], "cart.sql");
/// One order with what was bought.
pub(super) static ORDER: Read = read!("/api/orders/{order}", &[Id("order")], "order.sql");

static OTHERS: [Read; 6] = [
    read!(
        "/api/products",
        &[SomeId("seller"), SomeId("category"), Words("q"), PAGE, SIZE],
        "products.sql"
    ),
    read!("/api/products/cards", &[Ids("ids")], "cards.sql"),
    read!("/api/orders", &[Id("user")], "orders.sql"),
    read!(
        "/api/sellers/{seller}/dashboard",
        &[Id("seller")],
        "dashboard.sql"
    ),
    read!(
        "/api/sellers/{seller}/products",
        &[Id("seller"), PAGE, SIZE],
        "seller_products.sql"
    ),
    read!("/api/admin", &[], "admin.sql"),
];

static CONFIG: Read = read!("/api/config", &[], "config.sql");

/// Every path that can be read.
pub(super) fn router() -> Router<Shop> {
    [&PRODUCT, &CART, &ORDER]
        .into_iter()
        .chain(&OTHERS)
        .fold(Router::new(), |router, read| {
            let answer =
                async move |State(shop): State<Shop>, asked: Asked| shop.read(read, &asked).await;
            router.route(read.path, get(answer))
        })
}

impl Shop {
    /// The document that `read` writes of what was asked.
    pub(super) async fn read(&self, read: &Read, asked: &Asked) -> Result<Document, Failure> {
        let values = read.parameters.iter().map(|&name| asked.value(name));
        let values: Vec<_> = values.collect::<Result<_, _>>()?;
        self.document(read, values).await
    }

    /// What a page needs to know first: where the daemon is, and who there is.
    pub(super) async fn config(&self, ws: String, console: String) -> Result<Document, Failure> {
        self.document(&CONFIG, vec![Some(ws), Some(console)]).await
    }

    async fn document(
        &self,
        read: &Read,
        values: Vec<Option<String>>,
    ) -> Result<Document, Failure> {
        let query = sqlx::query_as(read.sql);
        let query = values
            .into_iter()
            .fold(query, |query, value| query.bind(value));
        let document = query.fetch_optional(&self.pool).await?;
        let (cursor, json) =
            document.ok_or_else(|| Failure::missing("there is no such thing in this shop"))?;
        Ok(Document { cursor, json })
    }
}
