//! A demo whose database speaks TLS.

use pgbell::demo::storefront::Settings;
use serde_json::json;

use super::Shop;
use crate::support::{
    certificates::{Authority, Files},
    server::Server,
};

#[tokio::test]
async fn the_shop_reaches_a_database_as_its_url_says_and_in_no_other_way() {
    let (server, authority, files) = (
        Server::with_roles().await,
        Authority::new("ours"),
        Files::new(),
    );
    let identity = authority.server(&["db.internal"]);
    server.identify(&identity, &authority).await;
    let (port, trusted) = (
        server.addr().port(),
        files.write("ours.crt", &authority.pem),
    );
    let url = format!(
        "postgres://postgres@db.internal:{port}/shop?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={}",
        trusted.display()
    );
    let shop = Shop::on(server.database().await, url, Settings::default(), 0.0).await;
    let mut client = shop.client_in(&["product:9"]).await;
    shop.patch("/api/products/9", json!({ "price": 9 }))
        .await
        .with(200);
    let told = client.next_of("invalidate").await;
    assert_eq!(told["changes"][0]["new"]["price"], 9.0);
    let connections =
        "select concat_ws(' ', bool_or(application_name = 'pgbell shop'), bool_and(ssl))
                         from pg_stat_activity join pg_stat_ssl using (pid)
                        where datname = 'shop' and application_name like 'pgbell%'";
    assert_eq!(shop.database.value(connections).await, "t t");
    let bounds = "select count(*) from pg_stat_activity where application_name = 'pgbell shop' and state = 'idle'";
    assert_ne!(shop.database.value(bounds).await, "0");
    drop(client);
    shop.close().await;
}
