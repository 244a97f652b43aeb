//! Changed keys, and rows that move to another owner: the old rooms hear it and the new ones.

use super::{ORDER, PRODUCT, lines, order};
use crate::{catalogue::SALES, support::scene::Scene};

#[tokio::test]
async fn a_changed_key_of_a_sale_is_one_gone_and_another_come() {
    let mut scene = Scene::set(SALES).await;
    let told = lines(&["sale:3"], "sale:deleted sale:ended")
        + &lines(&["sale:20"], "sale:created sale:started")
        + &lines(
            &["product:1", "seller:11", "storefront:11"],
            "sale:deleted sale:ended sale:created sale:started",
        );
    scene
        .told("update sales set id = 20 where id = 3", &told)
        .await;
    scene
        .database
        .run("update sales set id = 21 where id = 4")
        .await;
    let scheduled = "select string_agg(distinct id, ' ') from pgbell.schedule";
    assert_eq!(
        scene.database.value(scheduled).await,
        "20 21",
        "its moments go with it"
    );
}

#[tokio::test]
async fn a_changed_key_of_an_order_is_one_gone_and_another_come() {
    let mut scene = Scene::set(&order(5)).await;
    let told = lines(&["order:5"], "order:updated")
        + &lines(&["order:6"], "order:created")
        + &lines(&ORDER[1..], "order:updated order:created");
    scene
        .told("update orders set id = 6 where id = 5", &told)
        .await;
}

#[tokio::test]
async fn a_changed_key_of_a_stock_row_tells_nothing_because_nobody_knows_it() {
    let mut scene = Scene::set("").await;
    scene.told("update inventory set id = id + 100", "").await;
}

#[tokio::test]
async fn products_that_swap_their_keys_are_both_told() {
    let scene = "alter table products drop constraint products_pkey cascade;
                 alter table products add primary key (id) deferrable initially deferred";
    let mut scene = Scene::set(scene).await;
    let sql = "update products set id = 3 - id where id in (1, 2)";
    let rooms = [
        "product:1",
        "product:2",
        "seller:11",
        "storefront:11",
        "store:1",
    ];
    scene
        .told(sql, &lines(&rooms, "product:updated product:price_changed"))
        .await;
}

#[tokio::test]
async fn a_product_that_moves_with_a_new_price_tells_both_sides_both() {
    let mut scene = Scene::set("").await;
    let sql = "update products set seller_id = 12, price = 11 where id = 1";
    let both = "product:updated product:price_changed";
    let told = lines(&PRODUCT, both) + &lines(&["seller:12", "storefront:12"], both);
    scene.told(sql, &told).await;
}

#[tokio::test]
async fn an_order_that_moves_is_told_to_the_old_and_the_new_seller_shop_and_user() {
    let mut scene = Scene::set(&order(5)).await;
    scene
        .told(
            "update orders set seller_id = 12 where id = 5",
            &lines(
                &["order:5", "user:9", "seller:11", "seller:12"],
                "order:updated",
            ),
        )
        .await;
    scene
        .told(
            "update orders set store_id = 2 where id = 5",
            &lines(
                &["order:5", "user:9", "seller:12", "shop_1", "shop_2"],
                "order:updated",
            ),
        )
        .await;
    let all = [
        "order:5",
        "user:9",
        "user:10",
        "seller:12",
        "seller:11",
        "shop_2",
        "shop_1",
    ];
    let told = lines(&all, "order:updated order:status_changed order:shipped")
        + &lines(&["admin:orders"], "order:status_changed order:shipped");
    scene
        .told("update orders set user_id = 10, seller_id = 11, store_id = 1, status = 'shipped' where id = 5", &told)
        .await;
}

#[tokio::test]
async fn an_order_without_a_shop_is_told_to_the_shop_it_comes_from_and_goes_to() {
    let nullable = "alter table orders alter store_id drop not null, alter seller_id drop not null";
    let mut scene = Scene::set(&format!("{}; {nullable}", order(5))).await;
    let told = lines(
        &["order:5", "user:9", "seller:11", "shop_1"],
        "order:updated",
    );
    scene
        .told(
            "update orders set store_id = null, seller_id = null where id = 5",
            &told,
        )
        .await;
    scene
        .told(
            "update orders set store_id = 1, seller_id = 11 where id = 5",
            &told,
        )
        .await;
}

#[tokio::test]
async fn a_sale_that_moves_is_told_at_both_products_and_so_is_its_start() {
    let mut scene = Scene::set(SALES).await;
    let rooms = [
        "sale:4",
        "product:2",
        "seller:11",
        "storefront:11",
        "product:4",
        "seller:12",
        "storefront:12",
    ];
    scene
        .told(
            "update sales set product_id = 4 where id = 4",
            &lines(&rooms, "sale:updated"),
        )
        .await;
    let rooms = "select array_agg(distinct room order by room) from pgbell.schedule, unnest(rooms) as room where id = '4'";
    assert_eq!(
        scene.database.value(rooms).await,
        "{product:4,sale:4,seller:12,storefront:12}"
    );
}

#[tokio::test]
async fn stock_that_moves_to_another_product_is_told_at_both() {
    let mut scene = Scene::set("delete from inventory where product_id = 4").await;
    let rooms = [
        "product:2",
        "seller:11",
        "shop_1",
        "product:4",
        "seller:12",
        "shop_2",
    ];
    scene
        .told(
            "update inventory set product_id = 4 where product_id = 2",
            &lines(&rooms, "product:stock_changed"),
        )
        .await;
}
