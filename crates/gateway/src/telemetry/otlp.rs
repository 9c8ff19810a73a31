//! The JSON form of OpenTelemetry's messages (opentelemetry-proto, "OTLP/HTTP" with "JSON Protobuf
//! Encoding"): 64-bit numbers are texts, trace and span ids are hexadecimal.

use portcullis_core::Timestamp;
use serde_json::{Value, json};

/// What logs come from, and traces unless the operator calls it something else.
pub(crate) const SERVICE: &str = "portcullis";

/// What sends.
pub(crate) fn resource(service: &str) -> Value {
    json!({"attributes": [
        text("service.name", service),
        text("service.version", env!("CARGO_PKG_VERSION")),
    ]})
}

/// An attribute.
pub(crate) fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// An attribute.
pub(crate) fn number(key: &str, value: u64) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

/// Nanoseconds since 1970.
pub(crate) fn nanoseconds(at: Timestamp) -> String {
    (i128::from(at.as_millis()) * 1_000_000).to_string()
}

/// Of a receiver's own words, in the log.
const MOST_SAID: usize = 300;

/// How many records a receiver rejected for good, by its answer, and why.
pub(crate) fn rejected(answer: &[u8], member: &str) -> (u64, Option<String>) {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let part = answer.get("partialSuccess");
    let count = match part.and_then(|part| part.get(member)) {
        Some(Value::String(text)) => text.parse().unwrap_or(0),
        Some(Value::Number(number)) => number.as_u64().unwrap_or(0),
        _ => 0,
    };
    let said = part.and_then(|part| part.get("errorMessage"));
    let said = said.and_then(Value::as_str);
    let because = said.map(|text| text.chars().take(MOST_SAID).collect());
    (count, because)
}
