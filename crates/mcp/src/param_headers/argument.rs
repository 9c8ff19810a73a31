//! The arguments of a call as headers can mirror them: found by position, each value on its own.

use std::borrow::Cow;

use serde_json::Number;
use serde_json::value::RawValue;

use crate::json::{JsonError, Members, string_of};

/// 2^53 − 1: up to here every JSON reader agrees on what an integer is (RFC 8259 §6).
const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// A call's arguments, each object in them read once however many headers come from it.
pub(super) struct Arguments<'a> {
    root: Option<&'a RawValue>,
    read: Vec<(&'a RawValue, Members<'a>)>,
}

impl<'a> Arguments<'a> {
    pub(super) const fn of(root: Option<&'a RawValue>) -> Self {
        Self {
            root,
            read: Vec::new(),
        }
    }

    /// The value that these properties lead to; `None` when it is absent or null. An error when an
    /// object on the way has a member twice: the next parser could read the other one.
    pub(super) fn at(&mut self, path: &[String]) -> Result<Option<Argument<'a>>, JsonError> {
        let Some(mut value) = self.root else {
            return Ok(None);
        };
        for property in path {
            if !value.get().starts_with('{') {
                return Ok(None);
            }
            match self.member(value, property)? {
                Some(next) => value = next,
                None => return Ok(None),
            }
        }
        Ok(Argument::read(value))
    }

    fn member(
        &mut self,
        object: &'a RawValue,
        name: &str,
    ) -> Result<Option<&'a RawValue>, JsonError> {
        let read = self.read.iter().find(|(raw, _)| std::ptr::eq(*raw, object));
        if let Some((_, members)) = read {
            return Ok(members.get(name));
        }
        let members = Members::of(object)?;
        let found = members.get(name);
        self.read.push((object, members));
        Ok(found)
    }
}

/// One argument that is there.
#[derive(Debug)]
pub(super) enum Argument<'a> {
    Text(Cow<'a, str>),
    Flag(bool),
    Integer(i64),
    /// An object, an array, a fraction, or an integer that readers do not agree on.
    Formless,
}

impl<'a> Argument<'a> {
    fn read(raw: &'a RawValue) -> Option<Self> {
        Some(match raw.get() {
            "null" => return None,
            "true" => Self::Flag(true),
            "false" => Self::Flag(false),
            text if text.starts_with('"') => string_of(raw).map_or(Self::Formless, Self::Text),
            text => integer(text).map_or(Self::Formless, Self::Integer),
        })
    }

    /// What a header says for this argument before coding, if anything can.
    pub(super) fn header_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Flag(true) => Some(Cow::Borrowed("true")),
            Self::Flag(false) => Some(Cow::Borrowed("false")),
            Self::Integer(integer) => Some(Cow::Owned(integer.to_string())),
            Self::Formless => None,
        }
    }

    /// Whether decoded header text and argument are the same value: numbers by value, so that `42`
    /// and `42.0` agree, everything else byte for byte.
    pub(super) fn is_said_by(&self, text: &str) -> bool {
        match self {
            Self::Integer(own) => integer(text) == Some(*own),
            other => other.header_text().is_some_and(|expected| expected == text),
        }
    }
}

fn integer(text: &str) -> Option<i64> {
    safe_integer(&text.parse().ok()?)
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
