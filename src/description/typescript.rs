//! The messages as TypeScript.

use serde_json::Value;

use super::{
    hold, planned,
    schemas::{Schemas, is_in, settings},
};
use crate::protocol::CloseReason;

const HEAD: &str = "/**
 * The wire, `pgbell.v1`: what `src/protocol.rs` describes, and what clients are made ready for.
 *
 * Not to be edited: `PGBELL_RENEW=1 cargo test --lib` writes it.
 */
";

/// Longest text of a comment in a line.
const LINE: usize = 110;

const CLOSES: [CloseReason; 17] = [
    CloseReason::Normal,
    CloseReason::UnsupportedData,
    CloseReason::ProtocolError,
    CloseReason::InvalidText,
    CloseReason::TooBig,
    CloseReason::Unauthorized,
    CloseReason::OriginForbidden,
    CloseReason::UnsupportedProtocol,
    CloseReason::ConnectionLimit,
    CloseReason::Revoked,
    CloseReason::ServerError,
    CloseReason::SlowConsumer,
    CloseReason::RateLimited,
    CloseReason::AuthTimeout,
    CloseReason::NoPong,
    CloseReason::TokenExpired,
    CloseReason::Draining,
];

#[test]
fn the_types_of_the_client_are_those_of_the_wire() {
    let (client, mut server) = (Schemas::client(), Schemas::server());
    planned::add_to(&mut server);
    assert!(client.shared.is_empty(), "else they would be written here");
    let mut text = HEAD.to_owned();
    for (name, schema) in &server.shared {
        text.push_str(&declaration(name, schema));
    }
    text.push_str(&union("ClientMessage", &client.text, &client.messages));
    text.push_str(&union("ServerMessage", &server.text, &server.messages));
    text.push_str(&closes());
    hold("client/src/protocol.ts", &text);
}

fn declaration(name: &str, schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    match schema["oneOf"].as_array() {
        Some(choices) => union(name, text, choices),
        None => format!(
            "{}export interface {name} {}\n",
            doc(text, ""),
            fields(schema, "")
        ),
    }
}

fn union(name: &str, text: &str, choices: &[Value]) -> String {
    let choices = choices.iter().map(|choice| {
        let text = choice["description"].as_str().unwrap_or_default();
        format!(
            "{}  | {}",
            doc(text, "  ").trim_start_matches('\n'),
            type_of(choice, "    ")
        )
    });
    let choices: Vec<String> = choices.collect();
    format!(
        "{}export type {name} =\n{};\n",
        doc(text, ""),
        choices.join("\n")
    )
}

fn fields(schema: &Value, indent: &str) -> String {
    let properties = schema["properties"].as_object();
    let properties = properties.expect("an object has properties");
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let required = required.iter().filter_map(Value::as_str);
    let optional = properties.keys().map(String::as_str);
    let optional = optional.filter(|name| !is_in(&schema["required"], name));
    let inner = format!("{indent}  ");
    let field = |name: &str, mark: &str| {
        let property = &properties[name];
        let text = property["description"].as_str().unwrap_or_default();
        let text = doc(text, &inner);
        let text = text.trim_start_matches('\n');
        format!(
            "{text}{inner}{name}{mark}: {};\n",
            type_of(property, &inner)
        )
    };
    let fields = required
        .map(|name| field(name, ""))
        .chain(optional.map(|name| field(name, "?")));
    format!("{{\n{}{indent}}}", fields.collect::<String>())
}

fn type_of(schema: &Value, indent: &str) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if schema.get("const").is_some() {
        return schema["const"].to_string();
    }
    for choice in ["allOf", "anyOf", "oneOf"] {
        if let Some(choices) = schema[choice].as_array() {
            let types = choices.iter().map(|choice| type_of(choice, indent));
            return types.collect::<Vec<_>>().join(" | ");
        }
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        only => vec![only.clone()],
    };
    let name = |name: &Value| match name.as_str() {
        Some("integer" | "number") => "number".to_owned(),
        Some("array") => format!("{}[]", type_of(&schema["items"], indent)),
        Some("object") if schema.get("properties").is_some() => fields(schema, indent),
        Some("object") => "Record<string, unknown>".to_owned(),
        Some(name) => name.to_owned(),
        None => panic!("{schema} has no type"),
    };
    types.iter().map(name).collect::<Vec<_>>().join(" | ")
}

/// A comment of one line, or of several where one would be too long.
fn doc(text: &str, indent: &str) -> String {
    if text.is_empty() {
        return "\n".to_owned();
    }
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one");
        if line.len() + word.len() + indent.len() < LINE {
            line.extend([" ", word]);
        } else {
            lines.push(format!(" {word}"));
        }
    }
    match &lines[..] {
        [line] => format!("\n{indent}/**{line} */\n"),
        lines => {
            let lines: String = lines
                .iter()
                .map(|line| format!("{indent} *{line}\n"))
                .collect();
            format!("\n{indent}/**\n{lines}{indent} */\n")
        }
    }
}

fn closes() -> String {
    let described = settings()
        .into_generator()
        .into_root_schema_for::<CloseReason>();
    let described = described.to_value();
    let text = described["description"]
        .as_str()
        .unwrap_or_default()
        .replace('\n', " ");
    let reasons = described["oneOf"].as_array().expect("a choice");
    assert_eq!(reasons.len(), CLOSES.len(), "each of them is in the list");
    let known = CLOSES.iter().map(|close| {
        let reason = reasons
            .iter()
            .find(|reason| reason["const"] == close.as_str());
        let text = reason.and_then(|reason| reason["description"].as_str());
        (close.code(), close.as_str(), text.expect("it is described"))
    });
    let mut closes: Vec<_> = known.chain(planned::CLOSES).collect();
    closes.sort_unstable();
    let line =
        |(code, name, text): &(u16, &str, &str)| format!("  /** {text} */\n  {name}: {code};\n");
    let lines: String = closes.iter().map(line).collect();
    format!(
        "{}export interface CloseCodes {{\n{lines}}}\n\n\
         export type CloseCode = CloseCodes[keyof CloseCodes];\n",
        doc(&text, "")
    )
}
