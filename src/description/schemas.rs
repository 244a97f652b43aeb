//! The messages as JSON Schema.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value};

use crate::protocol::{ClientMessage, ServerMessage};

/// What one side says, and what it speaks of.
pub(super) struct Schemas {
    /// What is said of all messages.
    pub(super) text: String,
    /// One schema per type of message.
    pub(super) messages: Vec<Value>,
    /// Types that several messages have, by name.
    pub(super) shared: Map<String, Value>,
}

impl Schemas {
    /// What a client may say.
    pub(super) fn client() -> Self {
        Self::of::<ClientMessage>(settings().for_deserialize().into_generator())
    }

    /// What the daemon says.
    pub(super) fn server() -> Self {
        Self::of::<ServerMessage<'_>>(settings().for_serialize().into_generator())
    }

    pub(super) fn of<T: JsonSchema>(generator: SchemaGenerator) -> Self {
        let mut root = generator.into_root_schema_for::<T>().to_value();
        tidy(&mut root);
        let shared = root.pointer("/components/schemas");
        let shared = shared.and_then(Value::as_object).cloned();
        let Some(Value::Array(messages)) = root.get("oneOf").cloned() else {
            panic!("{root} is no choice of messages");
        };
        Self {
            text: root["description"].as_str().unwrap_or_default().to_owned(),
            messages,
            shared: shared.unwrap_or_default(),
        }
    }
}

/// The `type` of a message.
pub(super) fn kind(message: &Value) -> &str {
    let kind = &message["properties"]["type"]["const"];
    kind.as_str().expect("a type")
}

/// JSON Schema as AsyncAPI has it, whose references find what they name in an AsyncAPI document.
pub(super) fn settings() -> SchemaSettings {
    let mut settings = SchemaSettings::draft07();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    settings
}

/// Leaves out what is about Rust alone.
fn tidy(schema: &mut Value) {
    if let Value::Object(fields) = schema {
        if let Some(Value::String(text)) = fields.get_mut("description") {
            let first = text.split("\n\n").next().unwrap_or_default();
            *text = first.replace('\n', " ");
        }
        let format = fields.get("format").and_then(Value::as_str);
        if format.is_some_and(|format| format.starts_with("uint")) {
            fields.remove("format");
        }
        let required = fields.get("required").cloned().unwrap_or_default();
        if let Some(Value::Object(properties)) = fields.get_mut("properties") {
            for (name, property) in properties {
                if !is_in(&required, name) {
                    forget_null(property);
                }
            }
        }
    }
    match schema {
        Value::Object(fields) => fields.values_mut().for_each(tidy),
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

pub(super) fn is_in(names: &Value, name: &str) -> bool {
    let names = names.as_array().into_iter().flatten();
    names.into_iter().any(|known| known == name)
}

/// What may be absent is absent, and never null.
fn forget_null(property: &mut Value) {
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|known| known != "null");
        if let [only] = &types[..] {
            property["type"] = only.clone();
        }
    }
    let Some(Value::Array(choices)) = property.get_mut("anyOf") else {
        return;
    };
    choices.retain(|choice| choice["type"] != "null");
    if let (1, Some(fields)) = (choices.len(), property.as_object_mut()) {
        let only = fields.remove("anyOf");
        fields.extend(only.map(|only| ("allOf".to_owned(), only)));
    }
}
