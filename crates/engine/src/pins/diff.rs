//! What became of an object: where it says something else, as JSON pointers (RFC 6901).

use std::collections::HashMap;
use std::fmt;

use portcullis_mcp::digest_of;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Most differences that are told.
const MOST: usize = 500;
/// Most bytes of paths and values that are told.
const MOST_BYTES: usize = 1024 * 1024;

/// How something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// It was not there.
    Added,
    /// It is not there any more.
    Removed,
    /// It says something else.
    Changed,
}

impl DifferenceKind {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// One place at which two objects differ. Values are the text that was written: a number of thirty digits
/// has all of them.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Where.
    pub path: String,
    /// How.
    pub kind: DifferenceKind,
    /// What stood there.
    pub old: Option<Box<RawValue>>,
    /// What stands there.
    pub new: Option<Box<RawValue>>,
}

/// Where two objects differ, as far as there is room.
#[derive(Clone, Debug, Default)]
pub struct Differences {
    /// The first five hundred, of a megabyte at most.
    pub told: Vec<Difference>,
    /// There are more: only the objects themselves show all of it.
    pub truncated: bool,
    bytes: usize,
}

impl Differences {
    /// Whether there is no room; asked before anything is made of a place, since a server chooses how long its
    /// path is and how many there are.
    const fn is_full(&mut self) -> bool {
        let full = self.told.len() >= MOST || self.bytes >= MOST_BYTES;
        self.truncated |= full;
        full
    }

    fn note(&mut self, path: String, old: Option<&RawValue>, new: Option<&RawValue>) {
        let size = |raw: Option<&RawValue>| raw.map_or(0, |raw| raw.get().len());
        let bytes = path.len() + size(old) + size(new);
        if self.is_full() || self.bytes + bytes > MOST_BYTES {
            self.truncated = true;
            return;
        }
        self.bytes += bytes;
        let kind = match (old, new) {
            (None, _) => DifferenceKind::Added,
            (_, None) => DifferenceKind::Removed,
            _ => DifferenceKind::Changed,
        };
        self.told.push(Difference {
            path,
            kind,
            old: old.map(ToOwned::to_owned),
            new: new.map(ToOwned::to_owned),
        });
    }
}

/// All differences, or the first of them.
pub(super) fn differences(old: &RawValue, new: &RawValue) -> Differences {
    let mut found = Differences::default();
    compare("", old, new, &mut found);
    found
}

fn compare(path: &str, old: &RawValue, new: &RawValue, found: &mut Differences) {
    if digest_of(old) == digest_of(new) {
        return;
    }
    match (Parts::of(old), Parts::of(new)) {
        (Some(Parts::Object(old)), Some(Parts::Object(new))) => {
            members(path, &old, &new, found);
        }
        (Some(Parts::Array(old)), Some(Parts::Array(new))) => items(path, &old, &new, found),
        _ => found.note(path.to_owned(), Some(old), Some(new)),
    }
}

fn items(path: &str, old: &[&RawValue], new: &[&RawValue], found: &mut Differences) {
    for at in 0..old.len().max(new.len()) {
        if found.is_full() {
            return;
        }
        match (old.get(at), new.get(at)) {
            (Some(old), Some(new)) if digest_of(old) == digest_of(new) => {}
            (Some(old), Some(new)) => compare(&format!("{path}/{at}"), old, new, found),
            (old, new) => found.note(format!("{path}/{at}"), old.copied(), new.copied()),
        }
    }
}

/// A member that stands twice is compared with the one that stands in the same turn.
fn members(path: &str, old: &Listed<'_>, new: &Listed<'_>, found: &mut Differences) {
    let at = |name: &str| format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
    let (old, new) = (in_turns(old), in_turns(new));
    let later: HashMap<(&str, usize), &RawValue> = new.iter().copied().collect();
    let before: HashMap<(&str, usize), &RawValue> = old.iter().copied().collect();
    for ((name, turn), value) in old {
        if found.is_full() {
            return;
        }
        match later.get(&(name, turn)) {
            Some(new) if digest_of(value) == digest_of(new) => {}
            Some(new) => compare(&at(name), value, new, found),
            None => found.note(at(name), Some(value), None),
        }
    }
    for ((name, turn), value) in new {
        if found.is_full() {
            return;
        }
        if !before.contains_key(&(name, turn)) {
            found.note(at(name), None, Some(value));
        }
    }
}

fn in_turns<'l>(members: &'l Listed<'_>) -> Vec<((&'l str, usize), &'l RawValue)> {
    let mut turns: HashMap<&str, usize> = HashMap::new();
    let numbered = members.0.iter().map(|(name, value)| {
        let turn = turns.entry(name).or_default();
        *turn += 1;
        ((name.as_str(), *turn), *value)
    });
    numbered.collect()
}

enum Parts<'a> {
    Object(Listed<'a>),
    Array(Vec<&'a RawValue>),
}

impl<'a> Parts<'a> {
    fn of(raw: &'a RawValue) -> Option<Self> {
        match raw.get().as_bytes().first()? {
            b'{' => serde_json::from_str(raw.get()).ok().map(Self::Object),
            b'[' => serde_json::from_str(raw.get()).ok().map(Self::Array),
            _ => None,
        }
    }
}

/// Every member in its order, also those that stand twice.
struct Listed<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Listed<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Listed<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Listed<'de>, M::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key()? {
                    members.push((name, map.next_value()?));
                }
                Ok(Listed(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: &str, new: &str) -> Vec<String> {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let found = differences(&raw(old), &raw(new)).told;
        let text = |raw: &Option<Box<RawValue>>| {
            let text = raw.as_ref().map(|raw| raw.get().to_owned());
            text.unwrap_or_else(|| "-".to_owned())
        };
        found
            .iter()
            .map(|one| {
                let (old, new) = (text(&one.old), text(&one.new));
                format!("{} {} {old} {new}", one.kind.as_str(), one.path)
            })
            .collect()
    }

    #[test]
    fn what_says_the_same_in_other_words_does_not_differ() {
        assert!(told(r#"{"a":1,"b":["x"]}"#, "{ \"b\":[\"\\u0078\"], \"a\" : 1 }").is_empty());
    }

    #[test]
    fn every_place_that_differs_is_told_with_both_values_as_they_were_written() {
        let old = r#"{"name":"a","inputSchema":{"p/q~":{"max":123456789012345678901234567890}},"required":["x","y"],"gone":{}}"#;
        let new = r#"{"name":"a","inputSchema":{"p/q~":{"max":123456789012345678901234567891}},"required":["x"],"new":[1]}"#;
        assert_eq!(
            told(old, new),
            [
                "changed /inputSchema/p~1q~0/max 123456789012345678901234567890 123456789012345678901234567891",
                r#"removed /required/1 "y" -"#,
                "removed /gone {} -",
                "added /new - [1]",
            ]
        );
    }

    #[test]
    fn a_member_that_stands_twice_differs_from_one_that_stands_once() {
        assert_eq!(told(r#"{"a":1}"#, r#"{"a":1,"a":2}"#), ["added /a - 2"]);
        assert_eq!(
            told(r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#),
            ["changed /a 1 2", "changed /a 2 1"]
        );
    }

    #[test]
    fn another_kind_of_value_is_a_change_and_there_is_an_end_of_telling() {
        assert_eq!(told("{}", "[]"), ["changed  {} []"]);
        let many: Vec<String> = (0..2 * MOST).map(|number| number.to_string()).collect();
        let many = format!("[{}]", many.join(","));
        assert_eq!(told("[]", &many).len(), MOST);
    }

    /// Whoever approves must know that there is more than is told, and looking must cost little.
    #[test]
    fn what_is_left_out_is_said_and_long_names_do_not_multiply() {
        let raw = |text: String| RawValue::from_string(text).unwrap();
        let object = |value: &str| {
            let values = vec![value; 50_000].join(",");
            let name = "k".repeat(100_000);
            raw(format!("{{\"{name}\":[{values}],\"description\":{value}}}"))
        };
        let found = differences(&object("0"), &object("1"));
        assert!(found.truncated);
        let bytes: usize = found.told.iter().map(|one| one.path.len()).sum();
        assert!(bytes <= MOST_BYTES, "{bytes}");
        let few = differences(&raw("[1]".to_owned()), &raw("[2]".to_owned()));
        assert!(!few.truncated);
    }
}
