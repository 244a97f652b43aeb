use serde_json::{Value, json};

use super::Shop;
use crate::support::client::{changes_in, told};

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_in_words() {
    let shop = Shop::open().await;
    let line = r#"{"product_id": 1, "quantity": 1}"#;
    let buy = |items: &str| format!(r#"{{"items": {items}}}"#);
    let twice =
        buy(r#"[{"product_id":1,"quantity":1,"pays":1},{"product_id":1,"quantity":1,"pays":1}]"#);
    for (method, path, body, status) in [
        ("GET", "/api/products/x", "", 400),
        ("GET", "/api/products/0", "", 400),
        ("GET", "/api/products/99999999999999999999", "", 400),
        ("GET", "/api/products/9999", "", 404),
        ("GET", "/api/products?page=0", "", 400),
        ("GET", "/api/products?size=201", "", 400),
        ("GET", "/api/products?q=%00", "", 400),
        ("GET", "/api/products/cards?ids=1,x", "", 400),
        ("GET", "/api/cart", "", 400),
        ("GET", "/api/cart?user=99", "", 404),
        ("GET", "/api/orders/9999", "", 404),
        ("GET", "/api/sellers/99/dashboard", "", 404),
        ("GET", "/api/sellers/99/products", "", 404),
        ("GET", "/api/nothing", "", 404),
        ("PUT", "/api/cart?user=1", line, 405),
        ("POST", "/api/cart?user=99", line, 404),
        ("POST", "/api/cart?user=1", "{", 400),
        ("POST", "/api/cart?user=1", r#"{"product_id": 1}"#, 400),
        (
            "POST",
            "/api/cart?user=1",
            r#"{"product_id": 1, "quantity": 0}"#,
            400,
        ),
        (
            "POST",
            "/api/cart?user=1",
            r#"{"product_id": 9999, "quantity": 1}"#,
            404,
        ),
        (
            "POST",
            "/api/cart?user=1",
            r#"{"product_id": 1, "variant_id": 1, "quantity": 1}"#,
            404,
        ),
        (
            "POST",
            "/api/cart?user=1",
            r#"{"product_id": 40, "quantity": 1}"#,
            409,
        ),
        ("PATCH", "/api/cart/1?user=2", r#"{"quantity": 1}"#, 404),
        ("PATCH", "/api/cart/1?user=1", r#"{"quantity": -1}"#, 400),
        (
            "POST",
            "/api/checkout?user=99",
            &buy(r#"[{"product_id":1,"quantity":1,"pays":1}]"#),
            404,
        ),
        ("POST", "/api/checkout?user=1", &buy("[]"), 400),
        ("POST", "/api/checkout?user=1", &twice, 400),
        (
            "POST",
            "/api/checkout?user=1",
            &buy(r#"[{"product_id":1,"quantity":0,"pays":1}]"#),
            400,
        ),
        ("PATCH", "/api/products/1", "{}", 400),
        ("PATCH", "/api/products/1", r#"{"price": -1}"#, 400),
        ("PATCH", "/api/products/1", r#"{"name": " "}"#, 400),
        ("PATCH", "/api/products/1", r#"{"status": "gone"}"#, 400),
        ("PATCH", "/api/products/9999", r#"{"price": 1}"#, 404),
        ("POST", "/api/products/1/stock", r#"{"quantity": -1}"#, 400),
        (
            "POST",
            "/api/products/1/stock",
            r#"{"quantity": 1, "variant_id": 1}"#,
            404,
        ),
        (
            "POST",
            "/api/products/1/sale",
            r#"{"discount_percent": 101}"#,
            400,
        ),
        (
            "POST",
            "/api/products/9999/sale",
            r#"{"discount_percent": 10}"#,
            404,
        ),
        (
            "PATCH",
            "/api/orders/100",
            r#"{"status": "completed"}"#,
            409,
        ),
        (
            "PATCH",
            "/api/orders/100",
            r#"{"payment_status": "lost"}"#,
            400,
        ),
        ("PATCH", "/api/orders/9999", r#"{"status": "shipped"}"#, 404),
        (
            "POST",
            "/api/chaos/hot",
            r#"{"product_id": 1, "per_second": 501, "seconds": 1}"#,
            400,
        ),
        (
            "POST",
            "/api/chaos/hot",
            r#"{"product_id": 9999, "per_second": 1, "seconds": 1}"#,
            404,
        ),
        ("POST", "/api/chaos/storm", r#"{"clients": 201}"#, 400),
        ("POST", "/api/chaos/announce", r#"{"text": ""}"#, 400),
    ] {
        let answer = shop.ask(method, path, &[], body).await;
        let said = answer.json();
        assert!(
            answer.status == status && said["error"].is_string(),
            "{method} {path} {body}: {answer:?}"
        );
    }
    let large = shop
        .post(
            "/api/cart?user=1",
            json!({ "product_id": "1".repeat(65_536) }),
        )
        .await;
    assert_eq!(large.status, 413);
    let origin = [("pgbell-origin", "é")];
    let answer = shop.ask("DELETE", "/api/cart?user=1", &origin, "").await;
    assert_eq!(answer.status, 400, "{answer:?}");
}

#[tokio::test]
async fn a_cart_is_the_same_on_all_devices_and_a_device_knows_its_own_writes() {
    let shop = Shop::open().await;
    let mut client = shop.client_in(&["cart:20"]).await;
    let origin = [("pgbell-origin", "device-7")];
    let line = json!({ "product_id": 5, "variant_id": 2, "quantity": 2 }).to_string();
    let cart = shop.ask("POST", "/api/cart?user=20", &origin, &line).await;
    assert!(!cart.header("pgbell-cursor").is_empty());
    assert_eq!(cart.with(200)["items"][0]["quantity"], 2);
    let told_of = client.next_of("invalidate").await;
    let change = &told_of["changes"][0];
    assert_eq!(
        (&change["events"], &change["origin"]),
        (&json!(["cart:updated"]), &json!("device-7"))
    );

    // The same thing again is no second line; another variant is.
    let folded = shop.post(
        "/api/cart?user=20",
        json!({ "product_id": 5, "variant_id": 2, "quantity": 1 }),
    );
    let folded = folded.await.with(200);
    assert_eq!(
        (
            folded["items"].as_array().map(Vec::len),
            &folded["items"][0]["quantity"]
        ),
        (Some(1), &json!(3))
    );
    let more = shop
        .post(
            "/api/cart?user=20",
            json!({ "product_id": 5, "quantity": 1 }),
        )
        .await
        .with(200);
    let lines: Vec<Value> = (0..2)
        .map(|place| more["items"][place]["id"].clone())
        .collect();
    let set = shop
        .patch(
            &format!("/api/cart/{}?user=20", lines[0]),
            json!({ "quantity": 7 }),
        )
        .await
        .with(200);
    assert_eq!(set["items"][0]["quantity"], 7);
    let fewer = shop
        .patch(
            &format!("/api/cart/{}?user=20", lines[0]),
            json!({ "quantity": 0 }),
        )
        .await
        .with(200);
    assert_eq!(fewer["items"].as_array().map(Vec::len), Some(1));
    let none = shop
        .delete(&format!("/api/cart/{}?user=20", lines[1]))
        .await
        .with(200);
    assert_eq!(none, json!({ "items": [], "total": 0 }));
    shop.post(
        "/api/cart?user=20",
        json!({ "product_id": 6, "quantity": 1 }),
    )
    .await
    .with(200);
    assert_eq!(
        shop.delete("/api/cart?user=20").await.with(200)["items"],
        json!([])
    );

    let messages = client.messages(&shop.database).await;
    let origins = changes_in(&messages, "cart:20");
    assert!(!origins.is_empty() && origins.iter().all(|change| change.get("origin").is_none()));
}

#[tokio::test]
async fn what_a_seller_does_is_told_by_the_triggers() {
    let shop = Shop::open().await;
    let mut client = shop.client_in(&["product:9"]).await;
    let product = "/api/products/9";
    let changed = shop
        .patch(
            product,
            json!({ "name": "Pot", "price": 12.5, "description": "fine" }),
        )
        .await
        .with(200);
    assert_eq!(
        (&changed["name"], &changed["pays"], &changed["description"]),
        (&json!("Pot"), &json!(12.5), &json!("fine"))
    );
    let off = shop
        .patch(product, json!({ "status": "inactive" }))
        .await
        .with(200);
    assert_eq!(off["status"], "inactive");
    let counted = shop
        .post("/api/products/9/stock", json!({ "quantity": 5 }))
        .await
        .with(200);
    assert_eq!(
        (&counted["available"], &counted["low"]),
        (&json!(5), &json!(true))
    );
    let sale = shop
        .post(
            "/api/products/9/sale",
            json!({ "discount_percent": 50, "lasts_s": 60 }),
        )
        .await
        .with(200);
    assert_eq!(
        (&sale["pays"], &sale["sale"]["discount_percent"]),
        (&json!(6.25), &json!(50.0))
    );
    let over = shop.delete("/api/products/9/sale").await.with(200);
    assert_eq!((&over["pays"], &over["sale"]), (&json!(12.5), &Value::Null));
    let later = json!({ "discount_percent": 50, "starts_in_s": 600 });
    assert_eq!(
        shop.post("/api/products/9/sale", later).await.with(200)["sale"],
        Value::Null
    );
    assert_eq!(
        shop.delete("/api/products/9/sale").await.with(200)["sales"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );

    let events = told(&client.messages(&shop.database).await)["product:9"].clone();
    for event in [
        "product:updated",
        "product:price_changed",
        "product:availability_changed",
        "product:stock_changed",
        "sale:started",
        "sale:ended",
    ] {
        assert!(events.contains(event), "{event}: {events:?}");
    }
}

#[tokio::test]
async fn an_order_goes_its_way_and_what_is_cancelled_comes_back() {
    let shop = Shop::open().await;
    let buy = json!({ "items": [{ "product_id": 1, "quantity": 2, "pays": 34.32 }] });
    let mut orders = Vec::new();
    for _ in 0..2 {
        let bought = shop
            .post("/api/checkout?user=3", buy.clone())
            .await
            .with(201);
        orders.push(format!("/api/orders/{}", bought["orders"][0]["id"]));
    }
    let before = shop.get("/api/products/1").await.with(200)["available"].as_i64();
    let mut client = shop.client_in(&["user:3"]).await;
    for (change, is) in [
        (
            json!({ "status": "processing", "payment_status": "paid" }),
            "paid",
        ),
        (
            json!({ "status": "shipped", "tracking_number": "T-1" }),
            "T-1",
        ),
        (json!({ "status": "completed" }), "completed"),
    ] {
        let order = shop.patch(&orders[0], change).await.with(200);
        let found = order
            .as_object()
            .expect("an order")
            .values()
            .any(|value| value == is);
        assert!(found, "{is}: {order}");
    }
    shop.patch(&orders[0], json!({ "status": "cancelled" }))
        .await
        .with(409);
    shop.patch(&orders[1], json!({ "status": "cancelled" }))
        .await
        .with(200);
    // Once is enough.
    shop.patch(&orders[1], json!({ "status": "cancelled" }))
        .await
        .with(200);
    let after = shop.get("/api/products/1").await.with(200)["available"].as_i64();
    assert_eq!(after, before.map(|available| available + 2));

    let events = told(&client.messages(&shop.database).await)["user:3"].clone();
    for event in [
        "order:shipped",
        "order:completed",
        "order:cancelled",
        "order:payment_changed",
    ] {
        assert!(events.contains(event), "{event}: {events:?}");
    }
}
