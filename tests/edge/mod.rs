//! What the daemon asks of whoever comes, and what becomes of those who abuse it.

mod abuse;
mod addresses;
mod encryption;
mod frames;
mod heads;
mod operator;
mod origins;
mod pace;
mod slowloris;
mod users;

use std::net::SocketAddr;

use tokio::net::{TcpSocket, TcpStream};

use crate::support::{client::Client, soon};

/// A connection that comes from 127.0.0.`last`.
async fn connect(last: u8, addr: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    let from = ([127, 0, 0, last], 0).into();
    socket.bind(from).expect("an address of this machine");
    let connected = soon("a connection", socket.connect(addr)).await;
    connected.expect("a connection")
}

/// A client from there; what it is told first, and itself.
async fn come(last: u8, addr: SocketAddr, headers: &[(&'static str, &str)]) -> (String, Client) {
    let mut client = Client::on(connect(last, addr).await, headers).await;
    let first = client.next().await;
    let told = first["type"].as_str().map(str::to_owned);
    (told.unwrap_or_else(|| first["closed"].to_string()), client)
}
