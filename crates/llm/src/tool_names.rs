//! Names of tools that a provider refuses, and the names it is told instead.

use std::borrow::Cow;
use std::collections::HashMap;

use portcullis_core::{hex, sha256};

/// The longest name that every provider takes.
const LONGEST: usize = 64;
/// Hexadecimal digits of the mark.
const MARK: usize = 8;

/// The names of one request's tools as the provider knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolNames {
    /// From the provider's name to the caller's; only those that differ.
    changed: HashMap<String, String>,
}

impl ToolNames {
    /// The name to tell the provider: the same if it is at most 64 of `A-Z a-z 0-9 _ -`, else its
    /// readable head and eight digits of its hash, the same on every replica and in every turn.
    pub(crate) fn outward<'n>(&mut self, name: &'n str) -> Cow<'n, str> {
        if is_plain(name) {
            return Cow::Borrowed(name);
        }
        let head: String = name
            .chars()
            .take(LONGEST - MARK - 1)
            .map(|c| if is_plain_char(c) { c } else { '_' })
            .collect();
        let digest = hex(&sha256(name.as_bytes()));
        let mark = digest.get(..MARK).unwrap_or_default();
        let told = format!("{head}_{mark}");
        self.changed.insert(told.clone(), name.to_owned());
        Cow::Owned(told)
    }

    /// The caller's name of a tool that the provider speaks of.
    pub fn inward<'n>(&'n self, told: &'n str) -> &'n str {
        self.changed.get(told).map_or(told, String::as_str)
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST && name.chars().all(is_plain_char)
}

const fn is_plain_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}
