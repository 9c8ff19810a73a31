//! JSON by position: members as raw text, objects written member by member, no tree between.

mod members;
mod reader;
mod text;

pub(crate) use members::{Members, elements, string_of};
pub(crate) use reader::Reader;
pub(crate) use text::{ArrayText, ObjectText, quoted};

use serde_json::value::RawValue;

/// Deepest nesting of a message that we read; providers refuse less.
pub(crate) const MAX_DEPTH: usize = 128;

/// Text that is not the JSON we need. What it holds is not repeated: it may be a prompt.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Not JSON, or a member stands twice where we read.
    #[error("not valid JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// Not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// Nested deeper than 128 levels.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

/// One JSON value, as the text that its author wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(Box<str>);

impl Json {
    /// Reads one value; the text stays what it is, but for white space around it.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        check_depth(text.as_bytes())?;
        let raw: &RawValue = serde_json::from_str(text)?;
        Ok(Self::of(raw))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        &*self.0 == "null"
    }

    pub(crate) fn of(raw: &RawValue) -> Self {
        Self(raw.get().into())
    }

    /// What this room wrote itself.
    pub(crate) fn written(text: String) -> Self {
        Self(text.into_boxed_str())
    }

    /// The value as a number, rounded as `f64` rounds; `None` when it is none.
    pub(crate) fn as_f64(&self) -> Option<f64> {
        self.0
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
    }
}

/// The text of a body: UTF-8, and not so deep that whoever parses it next runs out of stack.
pub(crate) fn text_of(body: &[u8]) -> Result<&str, JsonError> {
    check_depth(body)?;
    std::str::from_utf8(body).map_err(|_| JsonError::NotUtf8)
}

/// Whether a text is one JSON object; the empty text is not.
pub(crate) fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
        && check_depth(text.as_bytes()).is_ok()
        && serde_json::from_str::<&RawValue>(text).is_ok()
}

fn check_depth(text: &[u8]) -> Result<(), JsonError> {
    // Nearly every message has so few brackets that none can be too deep.
    let opening = text.iter().filter(|byte| matches!(byte, b'{' | b'['));
    if opening.count() <= MAX_DEPTH {
        return Ok(());
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(JsonError::TooDeep);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}
