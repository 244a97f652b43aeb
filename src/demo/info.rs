use std::net::SocketAddr;

use serde::Serialize;

use super::database::Database;

/// What the demo's own page shows beyond what every console shows.
#[derive(Clone, Debug, Serialize)]
pub struct Info {
    /// The command that opens psql on the shop.
    pub psql: String,
    /// Rooms in which something happens.
    pub rooms: Vec<String>,
}

impl Info {
    pub(super) fn of(database: &Database) -> Self {
        let rooms = [
            "product:1",
            "product:2",
            "seller:1",
            "shop_1",
            "admin:orders",
            "admin:stock",
        ];
        Self {
            psql: database.psql(),
            rooms: rooms.map(String::from).to_vec(),
        }
    }

    /// What to look at, and what to type into other terminals.
    pub(super) fn welcome(&self, address: SocketAddr) -> String {
        let psql = &self.psql;
        let port = address.port();
        let url = match port {
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
}
