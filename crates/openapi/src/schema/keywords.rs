//! The keywords of one schema object, in the order written.

use crate::limits::{MAX_DESCRIPTION, MAX_EXAMPLE, beginning};
use crate::node::{Map, Node, Value, object, quote};

use super::{ANYTHING, Direction, Members, Writer, is_file, is_withheld};

pub(super) fn of<'d>(
    writer: &mut Writer<'d>,
    node: &'d Node,
    map: &'d Map,
    depth: usize,
) -> Members {
    if writer.direction == Direction::Input && is_file(node) {
        return file(writer, node);
    }
    let nullable = node.is_set("nullable") || node.is_set("x-nullable");
    let mut members = Members::new();
    for (key, value) in map.iter() {
        let written = match key {
            "type" => kind(value, nullable),
            "enum" => choices(value, nullable),
            // 3.0: a flag beside the bound; since 3.1 a bound of its own.
            "minimum" if node.is_set("exclusiveMinimum") => {
                push(&mut members, "exclusiveMinimum", number(value));
                continue;
            }
            "maximum" if node.is_set("exclusiveMaximum") => {
                push(&mut members, "exclusiveMaximum", number(value));
                continue;
            }
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf"
            | "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
            | "maxProperties" | "minContains" | "maxContains" => number(value),
            "title" | "pattern" | "format" | "contentEncoding" | "contentMediaType" => {
                value.text().map(quote)
            }
            "description" => value
                .text()
                .map(|text| quote(beginning(text, MAX_DESCRIPTION))),
            "uniqueItems" | "deprecated" | "readOnly" | "writeOnly" => {
                value.flag().map(|flag| flag.to_string())
            }
            "default" | "const" => Some(value.json()),
            "example" if map.get("examples").is_none() => {
                let one = example(value).map(|example| format!("[{example}]"));
                push(&mut members, "examples", one);
                continue;
            }
            "examples" => examples(value),
            "required" => required(writer, node, value),
            "properties" => properties(writer, value, depth),
            "patternProperties" | "dependentSchemas" => schemas(writer, value, depth),
            "items" if matches!(value.value, Value::List(_)) => {
                push(&mut members, "prefixItems", list(writer, value, depth));
                continue;
            }
            "additionalProperties" | "unevaluatedProperties" | "items" | "unevaluatedItems" => {
                match value.flag() {
                    Some(flag) => Some(flag.to_string()),
                    None => schema(writer, value, depth),
                }
            }
            "not" | "if" | "then" | "else" | "contains" | "propertyNames" => {
                schema(writer, value, depth)
            }
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => list(writer, value, depth),
            _ => None,
        };
        push(&mut members, key, written);
    }
    members
}

/// Bytes travel as base64. Where each is a part of its own, it may bring its name and type.
fn file(writer: &Writer<'_>, node: &Node) -> Members {
    const BASE64: &str = r#"{"type":"string","contentEncoding":"base64"}"#;
    const NAMED: &str = r#"{"type":"object","properties":{"data":{"type":"string","contentEncoding":"base64"},"filename":{"type":"string"},"contentType":{"type":"string"}},"required":["data"],"additionalProperties":false}"#;
    let told = node.text_of("description").unwrap_or_default();
    let described = beginning(told, MAX_DESCRIPTION);
    let how = if writer.files {
        "A file: its content in base64, or an object with `data` in base64, `filename` and `contentType`."
    } else {
        "Binary content, in base64."
    };
    let mut members = if writer.files {
        vec![("anyOf".to_owned(), format!("[{BASE64},{NAMED}]"))]
    } else {
        vec![
            ("type".to_owned(), quote("string")),
            ("contentEncoding".to_owned(), quote("base64")),
        ]
    };
    let described = format!("{described} {how}");
    members.push(("description".to_owned(), quote(described.trim())));
    members
}

fn push(members: &mut Members, key: &str, value: Option<String>) {
    if let Some(value) = value
        && members.iter().all(|(known, _)| known != key)
    {
        members.push((key.to_owned(), value));
    }
}

fn number(value: &Node) -> Option<String> {
    match &value.value {
        Value::Number(text) => Some(text.to_string()),
        _ => None,
    }
}

/// `file` is Swagger 2's word for a body part.
fn word(value: &Node) -> Option<&str> {
    match value.text()? {
        "file" => Some("string"),
        known @ ("string" | "number" | "integer" | "boolean" | "array" | "object" | "null") => {
            Some(known)
        }
        _ => None,
    }
}

fn kind(value: &Node, nullable: bool) -> Option<String> {
    let mut kinds: Vec<&str> = match &value.value {
        Value::List(items) => items.iter().filter_map(word).collect(),
        _ => word(value).into_iter().collect(),
    };
    if nullable && !kinds.is_empty() && !kinds.contains(&"null") {
        kinds.push("null");
    }
    match kinds.as_slice() {
        [] => None,
        [only] => Some(quote(only)),
        several => Some(serde_json::Value::from(several.to_vec()).to_string()),
    }
}

fn choices(value: &Node, nullable: bool) -> Option<String> {
    let Value::List(items) = &value.value else {
        return None;
    };
    let mut choices: Vec<String> = items.iter().map(Node::json).collect();
    if nullable && choices.iter().all(|choice| choice != "null") {
        choices.push("null".to_owned());
    }
    (!choices.is_empty()).then(|| format!("[{}]", choices.join(",")))
}

fn example(value: &Node) -> Option<String> {
    let example = value.json();
    (example.len() <= MAX_EXAMPLE).then_some(example)
}

/// JSON Schema's are a list; OpenAPI's own, a map, belong elsewhere.
fn examples(value: &Node) -> Option<String> {
    let Value::List(items) = &value.value else {
        return None;
    };
    let kept: Vec<String> = items.iter().filter_map(example).collect();
    (!kept.is_empty()).then(|| format!("[{}]", kept.join(",")))
}

/// What is only for the other direction is not required in this one (OpenAPI 3.0 "Fixed Fields").
fn required(writer: &Writer<'_>, node: &Node, value: &Node) -> Option<String> {
    let properties = node.get("properties");
    let names: Vec<String> = value
        .items()
        .filter_map(Node::text)
        .filter(|name| {
            properties
                .and_then(|properties| properties.get(name))
                .is_none_or(|property| !is_withheld(property, writer.direction))
        })
        .map(quote)
        .collect();
    (!names.is_empty()).then(|| format!("[{}]", names.join(",")))
}

fn schema<'d>(writer: &mut Writer<'d>, value: &'d Node, depth: usize) -> Option<String> {
    value.map()?;
    Some(writer.schema(value, depth + 1))
}

fn list<'d>(writer: &mut Writer<'d>, value: &'d Node, depth: usize) -> Option<String> {
    let parts: Vec<String> = value
        .items()
        .map(|part| writer.schema(part, depth + 1))
        .collect();
    (!parts.is_empty()).then(|| format!("[{}]", parts.join(",")))
}

fn schemas<'d>(writer: &mut Writer<'d>, value: &'d Node, depth: usize) -> Option<String> {
    value.map()?;
    let members: Members = value
        .entries()
        .map(|(name, part)| (name.to_owned(), writer.schema(part, depth + 1)))
        .collect();
    Some(object(&members))
}

fn properties<'d>(writer: &mut Writer<'d>, value: &'d Node, depth: usize) -> Option<String> {
    value.map()?;
    let direction = writer.direction;
    let members: Members = value
        .entries()
        .filter(|(_, part)| !is_withheld(part, direction))
        .map(|(name, part)| {
            let schema = match part.value {
                Value::Map(_) | Value::Bool(false) => writer.schema(part, depth + 1),
                _ => ANYTHING.to_owned(),
            };
            (name.to_owned(), schema)
        })
        .collect();
    Some(object(&members))
}
