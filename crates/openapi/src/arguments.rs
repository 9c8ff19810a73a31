//! Argument values as texts. Numbers stay the text that they are; `0`, `false` and `""` are values,
//! `null` is none.

use portcullis_mcp::{Members, string_of};
use serde_json::value::RawValue;

/// A value, as far as styles tell values apart.
#[derive(Debug)]
pub(crate) enum Shape<'a> {
    One(String),
    Many(Vec<&'a RawValue>),
    Pairs(Members<'a>),
}

/// Whether a value is none.
pub(crate) fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

impl<'a> Shape<'a> {
    /// The shape of a value that is not null; `None` for an object in which a name stands twice.
    pub(crate) fn of(raw: &'a RawValue) -> Option<Self> {
        match raw.get().as_bytes().first() {
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
                Some(Self::Many(
                    items.into_iter().filter(|item| !is_null(item)).collect(),
                ))
            }
            Some(b'{') => Members::of(raw).ok().map(Self::Pairs),
            _ => Some(Self::One(text(raw))),
        }
    }
}

/// A value as one text: a string's own, anything else as its JSON.
pub(crate) fn text(raw: &RawValue) -> String {
    string_of(raw).map_or_else(|| raw.get().to_owned(), std::borrow::Cow::into_owned)
}
