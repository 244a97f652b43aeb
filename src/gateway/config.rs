use std::{net::SocketAddr, time::Duration};

use bytesize::ByteSize;
use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Serialize};

/// The `[gateway]` section: the listening socket and what clients may do.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port to listen on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// A session that was sent nothing else for this long gets a heartbeat.
    #[serde(with = "compact::required")]
    pub heartbeat: Duration,
    /// Most connections at a time; further ones are closed with 4004.
    pub max_connections: usize,
    /// Most connections that speak HTTP, WebSockets to be among them; further ones wait to be
    /// accepted.
    pub max_http_connections: usize,
    /// Most rooms one connection may be in.
    pub max_rooms_per_connection: usize,
    /// Most rooms in one message.
    pub max_rooms_per_message: usize,
    /// Largest message a client may send; larger ones close the connection with 1009.
    pub max_message_size: ByteSize,
    /// A session that accepts no byte for this long is closed with 4102.
    #[serde(with = "compact::required")]
    pub write_deadline: Duration,
    /// Bound on reading the head of an HTTP request.
    #[serde(with = "compact::required")]
    pub header_timeout: Duration,
    /// Bound on an orderly shutdown. Clients are sent away over four fifths of it.
    #[serde(with = "compact::required")]
    pub drain: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8787)),
            heartbeat: Duration::from_secs(25),
            max_connections: 10_000,
            max_http_connections: 1_000,
            max_rooms_per_connection: 1_000,
            max_rooms_per_message: 1_000,
            max_message_size: ByteSize::kib(64),
            write_deadline: Duration::from_secs(10),
            header_timeout: Duration::from_secs(5),
            drain: Duration::from_secs(5),
        }
    }
}
