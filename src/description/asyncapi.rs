//! The wire as an AsyncAPI 3 document, which the daemon serves at `/asyncapi.json`.

use serde_json::{Map, Value, json};

use super::{
    hold,
    schemas::{Schemas, kind},
};
use crate::protocol::SUBPROTOCOL;

/// What a client says, and how it is answered.
const REPLIES: [(&str, &[&str]); 5] = [
    ("auth", &["authenticated", "error"]),
    ("subscribe", &["subscribed", "error"]),
    ("unsubscribe", &["unsubscribed", "error"]),
    ("sync", &["synced", "error"]),
    ("ping", &["pong"]),
];
/// What a client is told that has not asked.
const TOLD: [&str; 9] = [
    "welcome",
    "invalidate",
    "resync",
    "revoked",
    "token_expiring",
    "heartbeat",
    "stale",
    "fresh",
    "goodbye",
];
/// What is told to a client that cannot ask, because its URL has asked.
const ANSWERED: &str = "subscribed";

#[test]
fn the_document_describes_the_wire() {
    let (client, server) = (Schemas::client(), Schemas::server());
    let document = document(&client, &server);
    let text = serde_json::to_string_pretty(&document).expect("JSON");
    hold("src/gateway/client/asyncapi.json", &format!("{text}\n"));
}

#[test]
fn every_message_has_an_operation() {
    let (client, server) = (Schemas::client(), Schemas::server());
    let operations = operations();
    let text = operations.to_string();
    let names = |schemas: &Schemas, of: &str| -> Vec<bool> {
        let named = |message| format!("\"#/channels/{of}/messages/{}\"", kind(message));
        schemas
            .messages
            .iter()
            .map(|message| text.contains(&named(message)))
            .collect()
    };
    for schemas in [&client, &server] {
        let found = names(schemas, "websocket");
        assert!(found.iter().all(|found| *found), "{found:?} of {text}");
    }
    for message in &client.messages {
        let asked = REPLIES.iter().any(|(request, _)| *request == kind(message));
        assert!(asked, "{} has no reply", kind(message));
    }
}

fn document(client: &Schemas, server: &Schemas) -> Value {
    let mut schemas = server.shared.clone();
    schemas.extend(client.shared.clone());
    let all = || client.messages.iter().chain(&server.messages);
    for message in all() {
        schemas.insert(kind(message).to_owned(), message.clone());
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "pgbell",
            "version": env!("CARGO_PKG_VERSION"),
            "description": env!("CARGO_PKG_DESCRIPTION"),
            "license": { "name": env!("CARGO_PKG_LICENSE") },
        },
        "defaultContentType": "application/json",
        "channels": {
            "websocket": {
                "address": "/ws",
                "title": format!("WebSocket, subprotocol {SUBPROTOCOL}"),
                "messages": named("components", all()),
                "bindings": { "ws": { "method": "GET" } },
            },
            "events": {
                "address": "/events",
                "title": "Server-sent events: `event` is the type, `id` the cursor, `data` the message",
                "messages": named("components", server.messages.iter().filter(|it| is_event(kind(it)))),
            },
        },
        "operations": operations(),
        "components": {
            "messages": all().map(message).collect::<Map<_, _>>(),
            "schemas": schemas,
        },
    })
}

fn is_event(kind: &str) -> bool {
    kind == ANSWERED || TOLD.contains(&kind)
}

/// What the URL of a stream of events says.
fn query() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "required": ["rooms"],
        "properties": {
            "rooms": text("Rooms, separated by commas."),
            "since": text("The newest position the client has seen; the header Last-Event-ID wins."),
            "ticket": text("Who the client is, as POST /ticket gives it to who has a token. Good once."),
        },
    })
}

/// References from the messages of a channel.
fn named<'a>(place: &str, messages: impl Iterator<Item = &'a Value>) -> Map<String, Value> {
    let named = |message| {
        let reference = format!("#/{place}/messages/{}", kind(message));
        (kind(message).to_owned(), json!({ "$ref": reference }))
    };
    messages.map(named).collect()
}

fn message(schema: &Value) -> (String, Value) {
    let kind = kind(schema);
    let message = json!({
        "name": kind,
        "summary": schema["description"],
        "payload": { "$ref": format!("#/components/schemas/{kind}") },
    });
    (kind.to_owned(), message)
}

/// From the daemon's side: it receives what clients ask, and sends what it tells.
fn operations() -> Value {
    let channel = |name: &str| json!({ "$ref": format!("#/channels/{name}") });
    let messages = |channel: &str, kinds: &[&str]| -> Value {
        let reference = |kind| json!({ "$ref": format!("#/channels/{channel}/messages/{kind}") });
        kinds.iter().map(reference).collect()
    };
    let mut operations = Map::new();
    for (request, replies) in REPLIES {
        let operation = json!({
            "action": "receive",
            "channel": channel("websocket"),
            "messages": messages("websocket", &[request]),
            "reply": { "channel": channel("websocket"), "messages": messages("websocket", replies) },
        });
        operations.insert(request.to_owned(), operation);
    }
    let send = |on: &str, kinds: &[&str], bindings: Value| {
        json!({
            "action": "send",
            "channel": channel(on),
            "messages": messages(on, kinds),
            "bindings": bindings,
        })
    };
    let streamed = [TOLD.as_slice(), &[ANSWERED]].concat();
    let asked = json!({ "http": { "method": "GET", "query": query() } });
    operations.insert("tell".into(), send("websocket", &TOLD, json!({})));
    operations.insert("stream".into(), send("events", &streamed, asked));
    operations.into()
}
