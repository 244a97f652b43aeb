//! What foreign keys and TRUNCATE do to other tables is told like any other write.

use super::{PRODUCT, lines};
use crate::{catalogue::SALES, support::scene::Scene};

/// Keys of products may change, and take along what refers to them.
const KEYS_MAY_CHANGE: &str = "
    alter table product_variants drop constraint product_variants_product_id_fkey,
        add foreign key (product_id) references products on update cascade on delete cascade;
    alter table inventory drop constraint inventory_product_id_fkey,
        add foreign key (product_id) references products on update cascade on delete cascade;
    alter table sales drop constraint sales_product_id_fkey,
        add foreign key (product_id) references products on update cascade on delete cascade;";

#[tokio::test]
async fn a_category_that_goes_leaves_products_that_are_told_as_changed() {
    let set = "insert into categories (id, name) values (1, 'Kitchen'); update products set category_id = 1 where id = 1";
    let mut scene = Scene::set(set).await;
    scene
        .told(
            "delete from categories",
            &lines(&PRODUCT, "product:updated"),
        )
        .await;
}

#[tokio::test]
async fn products_that_go_take_stock_and_sales_along_in_one_statement() {
    let mut scene = Scene::set(SALES).await;
    let told = lines(
        &["product:1"],
        "product:deleted product:stock_changed sale:deleted sale:ended",
    ) + &lines(
        &["product:2"],
        "product:deleted product:stock_changed sale:deleted",
    ) + &lines(&["variant:7"], "product:stock_changed")
        + &lines(&["sale:3"], "sale:deleted sale:ended")
        + &lines(&["sale:4"], "sale:deleted")
        + &lines(
            &["seller:11", "storefront:11", "store:1"],
            "product:deleted",
        );
    scene
        .told("delete from products where id in (1, 2)", &told)
        .await;
    assert_eq!(
        scene
            .database
            .value("select count(*) from pgbell.schedule")
            .await,
        "0"
    );
}

#[tokio::test]
async fn a_variant_that_goes_takes_its_stock_along() {
    let mut scene = Scene::set("").await;
    let rooms = ["variant:7", "product:1", "seller:11", "shop_1"];
    scene
        .told(
            "delete from product_variants",
            &lines(&rooms, "product:stock_changed"),
        )
        .await;
}

#[tokio::test]
async fn a_changed_key_takes_stock_and_sales_along_and_both_keys_hear_it() {
    let mut scene = Scene::set(&format!("{KEYS_MAY_CHANGE} {SALES}")).await;
    let told = lines(
        &["product:1"],
        "product:deleted product:stock_changed sale:updated",
    ) + &lines(&["product:20"], "product:stock_changed sale:updated")
        + &lines(&["variant:7"], "product:stock_changed")
        + &lines(&["sale:3"], "sale:updated")
        + &lines(&["shop_1"], "product:stock_changed")
        + &lines(&["store:1"], "product:deleted product:created")
        + &lines(
            &["storefront:11"],
            "product:deleted product:created sale:updated",
        )
        + &lines(
            &["seller:11"],
            "product:deleted product:created product:stock_changed sale:updated",
        );
    scene
        .told("update products set id = 20 where id = 1", &told)
        .await;
    let rooms = "select bool_and('product:20' = any (rooms)) from pgbell.schedule where id = '3'";
    assert_eq!(scene.database.value(rooms).await, "true");
}

#[tokio::test]
async fn a_row_that_two_keys_of_one_statement_change_fails_no_write_and_is_told() {
    // The statement's tables of old and new rows then hold the sale twice, once for each key.
    let set = format!(
        "alter table sales add column gift_id bigint references products on update cascade;
         {KEYS_MAY_CHANGE} {SALES}; update sales set gift_id = product_id"
    );
    let mut scene = Scene::set(&set).await;
    scene.database.run("delete from inventory").await;
    scene.client.messages(&scene.database).await;
    let told = lines(&["product:2"], "product:deleted sale:updated")
        + &lines(&["sale:4", "product:20"], "sale:updated")
        + &lines(&["store:1"], "product:deleted product:created")
        + &lines(
            &["seller:11", "storefront:11"],
            "product:deleted product:created sale:updated",
        );
    scene
        .told("update products set id = 20 where id = 2", &told)
        .await;
    let rooms = "select count(*) || ' ' || bool_and('product:20' = any (rooms)) from pgbell.schedule where id = '4'";
    assert_eq!(
        scene.database.value(rooms).await,
        "2 true",
        "start and end are the new product's"
    );
}

#[tokio::test]
async fn truncate_cascade_resyncs_the_rooms_of_every_table_it_empties() {
    let mut scene = Scene::set(SALES).await;
    let told = scene
        .client
        .told_of(&scene.database, "truncate products cascade")
        .await;
    for room in [
        "product:1",
        "variant:7",
        "sale:3",
        "seller:12",
        "storefront:11",
        "store:2",
        "shop_1",
    ] {
        assert!(told[room].contains("resync"), "{room}: {told:?}");
    }
    for room in ["order:5", "user:9", "buyers", "admin:orders"] {
        assert!(!told.contains_key(room), "{room}: {told:?}");
    }
    assert_eq!(
        scene
            .database
            .value("select count(*) from pgbell.schedule")
            .await,
        "0"
    );
}
