//! JSON-RPC batches (JSON-RPC 2.0 §6), which MCP had in 2025-03-26 and in no other revision.

use serde_json::value::RawValue;

use crate::json::{JsonError, check_depth};
use crate::message::MessageError;

/// Most messages of one batch.
pub const MAX_BATCH: usize = 32;

/// The messages of a batch, each as its sender wrote it; whether it is one is for whoever reads it.
pub fn parse_batch(bytes: &[u8]) -> Result<Vec<&str>, MessageError> {
    let text = std::str::from_utf8(bytes).map_err(|_| JsonError::NotUtf8)?;
    check_depth(bytes)?;
    let messages: Vec<&RawValue> = serde_json::from_str(text).map_err(JsonError::from)?;
    match messages.len() {
        0 => Err(MessageError::Invalid("a batch must not be empty")),
        1..=MAX_BATCH => Ok(messages.into_iter().map(RawValue::get).collect()),
        _ => Err(MessageError::Invalid("a batch has 32 messages at most")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_an_array_of_few_messages_as_they_are_written() {
        let messages = parse_batch(br#" [{"a": 1e400} , 5,"x"]"#).unwrap();
        assert_eq!(messages, [r#"{"a": 1e400}"#, "5", r#""x""#]);
        let long = |count: usize| format!("[{}]", vec!["{}"; count].join(","));
        assert_eq!(
            parse_batch(long(MAX_BATCH).as_bytes()).unwrap().len(),
            MAX_BATCH
        );
        for (bad, code) in [
            (long(MAX_BATCH + 1), crate::code::INVALID_REQUEST),
            (long(0), crate::code::INVALID_REQUEST),
            ("[{}".to_owned(), crate::code::PARSE_ERROR),
            ("{}".to_owned(), crate::code::PARSE_ERROR),
            ("[".repeat(100_000), crate::code::PARSE_ERROR),
        ] {
            assert_eq!(parse_batch(bad.as_bytes()).unwrap_err().code(), code);
        }
    }
}
