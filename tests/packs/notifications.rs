use serde_json::Value;

use super::all;
use crate::support::{client::changes_in, scene::Scene};

fn insert(id: u32, user: &str, kind: &str) -> String {
    format!(
        "insert into notifications (id, user_id, kind, title) values ({id}, {user}, '{kind}', 'secret')"
    )
}

#[tokio::test]
async fn a_notification_is_told_to_its_user_by_its_kind() {
    let mut scene = Scene::with_packs(&["notifications"], "").await;
    let kinds = [
        ("order", "notification:order"),
        ("payment", "notification:payment"),
        ("shipping", "notification:shipping"),
        ("wholesale", "notification:wholesale"),
        ("quotation", "notification:quotation"),
        ("system", "notification:system"),
        ("birthday", "notification:system"),
    ];
    for (id, (kind, event)) in (1..).zip(kinds) {
        let told = format!("user:9 <- {event}");
        scene.told(&insert(id, "9", kind), &told).await;
        let changed = format!("update notifications set body = 'more' where id = {id}");
        scene.told(&changed, &told).await;
    }
    let read = "update notifications set read_at = now() where id in (1, 2)";
    scene.told(read, "user:9 <- notification:read").await;
    scene
        .told("update notifications set created_at = now()", "")
        .await;
    let moves = "update notifications set user_id = 10 where id = 1";
    scene
        .told(
            moves,
            "user:9 <- notification:deleted\n user:10 <- notification:order",
        )
        .await;
    let key = "update notifications set id = 20 where id = 2";
    scene
        .told(key, "user:9 <- notification:deleted notification:payment")
        .await;
    let goes = "delete from notifications where id = 1";
    scene.told(goes, "user:10 <- notification:deleted").await;
}

#[tokio::test]
async fn a_notification_without_a_user_is_told_to_everybody() {
    let mut scene = Scene::with_packs(&["notifications"], "").await;
    let everybody = ["buyers", "sellers"];
    let sql = insert(1, "null", "system");
    scene
        .told(&sql, &all(&everybody, "notification:system"))
        .await;
    let sql = "delete from notifications";
    scene
        .told(sql, &all(&everybody, "notification:deleted"))
        .await;
}

#[tokio::test]
async fn nothing_of_a_notification_is_shown() {
    let mut scene = Scene::with_packs(&["notifications"], "").await;
    let sql = format!(
        "{}; update notifications set title = 'other', read_at = now()",
        insert(1, "9", "order")
    );
    let messages = scene.client.messages_of(&scene.database, &sql).await;
    let changes = changes_in(&messages, "user:9");
    assert!(!changes.is_empty());
    for change in changes {
        assert_eq!(
            (&change["old"], &change["new"]),
            (&Value::Null, &Value::Null)
        );
    }
}
