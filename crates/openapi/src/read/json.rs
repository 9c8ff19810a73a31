//! JSON.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Count, map, too_deep};
use crate::error::DocumentError;
use crate::limits::MAX_DEPTH;
use crate::node::{Node, Value};

pub(super) fn read(text: &str) -> Result<Node, DocumentError> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| {
        DocumentError::new(Some(error.line()), format!("not valid JSON: {error}"))
    })?;
    let mut reader = Reader {
        text,
        lines: text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(at, _)| at)
            .collect(),
        count: Count::default(),
    };
    reader.node(raw, 0)
}

struct Reader<'t> {
    text: &'t str,
    /// Where lines end.
    lines: Vec<usize>,
    count: Count,
}

impl Reader<'_> {
    fn line(&self, raw: &RawValue) -> usize {
        let at = (raw.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        1 + self.lines.partition_point(|end| *end < at)
    }

    fn node(&mut self, raw: &RawValue, depth: usize) -> Result<Node, DocumentError> {
        let line = self.line(raw);
        self.count.spend(1, line)?;
        if depth > MAX_DEPTH {
            return Err(too_deep(line));
        }
        let wrong = |error: serde_json::Error| {
            DocumentError::new(Some(line), format!("not valid JSON: {error}"))
        };
        let text = raw.get();
        let value = match text.as_bytes().first() {
            Some(b'{') => {
                let members: Members<'_> = serde_json::from_str(text).map_err(wrong)?;
                let mut entries = Vec::with_capacity(members.0.len());
                for (name, value) in members.0 {
                    entries.push((name.into(), self.node(value, depth + 1)?));
                }
                Value::Map(map(entries)?)
            }
            Some(b'[') => {
                let raw: Vec<&RawValue> = serde_json::from_str(text).map_err(wrong)?;
                let items = raw.into_iter().map(|item| self.node(item, depth + 1));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            Some(b'"') => {
                let text: String = serde_json::from_str(text).map_err(wrong)?;
                Value::Text(text.into())
            }
            Some(b't') => Value::Bool(true),
            Some(b'f') => Value::Bool(false),
            Some(b'n') => Value::Null,
            _ => Value::Number(text.into()),
        };
        Ok(Node { value, line })
    }
}

/// An object's members, as many as there are.
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'de: 't, 't> Deserialize<'de> for Members<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members<'de>, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}
