use std::net::{Ipv4Addr, SocketAddr};

use super::database::Database;
use crate::gateway::DemoPage;

/// What the demo's own page shows beyond what every console shows.
pub(super) fn page(database: &Database) -> DemoPage {
    let rooms = [
        "product:1",
        "product:2",
        "seller:1",
        "shop_1",
        "admin:orders",
        "admin:stock",
        "admin:metrics",
    ];
    DemoPage {
        psql: database.psql(),
        rooms: rooms.map(String::from).to_vec(),
    }
}

/// What to look at, and what to type into other terminals.
pub(super) fn welcome(psql: &str, mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let url = match address.port() {
        8787 => String::new(),
        _ => format!(" --url ws://{address}/ws"),
    };
    format!(
        "
  page     http://{address}/
  psql     {psql}
           update products set price = price + 1 where id = 1;
  changes  pgbell sub product:1{url}
  stop     Ctrl-C

"
    )
}
