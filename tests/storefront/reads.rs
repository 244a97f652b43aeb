use serde_json::{Value, json};

use super::Shop;

/// Whether all these are there, however deep: `items.0.sale`.
fn lacks(document: &Value, paths: &str) -> Vec<String> {
    let found = |path: &&str| {
        document
            .pointer(&format!("/{}", path.replace('.', "/")))
            .is_none()
    };
    paths
        .split_whitespace()
        .filter(found)
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn everything_that_can_be_read_says_where_it_was_read() {
    const CARD: &str = "id name price pays status image_hue category category_id seller_id seller
                        store_id available low sale variants";
    const ORDER: &str = "id order_number status payment_status total tracking_number created_at
                         updated_at user_id user_name seller_id seller";
    let within = |prefix: &str, names: &str| {
        let names = names
            .split_whitespace()
            .map(|name| format!("{prefix}.{name}"));
        names.collect::<Vec<_>>().join(" ")
    };
    let shop = Shop::open().await;
    let history = shop.database.value("select pgbell.epoch() || '.'").await;
    let (card, order) = (within("items.0", CARD), within("items.0", ORDER));
    let newest = within("orders.0", ORDER);
    let low = "low.0.product_id low.0.name low.0.available low.0.threshold";
    for (path, fields) in [
        (
            "/api/config",
            "ws console users.0.id users.0.name sellers.0.store_id sellers.0.store categories.0.name",
        ),
        ("/api/products", &format!("total page pages {card}")),
        ("/api/products/cards?ids=7,5", &card),
        (
            "/api/products/5",
            &format!(
                "{CARD} description attributes options pack_sizes variants.2.pays variants.2.available"
            ),
        ),
        (
            "/api/products/2",
            "sales.0.id sales.0.discount_percent sales.0.starts_at sales.0.ends_at",
        ),
        (
            "/api/cart?user=1",
            "items.0.product_id items.0.variant_id items.0.pays items.0.available items.0.sale total",
        ),
        ("/api/orders?user=1", &order),
        (
            "/api/orders/5",
            &format!(
                "{ORDER} items.0.product_id items.0.name items.0.variant items.0.quantity items.0.price"
            ),
        ),
        (
            "/api/sellers/1/dashboard",
            &format!(
                "seller.store totals.orders totals.open totals.revenue totals.today {newest} {low}"
            ),
        ),
        ("/api/sellers/1/products", &format!("total pages {card}")),
        (
            "/api/admin",
            &format!(
                "{newest} {low} metrics.orders metrics.revenue metrics.orders_today metrics.customers metrics.products"
            ),
        ),
    ] {
        let answer = shop.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(lacks(&answer.json(), fields), [""; 0], "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(
            answer.header("access-control-expose-headers"),
            "pgbell-cursor"
        );
        let cursor = answer.header("pgbell-cursor");
        assert!(cursor.starts_with(&history), "{path}: {cursor}");
    }
}

#[tokio::test]
async fn a_list_is_of_what_was_asked_for() {
    let shop = Shop::open().await;
    let ids = async |path: &str| {
        let items = shop.get(path).await.with(200)["items"].take();
        let items = items.as_array().expect("items").clone();
        items
            .iter()
            .map(|item| item["id"].as_i64().expect("an id"))
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("/api/products/cards?ids=7,999,5").await, [7, 5]);
    assert_eq!(ids("/api/products/cards?ids=").await, [0; 0]);
    assert_eq!(
        ids("/api/products?q=kettle&page=2&size=3").await,
        [16, 2, 7]
    );
    assert_eq!(
        ids("/api/products?seller=2&category=2&size=2").await,
        [1, 41]
    );
    // 40 is off the shelf, which is the seller's business alone.
    assert!(!ids("/api/products?seller=1&size=200").await.contains(&40));
    assert!(ids("/api/sellers/1/products?size=200").await.contains(&40));
    // A percent sign is no wildcard.
    assert_eq!(ids("/api/products?q=%25").await, [0; 0]);
}

#[tokio::test]
async fn only_the_sale_that_runs_changes_what_a_product_costs() {
    let shop = Shop::open().await;
    let on_sale = shop.get("/api/products/1").await.with(200);
    assert_eq!(
        (&on_sale["price"], &on_sale["pays"]),
        (&json!(42.9), &json!(34.32))
    );
    assert_eq!(on_sale["sale"]["discount_percent"], 20.0);
    for (product, coming_and_running) in [(2, 1), (3, 0)] {
        let product = shop
            .get(&format!("/api/products/{product}"))
            .await
            .with(200);
        assert_eq!(
            (&product["pays"], &product["sale"]),
            (&product["price"], &Value::Null)
        );
        assert_eq!(
            product["sales"].as_array().map(Vec::len),
            Some(coming_and_running)
        );
    }
    // What is limited is over when it is sold out.
    let limited = shop.get("/api/products/4").await.with(200);
    assert_eq!(limited["sale"]["discount_percent"], 30.0);
    shop.database
        .run("update sales set sold_count = stock_limit where product_id = 4")
        .await;
    assert_eq!(
        shop.get("/api/products/4").await.with(200)["sale"],
        Value::Null
    );
}

#[tokio::test]
async fn pages_are_told_the_daemon_by_the_name_they_used_or_the_one_that_was_given() {
    let shop = Shop::open().await;
    let port = shop.daemon.port();
    let config = shop.get("/api/config").await.with(200);
    assert_eq!(config["ws"], format!("ws://127.0.0.1:{port}/ws"));
    assert_eq!(config["console"], format!("http://127.0.0.1:{port}/"));
    shop.close().await;

    let settings = super::Settings {
        ws: Some("ws://127.0.0.1:1/ws".into()),
        ..Default::default()
    };
    let shop = Shop::with(settings, 0.0).await;
    assert_eq!(
        shop.get("/api/config").await.with(200)["ws"],
        "ws://127.0.0.1:1/ws"
    );
    let policy = shop.get("/").await;
    assert!(
        policy
            .header("content-security-policy")
            .contains(" ws://127.0.0.1:1 ")
    );
}

#[tokio::test]
async fn the_position_of_an_answer_leaves_no_gap() {
    let shop = Shop::open().await;
    let price = |price: f64| json!({ "price": price });
    shop.patch("/api/products/9", price(9.0)).await.with(200);
    let read = shop.get("/api/products/9").await;
    shop.patch("/api/products/9", price(10.0)).await.with(200);
    shop.patch("/api/products/9", price(11.0)).await.with(200);

    let mut client = super::Client::connect(shop.daemon).await;
    let subscribed = client
        .resume(&["product:9"], read.header("pgbell-cursor"))
        .await;
    assert_eq!(subscribed["rooms"][0]["status"], "replayed", "{subscribed}");
    let missed = client.next_of("invalidate").await;
    let change = &missed["changes"][0];
    assert_eq!(
        (&change["old"]["price"], &change["new"]["price"]),
        (&json!(9.0), &json!(11.0))
    );
    // A replay may repeat what was told before, and never leaves out what was not.
    assert!(change["count"].as_u64() >= Some(2), "{change}");

    let now = shop.get("/api/products/9").await;
    let mut client = super::Client::connect(shop.daemon).await;
    let subscribed = client
        .resume(&["product:9"], now.header("pgbell-cursor"))
        .await;
    assert_eq!(subscribed["rooms"][0]["status"], "live", "{subscribed}");
}
