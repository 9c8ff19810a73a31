//! The arguments of a call, read only where a rule asks what is in them, and read strictly: a member
//! that stands twice is refused at every depth, because the next parser could read the other one.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::{Denied, DeniedRule};

/// The names of the arguments, in their order; what they hold is not looked at.
pub(crate) fn names(text: Option<&str>) -> Result<Vec<String>, Denied> {
    match written(text) {
        None => Ok(Vec::new()),
        Some(text) => serde_json::from_str::<Names>(text)
            .map(|names| names.0)
            .map_err(|_| unreadable()),
    }
}

/// The arguments with all that they hold; none at all is an empty object.
pub(crate) fn values(text: Option<&str>) -> Result<Value, Denied> {
    let read = match written(text) {
        None => return Ok(Value::Object(Map::new())),
        Some(text) => serde_json::from_str::<Strict>(text).map_err(|_| unreadable())?,
    };
    match read.0 {
        object @ Value::Object(_) => Ok(object),
        _ => Err(unreadable()),
    }
}

fn written(text: Option<&str>) -> Option<&str> {
    text.filter(|text| text.trim() != "null")
}

fn unreadable() -> Denied {
    Denied::by(DeniedRule::UnreadableArguments)
}

struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry::<String, _>()? {
                    names.push(name);
                }
                let mut sorted: Vec<&String> = names.iter().collect();
                sorted.sort_unstable();
                if sorted.is_sorted_by(|one, other| one < other) {
                    Ok(Names(names))
                } else {
                    Err(A::Error::custom("a member stands twice"))
                }
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictReader).map(Self)
    }
}

struct StrictReader;

impl<'de> Visitor<'de> for StrictReader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, _>()? {
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_and_null_are_no_arguments() {
        for text in [None, Some("null"), Some(" null "), Some("{}")] {
            assert_eq!(names(text), Ok(Vec::new()));
            assert_eq!(values(text), Ok(json!({})));
        }
    }

    #[test]
    fn what_another_parser_could_read_otherwise_is_not_read() {
        for text in [
            r#"{"path":"/srv","path":"/etc"}"#,
            r#"{"path":"/srv","p\u0061th":"/etc"}"#,
            "[]",
            "\"path\"",
            "1",
            "{",
            "",
        ] {
            let refused = Denied::by(DeniedRule::UnreadableArguments);
            assert_eq!(names(Some(text)), Err(refused.clone()), "{text}");
            assert_eq!(values(Some(text)), Err(refused), "{text}");
        }
        // The names alone are clear here; what they hold is not.
        for text in [r#"{"a":[{"b":1,"b":2}]}"#, r#"{"a":1e999}"#] {
            assert_eq!(names(Some(text)), Ok(vec!["a".to_owned()]), "{text}");
            assert!(values(Some(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let text = r#"{"b":[1,-2,2.5,"x",null,true],"a":{"c":{}},"n":18446744073709551615}"#;
        assert_eq!(
            values(Some(text)).unwrap(),
            serde_json::from_str::<Value>(text).unwrap()
        );
        assert_eq!(names(Some(text)).unwrap(), ["b", "a", "n"]);
    }
}
