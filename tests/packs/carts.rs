use serde_json::json;

use super::all;
use crate::support::{client::changes_in, scene::Scene};

const CARTS: &str = "insert into carts (id, user_id) values (1, 9), (2, 10), (3, null);
                     insert into cart_items (id, cart_id, product_id) values (1, 1, 1), (2, 1, 2), (3, 2, 3), (4, 3, 3)";

#[tokio::test]
async fn whatever_is_done_to_a_cart_is_told_to_the_devices_of_its_user() {
    let mut scene = Scene::with_packs(&["carts"], CARTS).await;
    for sql in [
        "insert into cart_items (id, cart_id, product_id) values (5, 1, 3), (6, 1, 4)",
        "update cart_items set quantity = 2 where id = 1",
        "update cart_items set variant_id = 7 where id = 1",
        "update cart_items set id = 11 where id = 1",
        "delete from cart_items where id = 2",
        "delete from cart_items where cart_id = 1",
        "insert into carts (id, user_id) values (20, 9)",
        "update carts set id = 21 where id = 20",
    ] {
        scene.told(sql, "cart:9 <- cart:updated").await;
    }
    for sql in [
        "update cart_items set quantity = quantity, added_at = clock_timestamp()",
        "update carts set created_at = clock_timestamp()",
        "update cart_items set quantity = 5 where id = 4",
        "delete from carts where id = 3",
    ] {
        scene.told(sql, "").await;
    }
}

#[tokio::test]
async fn a_cart_that_is_deleted_whole_is_told_with_its_items_or_without() {
    let mut scene = Scene::with_packs(&["carts"], CARTS).await;
    let sql = "delete from carts where id in (1, 2)";
    scene
        .told(sql, &all(&["cart:9", "cart:10"], "cart:updated"))
        .await;
}

#[tokio::test]
async fn an_item_that_moves_is_told_to_both_carts_and_a_cart_to_both_users() {
    let mut scene = Scene::with_packs(&["carts"], CARTS).await;
    let both = all(&["cart:9", "cart:10"], "cart:updated");
    scene
        .told("update cart_items set cart_id = 2 where id = 1", &both)
        .await;
    scene
        .told("update carts set user_id = 10 where id = 1", &both)
        .await;
    let signs_in = "update carts set user_id = 12 where id = 3";
    scene.told(signs_in, "cart:12 <- cart:updated").await;
    let guest_item = "update cart_items set cart_id = 2 where id = 4";
    scene
        .told(guest_item, &all(&["cart:12", "cart:10"], "cart:updated"))
        .await;
}

#[tokio::test]
async fn a_product_that_is_deleted_leaves_the_carts() {
    let mut scene = Scene::with_packs(&["carts"], CARTS).await;
    let sql = "delete from products where id = 2";
    let messages = scene.client.messages_of(&scene.database, sql).await;
    assert_eq!(changes_in(&messages, "cart:9").len(), 1);
    assert_eq!(changes_in(&messages, "cart:10").len(), 0);
}

#[tokio::test]
async fn many_items_of_one_statement_are_one_change_of_the_cart() {
    let mut scene = Scene::with_packs(&["carts"], CARTS).await;
    let sql = "insert into cart_items (id, cart_id, product_id) select n, 1, 1 from generate_series(11, 110) as n";
    let messages = scene.client.messages_of(&scene.database, sql).await;
    let changes = changes_in(&messages, "cart:9");
    assert_eq!(changes.len(), 1);
    assert_eq!(
        (&changes[0]["entity"], &changes[0]["id"]),
        (&json!("cart"), &json!("1"))
    );
    assert_eq!(
        (&changes[0]["op"], &changes[0]["count"]),
        (&json!("update"), &json!(1))
    );
}
