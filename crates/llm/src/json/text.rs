//! Objects and arrays as they are written.

use std::fmt::Write as _;

use super::Json;

/// Appends a JSON string literal.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.reserve(text.len() + 2);
    out.push('"');
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(text.get(copied..at).unwrap_or_default());
        copied = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            other => {
                let _ = write!(out, "\\u{other:04x}");
            }
        }
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    out.push('"');
}

/// A JSON string literal.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::new();
    push_string(&mut out, text);
    out
}

/// An object under way.
#[derive(Debug)]
pub(crate) struct ObjectText(String);

impl ObjectText {
    pub(crate) fn new() -> Self {
        Self(String::from("{"))
    }

    /// An object whose first member says what it is.
    pub(crate) fn typed(kind: &str) -> Self {
        let mut object = Self::new();
        object.string("type", kind);
        object
    }

    /// A member whose value is JSON text already.
    pub(crate) fn raw(&mut self, name: &str, value: &str) -> &mut Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        push_string(&mut self.0, name);
        self.0.push(':');
        self.0.push_str(value);
        self
    }

    pub(crate) fn json(&mut self, name: &str, value: &Json) -> &mut Self {
        self.raw(name, value.as_str())
    }

    pub(crate) fn string(&mut self, name: &str, text: &str) -> &mut Self {
        self.raw(name, "");
        push_string(&mut self.0, text);
        self
    }

    pub(crate) fn number(&mut self, name: &str, number: u64) -> &mut Self {
        self.raw(name, &number.to_string())
    }

    pub(crate) fn boolean(&mut self, name: &str, value: bool) -> &mut Self {
        self.raw(name, if value { "true" } else { "false" })
    }

    pub(crate) fn optional(&mut self, name: &str, value: Option<&Json>) -> &mut Self {
        match value {
            Some(value) => self.json(name, value),
            None => self,
        }
    }

    pub(crate) fn optional_string(&mut self, name: &str, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.string(name, text),
            None => self,
        }
    }

    pub(crate) fn optional_number(&mut self, name: &str, number: Option<u64>) -> &mut Self {
        match number {
            Some(number) => self.number(name, number),
            None => self,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// An array under way.
#[derive(Debug)]
pub(crate) struct ArrayText(String);

impl ArrayText {
    pub(crate) fn new() -> Self {
        Self(String::from("["))
    }

    /// An element that is JSON text already.
    pub(crate) fn push(&mut self, element: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(element);
    }

    pub(crate) fn push_text(&mut self, text: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        push_string(&mut self.0, text);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.push(']');
        self.0
    }
}
