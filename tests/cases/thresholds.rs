//! Thresholds are crossed by rows, however many of them one statement touches.

use super::lines;
use crate::{catalogue::SALES, support::scene::Scene};

#[tokio::test]
async fn each_row_of_one_statement_crosses_its_own_threshold_up_or_down() {
    let mut scene = Scene::set("").await;
    // Product 1 falls to low, its variant to nothing, product 2 stays above, product 3 comes back.
    let sql = "update inventory
                  set quantity = case when variant_id = 7 then 0
                                      when product_id = 1 then 10
                                      when product_id = 2 then 11
                                      else 5 end
                where product_id in (1, 2, 3)";
    let told = lines(
        &["product:1", "variant:7"],
        "product:stock_changed stock:out",
    ) + &lines(&["product:2"], "product:stock_changed")
        + &lines(&["product:3"], "product:stock_changed stock:restocked")
        + &lines(&["admin:stock"], "stock:low stock:out")
        + &lines(
            &["seller:11", "shop_1"],
            "product:stock_changed stock:low stock:out stock:restocked",
        );
    // The variant's change is told to its product, too; the product's own is told as another entity.
    scene.told(sql, &told).await;
}

#[tokio::test]
async fn a_threshold_that_is_moved_over_the_stock_is_a_crossing() {
    let mut scene = Scene::set("").await;
    let sql = "update inventory set low_stock_threshold = 100 where product_id = 2";
    scene
        .told(
            sql,
            &lines(&["seller:11", "shop_1", "admin:stock"], "stock:low"),
        )
        .await;
    scene
        .told(
            "update inventory set low_stock_threshold = null where product_id = 2",
            "",
        )
        .await;
    let sql = "update inventory set quantity = 10 where product_id = 2";
    let told = lines(&["product:2"], "product:stock_changed")
        + &lines(&["seller:11", "shop_1"], "product:stock_changed stock:low")
        + &lines(&["admin:stock"], "stock:low");
    scene.told(sql, &told).await;
}

#[tokio::test]
async fn what_is_reserved_counts_as_gone() {
    let mut scene = Scene::set("").await;
    let told = lines(&["product:2"], "product:stock_changed stock:out")
        + &lines(
            &["seller:11", "shop_1"],
            "product:stock_changed stock:low stock:out",
        )
        + &lines(&["admin:stock"], "stock:low stock:out");
    scene
        .told(
            "update inventory set reserved = quantity where product_id = 2",
            &told,
        )
        .await;
}

#[tokio::test]
async fn several_sales_sell_out_in_one_statement_and_each_once() {
    let mut scene = Scene::set(&format!(
        "{SALES}; update sales set stock_limit = 5 where id = 4"
    ))
    .await;
    let told = lines(&["sale:3", "product:1"], "sale:updated sale:sold_out")
        + &lines(&["sale:4", "product:2"], "sale:updated")
        + &lines(
            &["seller:11", "storefront:11"],
            "sale:updated sale:sold_out",
        );
    scene
        .told("update sales set sold_count = sold_count + 2", &told)
        .await;
    let told = lines(
        &["sale:3", "product:1", "sale:4", "product:2"],
        "sale:updated",
    ) + &lines(&["seller:11", "storefront:11"], "sale:updated");
    scene
        .told("update sales set sold_count = sold_count + 1", &told)
        .await;
}
