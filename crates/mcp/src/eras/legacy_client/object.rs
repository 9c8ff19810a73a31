//! An object written member by member, values as they stand.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::{Members, quote};

/// What begins with this in `_meta` is the protocol's own (2026-07-28, "Reserved `_meta` prefixes").
const RESERVED: &str = "io.modelcontextprotocol/";

#[derive(Debug)]
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Self {
        Self("{".to_owned())
    }

    /// Adds a member; `value` is JSON text.
    pub(super) fn member(&mut self, name: &str, value: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&quote(name));
        self.0.push(':');
        self.0.push_str(value);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    pub(super) fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// `_meta` without what the other era reserves; `None` when nothing is left. What is no object means
/// nothing to anybody and goes too.
pub(super) fn own_meta(meta: &RawValue) -> Option<Object> {
    let members = Members::of(meta).ok()?;
    let mut own = Object::new();
    for (name, value) in members.iter() {
        if !name.starts_with(RESERVED) {
            own.member(name, value.get());
        }
    }
    (!own.is_empty()).then_some(own)
}

/// An object with its `_meta` cleaned and some members left out.
pub(super) fn cleaned(members: &Members<'_>, left_out: &[&str]) -> String {
    let mut object = Object::new();
    for (name, value) in members.iter() {
        let value = match name {
            _ if left_out.contains(&name) => continue,
            "_meta" => match own_meta(value) {
                Some(meta) => Cow::Owned(meta.finish()),
                None => continue,
            },
            _ => Cow::Borrowed(value.get()),
        };
        object.member(name, &value);
    }
    object.finish()
}
