//! The schema for editors, printed from the key table (JSON Schema 2020-12).

use serde_json::{Map, Value, json};

use crate::keys::{Key, Kind, Section, Standing, all_sections};

/// `schema/config.json`: for editors' completion and first warnings; the reader says the last word.
pub fn schema_json() -> String {
    let mut definitions = Map::new();
    for section in all_sections() {
        definitions.insert(section.name.to_owned(), object(section));
    }
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Portcullis configuration",
        "$ref": "#/$defs/config",
        "$defs": definitions,
    });
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

fn object(section: &Section) -> Value {
    let properties: Map<String, Value> = section
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    json!({
        "type": ["object", "null"],
        "description": section.doc,
        "additionalProperties": false,
        "properties": properties,
    })
}

fn property(key: &Key) -> Value {
    let mut schema = kind(key.kind);
    if let Value::Object(map) = &mut schema {
        let description = match key.standing {
            Standing::Works => key.doc.to_owned(),
            Standing::Inert(text) => format!("Without effect: {text}."),
            Standing::Unavailable { text, .. } => format!("Refused: {text}."),
        };
        map.insert("description".to_owned(), description.into());
        if !matches!(key.standing, Standing::Works) {
            map.insert("deprecated".to_owned(), true.into());
        }
        if let Some(default) = key.default {
            map.insert("default".to_owned(), default_value(key.kind, default));
        }
    }
    schema
}

fn default_value(kind: Kind, default: &str) -> Value {
    match kind {
        Kind::Flag => Value::Bool(default == "true"),
        Kind::Whole(..) => default
            .parse::<u64>()
            .map_or_else(|_| default.into(), Value::from),
        _ => default.into(),
    }
}

/// `${VAR}` and its relatives stand wherever a single value does.
const REFERENCE: &str = r"^(os\.environ/|file:)|\$\{";

fn kind(kind: Kind) -> Value {
    let reference = json!({ "type": "string", "pattern": REFERENCE });
    match kind {
        Kind::Flag => json!({ "anyOf": [{ "type": "boolean" }, reference] }),
        Kind::Whole(min, max) => {
            json!({ "anyOf": [{ "type": "integer", "minimum": min, "maximum": max }, reference] })
        }
        Kind::Span => {
            json!({ "anyOf": [{ "type": "number", "minimum": 0 }, { "type": "string" }] })
        }
        Kind::Size => {
            json!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string" }] })
        }
        Kind::Text | Kind::Prose | Kind::Secret | Kind::FilePath => {
            json!({ "type": ["string", "number", "boolean"] })
        }
        Kind::Url => json!({ "type": "string" }),
        Kind::Choice(words) => json!({ "anyOf": [{ "enum": words }, reference] }),
        Kind::Texts | Kind::Words => json!({
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        }),
        Kind::TextMap | Kind::SecretMap => json!({
            "type": "object",
            "additionalProperties": { "type": ["string", "number", "boolean"] },
        }),
        Kind::TextsMap => json!({
            "type": "object",
            "additionalProperties": { "type": "array", "items": { "type": "string" } },
        }),
        Kind::Section(section) => json!({ "$ref": reference_to(section) }),
        Kind::Named(section) => json!({
            "type": "object",
            "additionalProperties": { "$ref": reference_to(section) },
        }),
        Kind::Sections(section) => json!({
            "type": "array",
            "items": { "$ref": reference_to(section) },
        }),
        Kind::Anything => json!({}),
    }
}

fn reference_to(section: &Section) -> String {
    format!("#/$defs/{}", section.name)
}
