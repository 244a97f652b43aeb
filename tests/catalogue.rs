//! Every event of the four core tables, in every room it is named for and in no other.

use serde_json::json;

use crate::support::{
    client::{changes_in, expect, told},
    daemon::Daemon,
    database::Database,
    scene::Scene,
    soon,
};

pub(crate) const ORDERS: &str = "insert into orders (id, order_number, user_id, seller_id, store_id, status, payment_status, total)
                      values (5, 'A-5', 9, 11, 1, 'pending', 'pending', 99.50)";

pub(crate) const SALES: &str = "insert into sales (id, product_id, discount_percent, starts_at, ends_at, stock_limit)
                     values (3, 1, 10, now() - interval '1 hour', now() + interval '1 hour', 2),
                            (4, 2, 10, now() + interval '1 hour', now() + interval '2 hours', null)";

#[tokio::test]
async fn products_tell_what_changed_to_whom_it_concerns() {
    let mut scene = Scene::set("").await;
    let new = "insert into products (id, store_id, seller_id, name, price, status) values (20, 1, 11, 'Rug', 5, 'active')";
    scene
        .told(new, "seller:11 <- product:created\n storefront:11 <- product:created\n store:1 <- product:created")
        .await;
    for (set, event) in [
        ("name = 'Pot'", "product:updated"),
        ("description = 'fine'", "product:updated"),
        ("images = '{a.png}'", "product:updated"),
        ("price = price + 1", "product:price_changed"),
        ("status = 'inactive'", "product:availability_changed"),
    ] {
        let everyone = ["product:1", "seller:11", "storefront:11", "store:1"];
        let lines = everyone.map(|room| format!("{room} <- {event}")).join("\n");
        scene
            .told(&format!("update products set {set} where id = 1"), &lines)
            .await;
    }
    for set in [
        r#"attributes = '{"size": 1}'"#,
        "options = '[1]'",
        "pack_sizes = '{6}'",
    ] {
        let lines =
            "product:1 <- product:attributes_changed\n storefront:11 <- product:attributes_changed";
        scene
            .told(&format!("update products set {set} where id = 1"), lines)
            .await;
    }
    scene
        .told(
            "update products set updated_at = now(), price = price where id = 1",
            "",
        )
        .await;
    scene
        .told(
            "delete from products where id = 20",
            "product:20 <- product:deleted\n seller:11 <- product:deleted\n
             storefront:11 <- product:deleted\n store:1 <- product:deleted",
        )
        .await;
}

#[tokio::test]
async fn a_product_that_moves_is_announced_where_it_was_and_where_it_is() {
    let mut scene = Scene::set("").await;
    scene
        .told(
            "update products set seller_id = 12, store_id = 2 where id = 1",
            "product:1 <- product:updated\n seller:11 <- product:updated\n seller:12 <- product:updated\n
             storefront:11 <- product:updated\n storefront:12 <- product:updated\n
             store:1 <- product:updated\n store:2 <- product:updated",
        )
        .await;
}

#[tokio::test]
async fn stock_tells_its_level_and_every_threshold_it_crosses() {
    let mut scene = Scene::set("").await;
    let of_product = |event| {
        ["product:1", "seller:11", "shop_1"]
            .map(|room| format!("{room} <- product:stock_changed {event}"))
            .join("\n")
    };
    let set = |sql: &str| {
        format!("update inventory set {sql} where product_id = 1 and variant_id is null")
    };
    scene.told(&set("quantity = 90"), &of_product("")).await;
    scene.told(&set("reserved = 5"), &of_product("")).await;
    scene.told(&set("quantity = 91, reserved = 6"), "").await;
    let low = "product:1 <- product:stock_changed\n admin:stock <- stock:low\n
               seller:11 <- product:stock_changed stock:low\n shop_1 <- product:stock_changed stock:low";
    scene.told(&set("quantity = 16"), low).await;
    scene.told(&set("quantity = 15"), &of_product("")).await;
    let out = format!("{}\n admin:stock <- stock:out", of_product("stock:out"));
    scene.told(&set("quantity = 6"), &out).await;
    scene
        .told(&set("quantity = 7"), &of_product("stock:restocked"))
        .await;
}

#[tokio::test]
async fn stock_of_a_variant_is_told_to_the_variant_and_its_product() {
    let mut scene = Scene::set("").await;
    let sql = "update inventory set quantity = 49 where variant_id = 7";
    let messages = scene.client.messages_of(&scene.database, sql).await;
    let rooms: Vec<_> = told(&messages).into_keys().collect();
    assert_eq!(rooms, ["product:1", "seller:11", "shop_1", "variant:7"]);
    let changes = changes_in(&messages, "product:1");
    assert_eq!(
        (&changes[0]["entity"], &changes[0]["id"]),
        (&json!("variant"), &json!("7"))
    );
    assert_eq!(
        (&changes[0]["old"], &changes[0]["new"]),
        (&json!({"available": 50}), &json!({"available": 49}))
    );
}

#[tokio::test]
async fn sales_tell_their_terms_and_when_they_begin_and_end() {
    let mut scene = Scene::set(SALES).await;
    let rooms = |sale: u32, product: u32, events: &str| {
        [
            format!("sale:{sale}"),
            format!("product:{product}"),
            "seller:11".into(),
            "storefront:11".into(),
        ]
        .map(|room| format!("{room} <- {events}"))
        .join("\n")
    };
    let insert = |id, starts: &str| {
        format!(
            "insert into sales (id, product_id, discount_percent, starts_at) values ({id}, 3, 5, now() {starts})"
        )
    };
    scene
        .told(
            &insert(20, "+ interval '1 day'"),
            &rooms(20, 3, "sale:created"),
        )
        .await;
    scene
        .told(
            &insert(21, "- interval '1 day'"),
            &rooms(21, 3, "sale:created sale:started"),
        )
        .await;
    let set = |id, sql: &str| format!("update sales set {sql} where id = {id}");
    scene
        .told(
            &set(3, "discount_percent = 20"),
            &rooms(3, 1, "sale:updated sale:discount_changed"),
        )
        .await;
    scene
        .told(
            &set(4, "starts_at = now() - interval '1 s'"),
            &rooms(4, 2, "sale:updated sale:started"),
        )
        .await;
    scene
        .told(
            &set(3, "sold_count = 2"),
            &rooms(3, 1, "sale:updated sale:sold_out"),
        )
        .await;
    scene
        .told(
            &set(3, "ends_at = now() - interval '1 s'"),
            &rooms(3, 1, "sale:updated sale:ended"),
        )
        .await;
    scene
        .told(
            "delete from sales where id = 20",
            &rooms(20, 3, "sale:deleted"),
        )
        .await;
    scene
        .told(
            "delete from sales where id = 21",
            &rooms(21, 3, "sale:deleted sale:ended"),
        )
        .await;
}

#[tokio::test]
async fn a_sale_begins_and_ends_when_its_time_has_come() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let other_daemon = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["sale:1"]).await;
    database
        .run("insert into sales (id, product_id, discount_percent, starts_at, ends_at)
              values (1, 1, 25, clock_timestamp() + interval '300 ms', clock_timestamp() + interval '600 ms')")
        .await;
    let mut events = Vec::new();
    while !events.contains(&json!("sale:ended")) {
        let message = soon("the sale to end", client.next_of("invalidate")).await;
        for change in message["changes"].as_array().unwrap() {
            events.extend(change["events"].as_array().unwrap().clone());
        }
    }
    assert_eq!(
        events,
        ["sale:created", "sale:started", "sale:ended"],
        "each once, with two daemons"
    );
    drop(other_daemon);
}

#[tokio::test]
async fn orders_tell_their_people_their_shop_and_the_back_office() {
    let mut scene = Scene::set(ORDERS).await;
    let all = |order, events: &str| {
        [
            &format!("order:{order}"),
            "user:9",
            "seller:11",
            "shop_1",
            "admin:orders",
        ]
        .map(|room| format!("{room} <- {events}"))
        .join("\n")
    };
    let new = "insert into orders (id, order_number, user_id, seller_id, store_id, status, payment_status, total)
               values (6, 'A-6', 9, 11, 1, 'pending', 'pending', 10)";
    scene.told(new, &all(6, "order:created")).await;
    let set = |sql: &str| format!("update orders set {sql} where id = 5");
    scene
        .told(
            &set("status = 'confirmed'"),
            &all(5, "order:status_changed"),
        )
        .await;
    for (status, event) in [
        ("shipped", "order:shipped"),
        ("cancelled", "order:cancelled"),
        ("refunded", "order:refunded"),
    ] {
        let events = format!("order:status_changed {event}");
        scene
            .told(&set(&format!("status = '{status}'")), &all(5, &events))
            .await;
    }
    let money = |events: &str| format!("analytics:11 <- {events}\n admin:metrics <- {events}");
    let completed = format!(
        "{}\n{}",
        all(5, "order:status_changed order:completed"),
        money("analytics:sale_completed analytics:revenue_updated")
    );
    scene.told(&set("status = 'completed'"), &completed).await;
    let paid = ["order:5", "user:9", "seller:11", "admin:orders"]
        .map(|room| format!("{room} <- order:payment_changed"));
    let paid = format!(
        "{}\n{}",
        paid.join("\n"),
        money("analytics:sale_completed analytics:revenue_updated")
    );
    scene.told(&set("payment_status = 'paid'"), &paid).await;
    let updated = ["order:5", "user:9", "seller:11"]
        .map(|room| format!("{room} <- order:updated"))
        .join("\n");
    scene.told(&set("note = 'gift'"), &updated).await;
    scene.told(&set("total = 100"), &updated).await;
    scene
        .told("delete from orders where id = 5", &all(5, "order:updated"))
        .await;
}

#[tokio::test]
async fn only_the_named_columns_leave_the_database() {
    let mut scene = Scene::set(ORDERS).await;
    let sql = "update orders set status = 'shipped', tracking_number = 'T-1', note = 'secret' where id = 5;
               update products set price = 11.25, name = 'Pot' where id = 1;
               update inventory set quantity = 1 where product_id = 2";
    let messages = scene.client.messages_of(&scene.database, sql).await;
    let shown = |room: &str| {
        let changes = changes_in(&messages, room);
        assert_eq!(changes.len(), 1, "{room}: {changes:?}");
        (
            changes[0]["old"].clone(),
            changes[0]["new"].clone(),
            changes[0]["count"].clone(),
        )
    };
    assert_eq!(
        shown("admin:orders"),
        (
            json!({"status": "pending", "tracking_number": null}),
            json!({"status": "shipped", "tracking_number": "T-1"}),
            json!(1)
        )
    );
    assert_eq!(
        shown("product:1"),
        (
            json!({"price": 10.5, "name": "Kettle"}),
            json!({"price": 11.25, "name": "Pot"}),
            json!(1)
        )
    );
    assert_eq!(
        shown("admin:stock"),
        (
            json!({"available": 100, "threshold": 10}),
            json!({"available": 1, "threshold": 10}),
            json!(1)
        )
    );
}

#[tokio::test]
async fn a_changed_key_is_one_product_gone_and_another_come() {
    let mut scene = Scene::set(
        "insert into products (id, store_id, seller_id, name) values (22, 2, 12, 'Hat')",
    )
    .await;
    scene
        .told(
            "update products set id = 23 where id = 22",
            "product:22 <- product:deleted\n seller:12 <- product:deleted product:created\n
             storefront:12 <- product:deleted product:created\n store:2 <- product:deleted product:created",
        )
        .await;
}

#[tokio::test]
async fn what_is_scheduled_for_a_product_follows_it_to_another_seller() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let mut client = daemon
        .client_in(&["seller:11", "seller:12", "storefront:12"])
        .await;
    let scheduled = "insert into sales (product_id, discount_percent, starts_at)
                     values (1, 5, clock_timestamp() + interval '1 hour')";
    database.run(scheduled).await;
    database
        .run("update products set seller_id = 12 where id = 1")
        .await;
    client.messages(&database).await;
    let due = "update pgbell.schedule set due_at = clock_timestamp()";
    let mut told = client.told_of(&database, due).await;
    while told.is_empty() {
        told = client.told_of(&database, "select 1").await;
    }
    assert_eq!(
        told,
        expect("seller:12 <- sale:started\n storefront:12 <- sale:started")
    );
}

#[tokio::test]
async fn a_sale_without_an_end_is_no_trouble() {
    let database = Database::with_shop().await;
    let daemon = Daemon::start(&database).await;
    let mut client = daemon.client_in(&["product:1"]).await;
    let endless = "insert into sales (product_id, discount_percent, starts_at, ends_at) values (1, 5, now(), 'infinity')";
    let told = client.told_of(&database, endless).await;
    assert_eq!(told, expect("product:1 <- sale:created sale:started"));
    let by_hand = "insert into pgbell.schedule (entity, id, what, due_at) values ('x', '1', 'never', 'infinity')";
    assert_eq!(client.told_of(&database, by_hand).await, expect(""));
}
