use serde_json::{Value, json};
use tokio::join;

use super::Shop;
use crate::support::{database::Database, soon};

fn buy(product: i64, quantity: i32, pays: f64) -> Value {
    json!({ "items": [{ "product_id": product, "quantity": quantity, "pays": pays }] })
}

/// Everything that a checkout writes.
async fn books(database: &Database) -> String {
    database
        .value(
            "select concat_ws(' ', (select count(*) from orders), (select count(*) from order_items),
                              (select sum(quantity) from inventory), (select sum(reserved) from inventory),
                              (select sum(sold_count) from sales), (select sum(quantity) from cart_items))",
        )
        .await
}

/// Waits until so many sessions of the storefront wait for locks.
async fn waiting(database: &Database, sessions: u32) {
    let sql = "select count(*) from pg_stat_activity
                where datname = current_database() and application_name = 'pgbell shop' and wait_event_type = 'Lock'";
    let expected = sessions.to_string();
    let all = async { while database.value(sql).await != expected {} };
    soon("sessions that wait for locks", all).await;
}

#[tokio::test]
async fn what_is_in_the_cart_becomes_an_order_of_each_seller() {
    let shop = Shop::open().await;
    let mut client = shop
        .client_in(&["user:21", "cart:21", "seller:2", "product:1"])
        .await;
    for line in [
        json!({ "product_id": 1, "quantity": 2 }),
        json!({ "product_id": 5, "variant_id": 2, "quantity": 3 }),
        json!({ "product_id": 7, "quantity": 1 }),
    ] {
        shop.post("/api/cart?user=21", line).await.with(200);
    }
    let before = shop.get("/api/products/5").await.with(200);
    // The third thing stays in the cart.
    let basket = json!({ "items": [
        { "product_id": 1, "quantity": 2, "pays": 34.32 },
        { "product_id": 5, "variant_id": 2, "quantity": 3, "pays": 192.9 },
    ] });
    let origin = [("pgbell-origin", "till-1")];
    let answer = shop
        .ask(
            "POST",
            "/api/checkout?user=21",
            &origin,
            &basket.to_string(),
        )
        .await;
    let orders = answer.with(201)["orders"].take();
    let told: Vec<_> = (0..2)
        .map(|place| (&orders[place]["seller_id"], &orders[place]["total"]))
        .collect();
    assert_eq!(
        told,
        [(&json!(2), &json!(68.64)), (&json!(6), &json!(578.7))]
    );

    let order = shop
        .get(&format!("/api/orders/{}", orders[1]["id"]))
        .await
        .with(200);
    assert_eq!(
        order["items"],
        json!([{ "product_id": 5, "name": "Ceramic Kettle", "variant": "M", "quantity": 3, "price": 192.9 }])
    );
    let after = shop.get("/api/products/5").await.with(200);
    let available =
        |product: &Value, place: usize| product["variants"][place]["available"].as_i64();
    assert_eq!(
        available(&after, 1),
        available(&before, 1).map(|number| number - 3)
    );
    assert_eq!(available(&after, 0), available(&before, 0));
    let cart = shop.get("/api/cart?user=21").await.with(200);
    assert_eq!(
        (
            cart["items"].as_array().map(Vec::len),
            &cart["items"][0]["product_id"]
        ),
        (Some(1), &json!(7))
    );
    assert_eq!(
        shop.database
            .value("select sold_count from sales where product_id = 1")
            .await,
        "2"
    );

    let messages = client.messages(&shop.database).await;
    for (room, event) in [
        ("user:21", "order:created"),
        ("cart:21", "cart:updated"),
        ("seller:2", "order:created"),
        ("product:1", "product:stock_changed"),
    ] {
        let changes = crate::support::client::changes_in(&messages, room);
        let own = changes.iter().find(|change| {
            change["origin"] == "till-1" && change["events"].to_string().contains(event)
        });
        assert!(own.is_some(), "{room} {event}: {changes:?}");
    }
}

#[tokio::test]
async fn of_two_who_want_the_last_one_exactly_one_gets_it() {
    let shop = Shop::open().await;
    shop.post("/api/products/9/stock", json!({ "quantity": 1 }))
        .await
        .with(200);
    let pays = shop.get("/api/products/9").await.with(200)["pays"]
        .as_f64()
        .expect("a price");
    for user in [23, 24] {
        let line = json!({ "product_id": 9, "quantity": 1 });
        shop.post(&format!("/api/cart?user={user}"), line)
            .await
            .with(200);
    }
    // Both are on their way before either may look.
    let gate = shop.database.session().await;
    gate.run("begin; select from inventory where product_id = 9 for update")
        .await;
    let open = async {
        waiting(&shop.database, 2).await;
        gate.run("commit").await;
    };
    let (first, second, ()) = join!(
        shop.post("/api/checkout?user=23", buy(9, 1, pays)),
        shop.post("/api/checkout?user=24", buy(9, 1, pays)),
        open
    );
    let (winner, loser, loser_id) = match first.status {
        201 => (first, second, 24),
        _ => (second, first, 23),
    };
    winner.with(201);
    let problems = loser.with(409)["problems"].take();
    assert_eq!(
        problems,
        json!([{ "product_id": 9, "variant_id": null, "kind": "stock", "was": 1, "is": 0 }])
    );
    assert_eq!(shop.get("/api/products/9").await.with(200)["available"], 0);
    assert_eq!(
        shop.database
            .value("select count(*) from order_items where product_id = 9 and order_id > 100")
            .await,
        "1"
    );
    let cart = shop
        .get(&format!("/api/cart?user={loser_id}"))
        .await
        .with(200);
    assert_eq!(cart["items"][0]["product_id"], 9);
}

#[tokio::test]
async fn what_has_changed_since_the_cart_was_shown_stops_all_of_the_order() {
    let shop = Shop::open().await;
    let pays = shop.get("/api/products/9").await.with(200)["pays"]
        .as_f64()
        .expect("a price");
    let basket = json!({ "items": [
        { "product_id": 1, "quantity": 1, "pays": 34.32 },
        { "product_id": 9, "quantity": 1, "pays": pays },
    ] });

    // The seller is faster by a moment: the checkout waits for the new price, and goes by that.
    let before = books(&shop.database).await;
    let seller = shop.database.session().await;
    seller
        .run("begin; update products set price = price + 1 where id = 9")
        .await;
    let open = async {
        waiting(&shop.database, 1).await;
        seller.run("commit").await;
    };
    let (refused, ()) = join!(shop.post("/api/checkout?user=1", basket.clone()), open);
    let problem = json!({ "product_id": 9, "variant_id": null, "kind": "price", "was": pays, "is": pays + 1.0 });
    assert_eq!(refused.with(409)["problems"], json!([problem]));
    assert_eq!(books(&shop.database).await, before);

    for (sql, kind) in [
        (
            "update products set price = price - 1, status = 'inactive' where id = 9",
            "gone",
        ),
        (
            "update products set status = 'active' where id = 9; update inventory set quantity = reserved where product_id = 9",
            "stock",
        ),
        (
            "insert into sales (product_id, discount_percent) values (9, 10)",
            "price",
        ),
        ("delete from products where id = 9", "gone"),
    ] {
        shop.database.run(sql).await;
        let before = books(&shop.database).await;
        let refused = shop
            .post("/api/checkout?user=1", basket.clone())
            .await
            .with(409);
        assert_eq!(refused["problems"][0]["kind"], kind, "{sql}: {refused}");
        assert_eq!(books(&shop.database).await, before, "{sql}");
    }
}

/// Busy customers in both orders, sellers who reprice everything, and the traffic of the demo.
#[tokio::test]
async fn nobody_who_buys_waits_in_a_circle() {
    let shop = Shop::with(Default::default(), 300.0).await;
    let prices = async |products: [i64; 3]| {
        let mut items = Vec::new();
        for product in products {
            let pays = shop
                .get(&format!("/api/products/{product}"))
                .await
                .with(200)["pays"]
                .take();
            items.push(json!({ "product_id": product, "quantity": 1, "pays": pays }));
        }
        json!({ "items": items })
    };
    let customer = async |user: i64| {
        let mut orders = 0;
        for number in 0..15 {
            let (small, large) = (1 + number % 3, 9 + number % 3);
            let products = if user % 2 == 0 {
                [small, 5, large]
            } else {
                [large, 5, small]
            };
            let basket = prices(products).await;
            let answer = shop
                .post(&format!("/api/checkout?user={user}"), basket)
                .await;
            assert!([201, 409].contains(&answer.status), "{answer:?}");
            if answer.status == 201 {
                let id = answer.json()["orders"][0]["id"].take();
                shop.patch(
                    &format!("/api/orders/{id}"),
                    json!({ "status": "cancelled" }),
                )
                .await;
                orders += 1;
            }
        }
        orders
    };
    let reprice_all = include_str!("../../src/demo/traffic/reprice_all.sql");
    // The seller of most of these products.
    let reprice_all = reprice_all.replace("$1::float8", "0.15").replace("$2", "1");
    let sellers = async {
        for _ in 0..30 {
            shop.database.run(&reprice_all).await;
        }
    };
    let (first, second, third, fourth, ()) =
        join!(customer(1), customer(2), customer(3), customer(4), sellers);
    assert!(
        first + second + third + fourth > 0,
        "somebody got something"
    );
    let deadlocks =
        "select pg_stat_get_db_deadlocks(oid) from pg_database where datname = current_database()";
    assert_eq!(shop.database.value(deadlocks).await, "0");
}
