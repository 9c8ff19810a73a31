//! Whether two texts say the same: a digest that layout and the order of members do not change.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use portcullis_core::Sha256;

use serde_json::value::RawValue;

use crate::json::{Members, check_depth};

/// The digest of an object without some of its members.
///
/// Member order, white space and the spelling of strings do not count, since whoever prints JSON
/// again may change them. Numbers count as their text: what readers make of them differs. So does
/// everything else.
pub fn digest_without(members: &Members<'_>, left_out: &[&str]) -> [u8; 32] {
    let kept = members.iter().filter(|(name, _)| !left_out.contains(name));
    of_object(
        kept.map(|(name, raw)| (Name::Text(Cow::Borrowed(name)), of_text(raw.get())))
            .collect(),
    )
}

/// The digest of a whole value of a message, by the same rules: every member counts, known or not, and one
/// that stands twice counts twice.
pub fn digest_of(value: &RawValue) -> [u8; 32] {
    of_text(value.get())
}

/// The same of a text that comes from elsewhere; `None`: it is no JSON, or too deep to be looked into.
pub fn digest_of_text(text: &str) -> Option<[u8; 32]> {
    check_depth(text.as_bytes()).ok()?;
    serde_json::from_str::<&RawValue>(text).ok().map(digest_of)
}

/// What cannot be read, which no member of a parsed message is, is the same only byte for byte.
fn of_text(json: &str) -> [u8; 32] {
    let mut reader = Reader { rest: json };
    match reader.value() {
        Some(value) if reader.peek().is_none() => value,
        _ => tagged(b"unread", json.as_bytes()),
    }
}

/// The name of a member: its text, or how it is written where that is no text (a lone surrogate).
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Name<'a> {
    Text(Cow<'a, str>),
    Literal(&'a str),
}

impl<'a> Name<'a> {
    fn of(read: Result<Cow<'a, str>, &'a str>) -> Self {
        match read {
            Ok(text) => Self::Text(text),
            Err(literal) => Self::Literal(literal),
        }
    }

    fn part(&self, hash: Sha256) -> Sha256 {
        match self {
            Self::Text(text) => hash.part(b"name").part(text.as_bytes()),
            Self::Literal(literal) => hash.part(b"literal").part(literal.as_bytes()),
        }
    }
}

fn of_object(mut members: Vec<(Name<'_>, [u8; 32])>) -> [u8; 32] {
    // Stable: of members with the same name, which comes last matters to readers.
    members.sort_by(|(one, _), (other, _)| one.cmp(other));
    let start = Sha256::new().part(b"object");
    let all = members
        .into_iter()
        .fold(start, |hash, (name, value)| name.part(hash).part(&value));
    all.finish()
}

fn tagged(tag: &[u8], bytes: &[u8]) -> [u8; 32] {
    Sha256::new().part(tag).part(bytes).finish()
}

/// One pass over JSON that was found valid, and not too deep, before.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Option<[u8; 32]> {
        match self.peek()? {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => Some(match self.string()? {
                Ok(text) => tagged(b"string", text.as_bytes()),
                Err(literal) => tagged(b"literal", literal.as_bytes()),
            }),
            _ => {
                let end = |c: char| matches!(c, ',' | ']' | '}') || c.is_ascii_whitespace();
                let length = self.rest.find(end).unwrap_or(self.rest.len());
                // Of nothing there is no end.
                let plain = self.take(length).filter(|plain| !plain.is_empty())?;
                Some(tagged(b"plain", plain.as_bytes()))
            }
        }
    }

    fn object(&mut self) -> Option<[u8; 32]> {
        let mut members = Vec::new();
        self.take(1)?;
        while self.goes_on(b'}')? {
            let name = Name::of(self.string()?);
            self.peek()?;
            self.rest = self.rest.strip_prefix(':')?;
            members.push((name, self.value()?));
        }
        Some(of_object(members))
    }

    fn array(&mut self) -> Option<[u8; 32]> {
        let mut hash = Sha256::new().part(b"array");
        self.take(1)?;
        while self.goes_on(b']')? {
            hash = hash.part(&self.value()?);
        }
        Some(hash.finish())
    }

    /// Past a comma if there is one; whether another item follows.
    fn goes_on(&mut self, end: u8) -> Option<bool> {
        let mut next = self.peek()?;
        if next == b',' {
            self.take(1)?;
            next = self.peek()?;
        }
        if next == end {
            self.take(1)?;
        }
        Some(next != end)
    }

    /// The text of a string; its literal when it stands for no text (half of a surrogate pair).
    fn string(&mut self) -> Option<Result<Cow<'a, str>, &'a str>> {
        let mut escaped = false;
        let inner = self.rest.strip_prefix('"')?;
        let length = inner.bytes().position(|byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        })?;
        let literal = self.take(length + 2)?;
        let inner = inner.get(..length)?;
        if !inner.contains('\\') {
            return Some(Ok(Cow::Borrowed(inner)));
        }
        Some(match serde_json::from_str::<String>(literal) {
            Ok(text) => Ok(Cow::Owned(text)),
            Err(_) => Err(literal),
        })
    }

    fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_ascii_start();
        self.rest.bytes().next()
    }

    fn take(&mut self, length: usize) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}
