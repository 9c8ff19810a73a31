//! JSON by position: find members in the text, splice replacements, leave the rest alone.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Deepest nesting of a message that we accept.
pub const MAX_DEPTH: usize = 64;

/// Text that is not the JSON we need.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Not JSON, not UTF-8, or a member stands twice where we read.
    #[error("not valid JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// Not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
}

/// The members of one object, in the order written, each name once.
#[derive(Clone, Debug, Default)]
pub struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads an object; anything else, and a repeated name, is an error.
    pub fn parse(text: &'a str) -> Result<Self, JsonError> {
        Ok(serde_json::from_str(text)?)
    }

    /// Reads an object that was itself found as a raw member.
    pub fn of(raw: &'a RawValue) -> Result<Self, JsonError> {
        Self::parse(raw.get())
    }

    /// The raw value of a member.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| *value)
    }

    /// The object behind a member, when there is one.
    pub fn object(&self, name: &str) -> Result<Option<Self>, JsonError> {
        self.get(name).map(Self::of).transpose()
    }

    /// The text of a string member, when it is there and a string.
    pub fn string(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).and_then(string_of)
    }

    /// Names and raw values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The object written again with only the members that `keep` accepts, values untouched.
    pub fn rewrite(&self, keep: impl Fn(&str) -> bool) -> String {
        let mut out = String::from("{");
        for (name, value) in self.iter().filter(|(name, _)| keep(name)) {
            if out.len() > 1 {
                out.push(',');
            }
            out.push_str(&quote(name));
            out.push(':');
            out.push_str(value.get());
        }
        out.push('}');
        out
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members<'de>, M::Error> {
                let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::with_capacity(8);
                while let Some(Name(name)) = map.next_key()? {
                    if members.len() >= MAX_MEMBERS {
                        return Err(M::Error::custom("too many members"));
                    }
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(M::Error::custom("a member stands twice"));
                    }
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// More members than any object that we read by name has; bounds the search for repeated names.
const MAX_MEMBERS: usize = 1024;

/// A member's name, borrowed unless it is written with escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// The text of a raw JSON string; `None` when it is not a string.
pub fn string_of(raw: &RawValue) -> Option<Cow<'_, str>> {
    if !raw.get().starts_with('"') {
        return None;
    }
    serde_json::from_str::<Name<'_>>(raw.get())
        .ok()
        .map(|Name(text)| text)
}

/// A JSON string literal.
pub(crate) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Refuses nesting that could exhaust the stack of whoever parses it next. Strings are skipped, so
/// brackets in them do not count; it need not be valid JSON yet.
pub(crate) fn check_depth(text: &[u8]) -> Result<(), JsonError> {
    // Nearly every message has so few brackets, wherever they stand, that none can be too deep: those
    // are counted many bytes at a time.
    let opening = text.iter().filter(|byte| matches!(byte, b'{' | b'['));
    if opening.count() <= MAX_DEPTH {
        return Ok(());
    }
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
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

/// Replacements at known places of one text.
#[derive(Clone, Debug)]
pub struct Edits<'a> {
    text: &'a str,
    edits: Vec<(Range<usize>, String)>,
}

impl<'a> Edits<'a> {
    /// No change yet.
    pub const fn of(text: &'a str) -> Self {
        Self {
            text,
            edits: Vec::new(),
        }
    }

    /// Replaces a raw value that was found in this very text. A value from elsewhere is ignored: it
    /// has no place here.
    pub fn replace(&mut self, raw: &RawValue, with: impl Into<String>) {
        if let Some(span) = self.span(raw) {
            self.edits.push((span, with.into()));
        }
    }

    /// Adds a member at the front of an object that was found in this very text.
    pub fn insert(&mut self, object: &RawValue, name: &str, value: &str) {
        let Some(span) = self.span(object) else {
            return;
        };
        let body = object.get().trim_start_matches('{').trim_start();
        let comma = if body.starts_with('}') { "" } else { "," };
        let at = span.start + 1;
        self.edits
            .push((at..at, format!("{}:{value}{comma}", quote(name))));
    }

    /// Adds members, written as they stand in JSON, at the front of an object that was found in this
    /// very text and has some already.
    pub(crate) fn insert_members(&mut self, object: &RawValue, members: &str) {
        if let Some(span) = self.span(object).filter(|_| !members.is_empty()) {
            let at = span.start + 1;
            self.edits.push((at..at, format!("{members},")));
        }
    }

    /// Adds a member at the front of the whole text, which must be an object.
    pub fn insert_top(&mut self, name: &str, value: &str) {
        let Some(open) = self.text.find('{') else {
            return;
        };
        let rest = self.text.get(open + 1..).unwrap_or_default().trim_start();
        let comma = if rest.starts_with('}') { "" } else { "," };
        self.edits.push((
            open + 1..open + 1,
            format!("{}:{value}{comma}", quote(name)),
        ));
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// The text with all replacements made.
    pub fn finish(&self) -> String {
        let mut order: Vec<&(Range<usize>, String)> = self.edits.iter().collect();
        order.sort_by_key(|(span, _)| (span.start, span.end));
        let grown: usize = order.iter().map(|(_, new)| new.len()).sum();
        let mut out = String::with_capacity(self.text.len() + grown);
        let mut copied = 0;
        for (span, new) in order {
            out.push_str(self.text.get(copied..span.start).unwrap_or_default());
            out.push_str(new);
            copied = span.end;
        }
        out.push_str(self.text.get(copied..).unwrap_or_default());
        out
    }

    fn span(&self, raw: &RawValue) -> Option<Range<usize>> {
        let start = (raw.get().as_ptr() as usize).checked_sub(self.text.as_ptr() as usize)?;
        let end = start.checked_add(raw.get().len())?;
        (end <= self.text.len()).then_some(start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_stands_twice_is_refused_however_it_is_written() {
        assert!(Members::parse(r#"{"name":1,"name":2}"#).is_err());
        assert!(Members::parse(r#"{"name":1,"n\u0061me":2}"#).is_err());
        assert!(Members::parse(r#"{"name":1,"Name":2}"#).is_ok());
    }

    #[test]
    fn values_stay_the_bytes_they_were() {
        let text = r#"{ "big" : 123456789012345678901234567890 , "e":1e400, "u":"\u00e4" }"#;
        let members = Members::parse(text).unwrap();
        assert_eq!(
            members.get("big").unwrap().get(),
            "123456789012345678901234567890"
        );
        assert_eq!(members.get("e").unwrap().get(), "1e400");
        assert_eq!(members.string("u").unwrap(), "ä");
        assert_eq!(
            members.rewrite(|name| name != "e"),
            r#"{"big":123456789012345678901234567890,"u":"\u00e4"}"#
        );
    }

    #[test]
    fn edits_touch_only_their_place() {
        let text = r#"{"a":{"x": 1},"b":{},"c":[1,2]}"#;
        let members = Members::parse(text).unwrap();
        let mut edits = Edits::of(text);
        edits.replace(members.get("c").unwrap(), "null");
        edits.insert(members.get("a").unwrap(), "y", "2");
        edits.insert(members.get("b").unwrap(), "z", "3");
        edits.insert_top("t", "0");
        assert_eq!(
            edits.finish(),
            r#"{"t":0,"a":{"y":2,"x": 1},"b":{"z":3},"c":null}"#
        );
    }

    #[test]
    fn a_value_from_another_text_changes_nothing() {
        let other = Members::parse(r#"{"a":1}"#)
            .map(|members| members.get("a").unwrap().to_owned())
            .unwrap();
        let mut edits = Edits::of(r#"{"a":1}"#);
        edits.replace(&other, "2");
        assert_eq!(edits.finish(), r#"{"a":1}"#);
    }

    #[test]
    fn nesting_is_bounded_and_brackets_in_strings_do_not_count() {
        assert!(check_depth("[".repeat(MAX_DEPTH).as_bytes()).is_ok());
        assert!(check_depth("[".repeat(MAX_DEPTH + 1).as_bytes()).is_err());
        assert!(check_depth(format!("\"{}\\\"[\"", "[".repeat(100)).as_bytes()).is_ok());
    }
}
