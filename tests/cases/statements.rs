//! Whatever kind of statement writes, and whoever makes it write.

use serde_json::json;

use super::{PRODUCT, lines, order, release};
use crate::{
    support::scene::Scene,
    support::{
        client::{changes_in, expect, ids_in, told},
        database::Database,
        soon,
    },
};

/// Copies lines into a table, as an importer does.
pub(super) async fn copy(database: &Database, into: &str, text: &'static str) {
    let copying = async {
        let sink = database
            .client()
            .copy_in(&format!("copy {into} from stdin"))
            .await;
        let mut sink = std::pin::pin!(sink.expect("copy begins"));
        let text = bytes::Bytes::from_static(text.as_bytes());
        futures_util::SinkExt::send(&mut sink, text)
            .await
            .expect("sent");
        sink.finish().await.expect("copied");
    };
    soon("a copy", copying).await;
}

#[tokio::test]
async fn an_upsert_that_changes_nothing_tells_nothing_in_any_table() {
    let set = format!(
        "{}; insert into sales (id, product_id, discount_percent, starts_at) values (3, 1, 10, '2020-01-01')",
        order(5)
    );
    let mut scene = Scene::set(&set).await;
    for upsert in [
        "insert into products (id, store_id, seller_id, name, price) values (1, 1, 11, 'Kettle', 10.5)
         on conflict (id) do update set (name, price, updated_at) = (excluded.name, excluded.price, now())",
        "insert into inventory (product_id, quantity) values (2, 100)
         on conflict (product_id) where variant_id is null do update set quantity = excluded.quantity, updated_at = now()",
        "insert into sales (id, product_id, discount_percent, starts_at) values (3, 1, 10, '2020-01-01')
         on conflict (id) do update set discount_percent = excluded.discount_percent",
        "insert into orders (order_number, user_id, seller_id, store_id) values ('A-5', 9, 11, 1)
         on conflict (order_number) do update set status = excluded.status, updated_at = now()",
        "insert into orders (order_number, user_id, seller_id, store_id) values ('A-5', 9, 11, 1) on conflict do nothing",
    ] {
        scene.told(upsert, "").await;
    }
}

#[tokio::test]
async fn an_upsert_tells_new_rows_as_new_and_changed_rows_as_changed() {
    let mut scene = Scene::set("").await;
    let upsert = "insert into inventory (product_id, quantity, low_stock_threshold) values (1, 5, 10), (2, 100, 10)
                  on conflict (product_id) where variant_id is null do update set quantity = excluded.quantity";
    let told = lines(&["product:1"], "product:stock_changed")
        + &lines(&["seller:11", "shop_1"], "product:stock_changed stock:low")
        + &lines(&["admin:stock"], "stock:low");
    scene.told(upsert, &told).await;
}

#[tokio::test]
async fn a_copy_tells_every_row_of_every_table() {
    let mut scene = Scene::set("delete from inventory where product_id in (2, 4)").await;
    let orders = "orders (id, order_number, user_id, seller_id, store_id)";
    copy(
        &scene.database,
        orders,
        "5\tA-5\t9\t11\t1\n6\tA-6\t10\t12\t2\n",
    )
    .await;
    copy(
        &scene.database,
        "inventory (product_id, quantity)",
        "2\t4\n4\t5\n",
    )
    .await;
    copy(
        &scene.database,
        "sales (id, product_id, starts_at)",
        "3\t2\t2020-01-01\n",
    )
    .await;
    let stock = [
        "product:2",
        "product:4",
        "seller:11",
        "seller:12",
        "shop_1",
        "shop_2",
    ];
    let messages = scene.client.messages(&scene.database).await;
    for room in stock {
        let events = &told(&messages)[room];
        assert!(
            events.contains("product:stock_changed"),
            "{room}: {events:?}"
        );
    }
    for (room, ids) in [
        ("admin:orders", ["5", "6"].as_slice()),
        ("user:10", &["6"]),
        ("sale:3", &["3"]),
    ] {
        assert!(
            ids_in(&messages, room).iter().eq(ids),
            "{room}: {messages:?}"
        );
    }
}

#[tokio::test]
async fn a_merge_tells_what_each_of_its_branches_did() {
    let mut scene = Scene::set("").await;
    let release = release(&scene.database).await;
    if release < 15 {
        return;
    }
    let merge = "merge into products as p
                 using (values (1, 9.0), (2, 20.0), (3, 0), (9, 9.0)) as s (id, price) on p.id = s.id
                 when matched and s.price = 0 then delete
                 when matched then update set price = s.price
                 when not matched then insert (id, store_id, seller_id, price) values (s.id, 2, 12, s.price)";
    let merge = match release {
        17.. => format!(
            "with merged as ({merge} returning merge_action(), p.id) select count(*) from merged"
        ),
        _ => merge.to_owned(),
    };
    let told = lines(&["product:1"], "product:price_changed")
        + &lines(&["product:3"], "product:deleted product:stock_changed")
        + &lines(
            &["seller:11", "storefront:11", "store:1"],
            "product:price_changed product:deleted",
        )
        + &lines(
            &["seller:12", "storefront:12", "store:2"],
            "product:created",
        );
    scene.told(&merge, &told).await;
    scene.told(&merge.replace("(3, 0), ", ""), "").await;
}

#[tokio::test]
async fn several_writes_of_one_statement_are_all_told_and_each_once() {
    let mut scene = Scene::set("").await;
    let moved = "with taken as (update inventory set quantity = quantity - 5 where product_id = 2),
                      given as (update inventory set quantity = quantity + 5 where product_id = 4),
                      cheaper as (update products set price = 1 where id = 1),
                      gone as (delete from products where id = 3)
                 insert into products (id, store_id, seller_id) values (9, 2, 12)";
    let messages = scene.client.messages_of(&scene.database, moved).await;
    let expected = lines(&["product:1"], "product:price_changed")
        + &lines(&["product:3"], "product:deleted product:stock_changed")
        + &lines(
            &["product:2", "product:4", "shop_1", "shop_2"],
            "product:stock_changed",
        )
        + &lines(
            &["seller:11"],
            "product:stock_changed product:price_changed product:deleted",
        )
        + &lines(&["seller:12"], "product:stock_changed product:created")
        + &lines(
            &["storefront:11", "store:1"],
            "product:price_changed product:deleted",
        )
        + &lines(&["storefront:12", "store:2"], "product:created");
    assert_eq!(told(&messages), expect(&expected));
    for room in ["product:1", "product:2", "product:4", "store:2"] {
        let counts = changes_in(&messages, room);
        assert!(
            counts.iter().all(|change| change["count"] == 1),
            "{room}: {counts:?}"
        );
    }
}

#[tokio::test]
async fn two_updates_of_one_row_in_one_statement_tell_the_one_that_took_place() {
    let mut scene = Scene::set("").await;
    let sql = "with first as (update products set price = 1 where id = 1 returning id),
                    second as (update products set price = 2 where id = 1 returning id)
               select (select count(*) from first) + (select count(*) from second)";
    let messages = scene.client.messages_of(&scene.database, sql).await;
    let changes = changes_in(&messages, "product:1");
    let price = scene
        .database
        .value("select price::float from products where id = 1")
        .await;
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0]["new"]["price"].as_f64(), price.parse().ok());
}

#[tokio::test]
async fn writes_of_functions_triggers_rules_and_views_are_writes() {
    let set = "
        create function reprice(wanted bigint, amount numeric) returns void language sql
            as 'update products set price = amount where id = wanted';
        create table bids (product_id bigint, amount numeric);
        create function take_bid() returns trigger language plpgsql
            as 'begin perform reprice(new.product_id, new.amount); return new; end';
        create trigger take_bid after insert on bids for each row execute function take_bid();
        create rule take_back as on delete to bids do also
            update products set price = 3 where id = old.product_id;
        create view cheap as select id, price from products where price < 1000";
    let mut scene = Scene::set(set).await;
    for sql in [
        "select reprice(1, 1)",
        "insert into bids values (1, 2)",
        "delete from bids",
        "update cheap set price = 4 where id = 1",
        "do 'begin execute ''update products set price = 5 where id = 1''; end'",
        "prepare raise as update products set price = $1 where id = 1; execute raise (6)",
    ] {
        scene
            .told(sql, &lines(&PRODUCT, "product:price_changed"))
            .await;
    }
    let inserted = "insert into bids values (1, 7), (2, 7)";
    let rooms = [
        "product:1",
        "product:2",
        "seller:11",
        "storefront:11",
        "store:1",
    ];
    scene
        .told(inserted, &lines(&rooms, "product:price_changed"))
        .await;
}

#[tokio::test]
async fn what_a_before_trigger_makes_of_a_row_is_what_is_told() {
    let set = "
        create function tidy() returns trigger language plpgsql as $$
        begin
            if new.name = 'skip' then return null; end if;
            new.price := round(new.price);
            return new;
        end $$;
        create trigger tidy before insert or update on products for each row execute function tidy()";
    let mut scene = Scene::set(set).await;
    let messages = scene
        .client
        .messages_of(
            &scene.database,
            "update products set price = 11.7 where id = 1",
        )
        .await;
    assert_eq!(
        changes_in(&messages, "product:1")[0]["new"],
        json!({"price": 12.0})
    );
    scene
        .told("update products set price = 12.3 where id = 1", "")
        .await;
    scene
        .told("update products set name = 'skip', price = 1", "")
        .await;
    scene
        .told(
            "insert into products (id, store_id, seller_id, name) values (9, 1, 11, 'skip')",
            "",
        )
        .await;
    // Also a column that the statement does not name.
    let sql = "update products set status = 'inactive' where id = 2; update products set price = 20.2 where id = 2";
    let rooms = ["product:2", "seller:11", "storefront:11", "store:1"];
    scene
        .told(sql, &lines(&rooms, "product:availability_changed"))
        .await;
}

#[tokio::test]
async fn an_after_trigger_that_writes_the_same_row_again_has_both_writes_told() {
    let set = "
        create function tax() returns trigger language plpgsql as $$
        begin
            update products set price = new.price * 2 where id = new.id;
            return null;
        end $$;
        create trigger tax after insert or update on products for each row
            when (pg_trigger_depth() = 0) execute function tax()";
    let mut scene = Scene::set(set).await;
    let messages = scene
        .client
        .messages_of(
            &scene.database,
            "update products set price = 20 where id = 1",
        )
        .await;
    assert_eq!(
        told(&messages),
        expect(&lines(&PRODUCT, "product:price_changed"))
    );
    assert_eq!(changes_in(&messages, "product:1")[0]["count"], 2);
    let insert = "insert into products (id, store_id, seller_id, price) values (9, 1, 11, 5)";
    let told = lines(&["product:9"], "product:price_changed")
        + &lines(&PRODUCT[1..], "product:created product:price_changed");
    scene.told(insert, &told).await;
}

#[tokio::test]
async fn a_statement_that_returns_rows_is_told_like_one_that_does_not() {
    let mut scene = Scene::set("").await;
    let returning = match release(&scene.database).await {
        18.. => "old.price, new.price",
        _ => "price",
    };
    let sql = format!("update products set price = price + 1 where id = 1 returning {returning}");
    scene
        .told(&sql, &lines(&PRODUCT, "product:price_changed"))
        .await;
}
