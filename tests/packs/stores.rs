use serde_json::json;

use super::all;
use crate::support::{client::changes_in, scene::Scene};

#[tokio::test]
async fn a_store_tells_whoever_looks_at_it_or_at_a_storefront_in_it() {
    let mut scene = Scene::with_packs(&["stores"], "").await;
    let shown = ["store:1", "buyers", "storefront:11"];
    for (set, events) in [
        ("name = 'Northern'", "store:updated"),
        ("status = 'inactive'", "store:availability_changed"),
        (
            "name = 'North', status = 'active'",
            "store:updated store:availability_changed",
        ),
    ] {
        let sql = format!("update stores set {set} where id = 1");
        scene.told(&sql, &all(&shown, events)).await;
    }
    let nothing = "update stores set name = name, updated_at = clock_timestamp()";
    scene.told(nothing, "").await;
    let comes = "insert into stores (id, name) values (20, 'East')";
    scene
        .told(comes, &all(&["store:20", "buyers"], "store:updated"))
        .await;
    let another_key = "update stores set id = 21 where id = 20";
    let both = all(&["store:20", "store:21", "buyers"], "store:updated");
    scene.told(another_key, &both).await;
    let goes = "delete from stores where id = 2";
    let shown = ["store:2", "buyers", "storefront:12"];
    scene.told(goes, &all(&shown, "store:updated")).await;
}

#[tokio::test]
async fn a_store_shows_its_name_and_whether_it_is_open() {
    let mut scene = Scene::with_packs(&["stores"], "").await;
    let sql = "update stores set name = 'Pole', status = 'inactive' where id = 1";
    let messages = scene.client.messages_of(&scene.database, sql).await;
    let changes = changes_in(&messages, "buyers");
    assert_eq!(changes.len(), 1);
    assert_eq!(
        (&changes[0]["entity"], &changes[0]["id"]),
        (&json!("store"), &json!("1"))
    );
    let shown = (changes[0]["old"].clone(), changes[0]["new"].clone());
    let old = json!({"name": "North", "status": "active"});
    assert_eq!(shown, (old, json!({"name": "Pole", "status": "inactive"})));
}

#[tokio::test]
async fn a_store_with_more_products_than_are_counted_is_shown_in_any_storefront() {
    let mut scene = Scene::with_packs(&["stores"], "").await;
    let sql = "set pgbell.bulk_limit = 2; update stores set name = 'x' where id = 1";
    let messages = scene.client.messages_of(&scene.database, sql).await;
    let told = crate::support::client::told(&messages);
    for room in ["storefront:11", "storefront:24"] {
        assert!(told[room].contains("resync"), "{room}: {told:?}");
    }
    assert!(told["store:1"].contains("store:updated"), "{told:?}");
}
