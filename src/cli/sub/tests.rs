use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message as Frame,
        handshake::server::{ErrorResponse, Request, Response},
        protocol::CloseFrame,
    },
};

use super::*;

/// One connection of a daemon that says what the test wants.
struct Daemon(WebSocketStream<TcpStream>);

impl Daemon {
    async fn accept(listener: &TcpListener) -> Self {
        let (socket, _) = listener.accept().await.expect("a connection");
        let mut daemon = Self(accept_hdr_async(socket, agree).await.expect("a handshake"));
        let welcome = json!({"type": "welcome", "heartbeat_ms": 25_000, "cursor": "e.1:1:",
                             "server_time": "2026-01-02T03:04:05Z", "something": "new"});
        daemon.say(welcome).await;
        daemon
    }

    async fn say(&mut self, message: Value) {
        let sent = self.0.send(Frame::text(message.to_string())).await;
        sent.expect("somebody who listens");
    }

    async fn hear(&mut self) -> Value {
        let frame = self.0.next().await.expect("a frame").expect("a frame");
        serde_json::from_str(frame.to_text().expect("text")).expect("json")
    }

    async fn invalidate(&mut self, cursor: &str) {
        let change = json!({"entity": "product", "id": "1", "op": "update", "count": 1,
                            "events": ["product:price_changed"], "at": "2026-01-02T03:04:05Z"});
        self.say(
            json!({"type": "invalidate", "room": "product:1", "cursor": cursor,
                        "changes": [change]}),
        )
        .await;
    }
}

#[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
fn agree(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let subprotocol = message::SUBPROTOCOL.parse().expect("a header value");
    response
        .headers_mut()
        .insert("sec-websocket-protocol", subprotocol);
    Ok(response)
}

async fn listen() -> (TcpListener, Subscriber) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let tls = crate::https::connector(None).expect("authorities");
    let args = Sub {
        rooms: vec!["product:1".parse().expect("a room")],
        url: format!("ws://{address}/ws"),
        since: None,
        token: None,
        json: false,
        count: Some(2),
        ca_file: None,
    };
    let subscriber = Subscriber::new(args, tls);
    (listener, subscriber)
}

#[tokio::test]
async fn a_cut_connection_is_resumed_from_the_last_cursor() {
    let (listener, mut subscriber) = listen().await;
    let stop = CancellationToken::new();
    let daemon = async {
        let mut daemon = Daemon::accept(&listener).await;
        assert_eq!(daemon.hear().await["since"], Value::Null);
        let rooms = json!([{"room": "product:1", "status": "live"}]);
        daemon
            .say(json!({"type": "subscribed", "id": 1, "cursor": "e.6:6:", "rooms": rooms}))
            .await;
        daemon.invalidate("e.7:7:").await;
        drop(daemon);
        let mut daemon = Daemon::accept(&listener).await;
        assert_eq!(daemon.hear().await["since"], "e.7:7:");
        daemon.say(json!({"type": "from_the_future"})).await;
        daemon.invalidate("e.8:8:").await;
        daemon
    };
    let (outcome, _daemon) = tokio::join!(stay(&mut subscriber, &stop), daemon);
    outcome.expect("two changes");
    assert_eq!(subscriber.totals.received, 2);
}

#[tokio::test]
async fn a_refusal_ends_the_command_and_says_why() {
    let (listener, mut subscriber) = listen().await;
    let stop = CancellationToken::new();
    let daemon = async {
        let mut daemon = Daemon::accept(&listener).await;
        let close = CloseFrame {
            code: 4000.into(),
            reason: "unauthorized".into(),
        };
        daemon.0.close(Some(close)).await.expect("sent");
        daemon
    };
    let (outcome, _daemon) = tokio::join!(stay(&mut subscriber, &stop), daemon);
    let line = outcome.expect_err("refused").to_string();
    assert!(line.ends_with("refused with 4000 unauthorized"), "{line}");
}
