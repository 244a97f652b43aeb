//! Sellers who ask for every room that they can name are told of their own shop, all of it, and of nothing else.

use std::collections::BTreeSet;

use pgbell::access::RoomRule;
use serde_json::{Value, json};

use super::{Site, join, role, rule, sql};
use crate::support::{
    client::{Client, text_of},
    daemon::Daemon,
    database::Database,
    scene::KINDS,
};

const OWN: &str = "select from products where id::text = $1
                      and seller_id::text = current_setting('request.jwt.claims')::jsonb ->> 'seller'";

fn rules() -> Vec<RoomRule> {
    vec![
        rule("seller:{seller}"),
        rule("shop_{store}"),
        rule("analytics:{seller}"),
        rule("user:{sub}"),
        role("admin:*", "admin"),
        sql("product:{id}", OWN),
        sql("order:{id}", &OWN.replace("products", "orders")),
        super::anyone("mark:*"),
    ]
}

/// Rooms of every kind that the triggers know, with every number, and spellings that mean to reach further.
fn every_name() -> Vec<String> {
    let kinds = KINDS.into_iter().chain(["category"]);
    let mut rooms: Vec<String> = Vec::new();
    for kind in kinds {
        rooms.extend((1..=30).map(|id| format!("{kind}:{id}")));
        for trick in [
            "{kind}:",
            "{kind}",
            "{kind}:11:12",
            "{kind}:12/",
            "{kind}:012",
            "{kind}:-12",
            "{kind}::12",
            "{kind}:12.0",
            "{kind}:+12",
            "{kind}:*",
            "{kind}:1*",
            "{kind}:{seller}",
            "{kind}:null",
            "{kind}:12 ",
            "{kind}:1_2",
            "{kind}/12",
            "{kind}:11@12",
            "{kind}:true",
            "{kind}:%31%32",
            "{kind}:１２",
        ] {
            rooms.push(trick.replace("{kind}", kind));
        }
        rooms.push(kind.to_uppercase() + ":12");
    }
    rooms.extend((1..=5).map(|id| format!("shop_{id}")));
    rooms.extend(
        [
            "shop_", "shop_1_2", "shop_02", "shop__2", "SHOP_2", "shop_2:", "shop_*", "*", "",
            "buyers", "sellers",
        ]
        .map(String::from),
    );
    rooms.extend(
        [
            "admin:orders",
            "admin:stock",
            "admin:metrics",
            "admin:",
            "Admin:orders",
            "pgbell:access",
        ]
        .map(String::from),
    );
    rooms
}

/// Work of two sellers in every table, the same for both.
const WORK: &str = "
    insert into orders (id, order_number, user_id, seller_id, store_id, total)
    values (21, 'A', 11, 11, 1, 10), (22, 'B', 12, 12, 2, 20);
    insert into order_items (order_id, product_id) values (21, 1), (22, 4);
    update orders set status = 'completed', payment_status = 'paid' where id in (21, 22);
    update products set price = price + 1, name = name || '!', status = 'inactive' where id in (1, 4);
    update inventory set quantity = quantity - 99 where product_id in (1, 4) and variant_id is null;
    insert into product_variants (id, product_id, sku) values (28, 1, 'x'), (29, 4, 'y');
    update product_variants set price = 3 where id in (28, 29);
    insert into sales (id, product_id, discount_percent) values (23, 1, 10), (24, 4, 20);
    update sales set discount_percent = 30 where id in (23, 24);
    update orders set status = 'shipped', note = 'x' where id in (21, 22);
    delete from sales where id in (23, 24);
    delete from product_variants where id in (28, 29);
    delete from orders where id in (21, 22);";

/// Room, entity and events of everything that was told.
fn told(messages: &[Value]) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    for message in messages {
        assert_eq!(message["type"], "invalidate", "{message}");
        for change in message["changes"].as_array().expect("changes") {
            for event in change["events"].as_array().expect("events") {
                let parts =
                    [&message["room"], &change["entity"], &change["id"], event].map(text_of);
                told.insert(parts.join(" "));
            }
        }
    }
    told
}

async fn subscribe_to_everything(client: &mut Client) -> BTreeSet<String> {
    let names = every_name();
    let mut joined = BTreeSet::new();
    for some in names.chunks(200) {
        let some: Vec<&str> = some.iter().map(String::as_str).collect();
        for answer in join(client, &some).await {
            match answer.strip_suffix(" live") {
                Some(room) => assert!(joined.insert(room.to_owned())),
                None => assert!(
                    answer.ends_with(" denied forbidden") || answer.ends_with(" denied bad_room"),
                    "{answer}"
                ),
            }
        }
    }
    joined
}

#[tokio::test]
async fn a_seller_who_asks_for_everything_sees_only_their_own_shop_and_all_of_it() {
    let database = Database::with_shop().await;
    // Orders that are there already when the sellers ask.
    let orders = "insert into orders (id, order_number, user_id, seller_id, store_id)
                  values (7, 'P', 11, 11, 1), (8, 'Q', 12, 12, 2)";
    database.run(orders).await;
    let guest = "do $$ begin create role pgbell_guest nologin;
                 exception when duplicate_object or unique_violation then null; end $$;
                 grant select on products, orders to pgbell_guest";
    database.run(guest).await;
    let site = Site::with(database, rules(), |_| {}).await;
    let open = Daemon::start(&site.database).await;

    let sellers = [
        (
            "11",
            "1",
            "seller:11 shop_1 analytics:11 user:11 product:1 product:2 product:3 order:7",
        ),
        (
            "12",
            "2",
            "seller:12 shop_2 analytics:12 user:12 product:4 order:8",
        ),
    ];
    let mut seen = Vec::new();
    for (seller, store, own) in sellers {
        let claims = json!({"seller": seller.parse::<u64>().expect("a number"), "store": store, "role": "seller"});
        let mut client = site.client(seller, claims).await;
        let own: BTreeSet<String> = own.split(' ').map(str::to_owned).collect();
        assert_eq!(subscribe_to_everything(&mut client).await, own);
        let rooms: Vec<&str> = own.iter().map(String::as_str).collect();
        let reference = open.client_in(&rooms).await;
        seen.push((client, reference));
    }
    let mut nobody = site.daemon.client().await;
    assert!(subscribe_to_everything(&mut nobody).await.is_empty());

    site.database.run(WORK).await;
    site.database
        .run("update orders set status = 'shipped' where id in (7, 8)")
        .await;
    let mut all = Vec::new();
    for (client, reference) in &mut seen {
        let got = told(&client.messages(&site.database).await);
        let expected = told(&reference.messages(&site.database).await);
        assert_eq!(got, expected, "all of it");
        assert!(got.len() > 20, "{got:?}");
        all.push(got);
    }
    assert!(all[0].is_disjoint(&all[1]));
    assert!(nobody.messages(&site.database).await.is_empty());
}
