use std::{net::SocketAddr, time::Duration};

use bytesize::ByteSize;
use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Serialize};

use super::certificates::TlsConfig;
use super::edge::{AdminConfig, ForwardedHeader, Network, is_origin};

/// The `[gateway]` section: the listening socket and what clients may do.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port to listen on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Pages that may connect from a browser, `https://shop.example.com`.
    pub origins: Vec<String>,
    /// Proxies whose word on the address of a client is taken, `10.0.0.0/8`.
    pub trusted_proxies: Vec<String>,
    /// The header in which they give it.
    pub forwarded_header: ForwardedHeader,
    /// A session that was sent nothing else for this long gets a heartbeat.
    #[serde(with = "compact::required")]
    pub heartbeat: Duration,
    /// Most connections at a time; further ones are closed with 4004.
    pub max_connections: usize,
    /// Most connections that speak HTTP, WebSockets to be among them; further ones wait to be
    /// accepted.
    pub max_http_connections: usize,
    /// Most connections of one client address; further ones are closed with 4004. Here and below, an
    /// IPv6 address counts with its whole /64.
    pub max_connections_per_address: usize,
    /// Most connections of one address that speak HTTP; for further ones, those of its own that have
    /// been silent for longest are cut off.
    pub max_http_connections_per_address: usize,
    /// Most connections of one user, by the `sub` of their tokens; further ones are closed with 4004.
    pub max_connections_per_user: usize,
    /// New connections of one address per second; further ones are cut off.
    pub connection_rate: u32,
    /// New connections of one address at once, after a rest.
    pub connection_burst: u32,
    /// Addresses without limits of their own.
    pub unlimited_addresses: Vec<String>,
    /// Messages of one connection per second; further ones are refused, and in the end closed with 4103.
    pub message_rate: u32,
    /// Messages of one connection at once, after a rest.
    pub message_burst: u32,
    /// Rooms that one connection may name in its messages per second.
    pub subscribe_rate: u32,
    /// Rooms that one connection may name at once, after a rest.
    pub subscribe_burst: u32,
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
    /// Where the operator's paths are, and for whom.
    pub admin: AdminConfig,
    /// Certificate and key, where TLS ends here.
    pub tls: TlsConfig,
}

impl Config {
    /// Whether every listed origin is one that a browser could send.
    pub fn has_valid_origins(&self) -> bool {
        self.origins.iter().all(|origin| is_origin(origin))
    }

    /// Whether each of these is an address or a network.
    pub fn are_networks(texts: &[String]) -> bool {
        texts.iter().all(|text| text.parse::<Network>().is_ok())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8787)),
            heartbeat: Duration::from_secs(25),
            origins: Vec::new(),
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::default(),
            max_connections: 10_000,
            max_http_connections: 1_000,
            max_connections_per_address: 500,
            max_http_connections_per_address: 250,
            max_connections_per_user: 100,
            connection_rate: 50,
            connection_burst: 500,
            unlimited_addresses: ["127.0.0.0/8", "::1"].map(String::from).to_vec(),
            message_rate: 100,
            message_burst: 2_000,
            subscribe_rate: 500,
            subscribe_burst: 10_000,
            max_rooms_per_connection: 1_000,
            max_rooms_per_message: 1_000,
            max_message_size: ByteSize::kib(64),
            write_deadline: Duration::from_secs(10),
            header_timeout: Duration::from_secs(5),
            drain: Duration::from_secs(5),
            admin: AdminConfig::default(),
            tls: TlsConfig::default(),
        }
    }
}
