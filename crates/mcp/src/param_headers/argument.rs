//! The text form of one argument.

use std::borrow::Cow;

use serde_json::{Number, Value};

/// 2^53 − 1: up to here every JSON reader agrees on what an integer is (RFC 8259 §6).
const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// What a header says for this argument before coding, if anything can.
pub(super) fn header_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Bool(true) => Some(Cow::Borrowed("true")),
        Value::Bool(false) => Some(Cow::Borrowed("false")),
        Value::Number(number) => {
            safe_integer(number).map(|integer| Cow::Owned(integer.to_string()))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether decoded header text and argument are the same value: numbers by value, so that `42`
/// and `42.0` agree, everything else byte for byte.
pub(super) fn says(text: &str, value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            let mirrored = text
                .parse()
                .ok()
                .and_then(|parsed: Number| safe_integer(&parsed));
            mirrored.is_some() && mirrored == safe_integer(number)
        }
        value => header_text(value).is_some_and(|expected| expected == text),
    }
}

fn safe_integer(number: &Number) -> Option<i64> {
    let integer = number.as_i64().or_else(|| whole(number.as_f64()?))?;
    (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER)
        .contains(&integer)
        .then_some(integer)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "whole; the cast saturates, and the caller checks the range"
)]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0).then_some(number as i64)
}
