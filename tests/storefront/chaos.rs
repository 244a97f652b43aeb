use serde_json::json;

use super::{Client, Shop};
use crate::support::{client::changes_in, soon};

#[tokio::test]
async fn a_daemon_that_is_restarted_says_goodbye_and_is_back_at_its_address() {
    let shop = Shop::open().await;
    assert_eq!(
        shop.get("/api/chaos").await.with(200),
        json!({ "daemon": "up", "hot": null, "storm": null })
    );
    let mut client = shop.client_in(&["product:9"]).await;
    let since = client.cursor.clone();
    shop.post("/api/chaos/daemon", json!({})).await.with(200);
    assert_eq!(client.next_of("goodbye").await["code"], 4201);
    let once = shop.post("/api/chaos/daemon", json!({})).await.with(409);
    assert!(once["error"].is_string());
    assert_eq!(shop.get("/api/chaos").await.with(200)["daemon"], "down");

    // The shop goes on meanwhile.
    shop.patch("/api/products/9", json!({ "price": 9 }))
        .await
        .with(200);
    let back = async { while shop.get("/api/chaos").await.with(200)["daemon"] == "down" {} };
    soon("the daemon to be back", back).await;
    let mut client = Client::connect(shop.daemon).await;
    let subscribed = client.resume(&["product:9"], &since).await;
    assert_eq!(subscribed["rooms"][0]["status"], "replayed", "{subscribed}");
    assert_eq!(
        client.next_of("invalidate").await["changes"][0]["new"]["price"],
        9.0
    );
    drop(client);
    shop.close().await;
}

#[tokio::test]
async fn what_is_written_after_the_listener_was_ended_is_told() {
    let shop = Shop::open().await;
    let mut client = shop.client_in(&["product:9"]).await;
    assert_eq!(
        shop.post("/api/chaos/listener", json!({})).await.with(200),
        json!({ "ended": 1 })
    );
    shop.patch("/api/products/9", json!({ "price": 9 }))
        .await
        .with(200);
    let told = client.next_of("invalidate").await;
    assert_eq!(told["changes"][0]["new"]["price"], 9.0);
}

#[tokio::test]
async fn a_hot_row_is_told_in_few_messages_and_costs_afterwards_what_it_did_before() {
    let shop = Shop::open().await;
    let price = shop.get("/api/products/9").await.with(200)["price"].take();
    let mut client = shop.client_in(&["product:9"]).await;
    let hot = json!({ "product_id": 9, "per_second": 200, "seconds": 1 });
    shop.post("/api/chaos/hot", hot.clone()).await.with(200);
    shop.post("/api/chaos/hot", hot.clone()).await.with(409);
    assert_eq!(shop.get("/api/chaos").await.with(200)["hot"], hot);
    let over = async { while !shop.get("/api/chaos").await.with(200)["hot"].is_null() {} };
    soon("the row to cool down", over).await;
    assert_eq!(shop.get("/api/products/9").await.with(200)["price"], price);
    let changes = changes_in(&client.messages(&shop.database).await, "product:9");
    assert_eq!(changes.last().expect("a change")["new"]["price"], price);
}

#[tokio::test]
async fn after_a_storm_all_clients_are_back() {
    let shop = Shop::open().await;
    let weathered = shop
        .post("/api/chaos/storm", json!({ "clients": 40 }))
        .await
        .with(200);
    assert_eq!(weathered["clients"], 40);
    let back = |part: &str| weathered["back_ms"][part].as_u64().expect("milliseconds");
    assert!(
        back("p50") <= back("p99") && back("p99") <= back("max"),
        "{weathered}"
    );
    assert_eq!(shop.get("/api/chaos").await.with(200)["storm"], json!(null));
}

#[tokio::test]
async fn an_announcement_is_one_insert_and_everybody_hears_it() {
    let shop = Shop::open().await;
    let mut client = shop.client_in(&["buyers"]).await;
    let text = json!({ "text": "closed on Monday" });
    shop.post("/api/chaos/announce", text.clone())
        .await
        .with(200);
    let told = client.next_of("invalidate").await;
    let change = &told["changes"][0];
    assert_eq!(
        (&change["events"], &change["new"]),
        (&json!(["announcement:posted"]), &text)
    );
}
