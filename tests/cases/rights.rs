//! Row-level security hides rows from writers, and must hide nothing from those who are told.

use super::{PRODUCT, apply, lines};
use crate::{
    catalogue::SALES,
    support::database::{Database, trigger_file},
    support::scene::Scene,
};

/// Sellers see their own products and nothing of others, not even whoever owns the table.
const SECURED: &str = "
    do 'begin create role seller_of_11 nologin; exception when duplicate_object or unique_violation then null; end';
    grant select, insert, update, delete on products, inventory, sales to seller_of_11;
    alter table products enable row level security;
    alter table products force row level security;
    create policy own on products to seller_of_11 using (seller_id = 11);
    alter table inventory enable row level security;
    alter table inventory force row level security;
    create policy own on inventory to seller_of_11
        using (exists (select from products where products.id = product_id));";

fn as_seller(sql: &str) -> String {
    format!("begin; set local role seller_of_11; {sql}; commit")
}

async fn secured() -> Scene {
    let database = Database::with_shop().await;
    database.run(&format!("{SALES}; {SECURED}")).await;
    for table in ["inventory", "sales"] {
        apply(&database, trigger_file(table)).await;
    }
    Scene::on(database).await
}

#[tokio::test]
async fn a_writer_who_sees_a_part_of_a_table_writes_that_part_and_it_is_told() {
    let mut scene = secured().await;
    let rooms = [
        "product:1",
        "product:2",
        "product:3",
        "seller:11",
        "storefront:11",
        "store:1",
    ];
    scene
        .told(
            &as_seller("update products set price = price + 1"),
            &lines(&rooms, "product:price_changed"),
        )
        .await;
    scene
        .told(&as_seller("update products set price = 1 where id = 4"), "")
        .await;
    let sql = "insert into products (id, store_id, seller_id) values (9, 1, 11)";
    scene
        .told(&as_seller(sql), &lines(&PRODUCT[1..], "product:created"))
        .await;
}

#[tokio::test]
async fn seller_and_shop_hear_of_stock_and_sales_although_their_products_are_secured() {
    let mut scene = secured().await;
    let stock = ["product:2", "seller:11", "shop_1"];
    let sql = "update inventory set quantity = quantity - 1 where product_id in (2, 4)";
    scene
        .told(&as_seller(sql), &lines(&stock, "product:stock_changed"))
        .await;
    let sale = ["sale:3", "product:1", "seller:11", "storefront:11"];
    let sql = "update sales set discount_percent = 20 where id = 3";
    scene
        .told(
            &as_seller(sql),
            &lines(&sale, "sale:updated sale:discount_changed"),
        )
        .await;
}

#[tokio::test]
async fn whoever_applies_the_files_again_finds_the_policy_there() {
    let scene = secured().await;
    for table in ["inventory", "sales"] {
        apply(&scene.database, trigger_file(table)).await;
    }
    let policies = "select string_agg(polname, ' ' order by polname) from pg_policy where polrelid = 'products'::regclass";
    assert_eq!(scene.database.value(policies).await, "own pgbell_reads");
}

#[tokio::test]
async fn a_session_that_would_rather_fail_than_see_a_part_writes_all_the_same() {
    let mut scene = secured().await;
    let stock = ["product:1", "seller:11", "shop_1"];
    let sql = "begin; set local row_security = off;
               update inventory set quantity = quantity - 1 where product_id = 1 and variant_id is null; commit";
    scene
        .told(sql, &lines(&stock, "product:stock_changed"))
        .await;
    let sale = ["sale:3", "product:1", "seller:11", "storefront:11"];
    let sql = "begin; set local row_security = off;
               update sales set discount_percent = 20 where id = 3; commit";
    scene
        .told(sql, &lines(&sale, "sale:updated sale:discount_changed"))
        .await;
}
