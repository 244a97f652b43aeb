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
pub(super) fn welcome(psql: &str, shop: SocketAddr, daemon: SocketAddr) -> String {
    let (shop, daemon) = (reachable(shop), reachable(daemon));
    let url = match daemon.port() {
        8787 => String::new(),
        _ => format!(" --url ws://{daemon}/ws"),
    };
    format!(
        "
  shop     http://{shop}/
  page     http://{daemon}/
  psql     {psql}
           update products set price = price + 1 where id = 1;
  changes  pgbell sub product:1{url}
  open     every room, every origin, console, /health and /metrics, to whoever reaches
           these addresses; what is not a demo has rules: docs/access.md
  stop     Ctrl-C

"
    )
}

/// The address to type on this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}
