//! Names that a caller chose: bounded and harmless to print.

use std::borrow::Cow;

use serde::Serialize;

/// Longest text of a caller's that an event keeps, in bytes.
const CAP: usize = 256;

/// A name from a request (a method, a tool, a URI), cut to 256 bytes. JSON escapes the control
/// characters below U+0020; the others (DEL, C1, line separators, bidirectional overrides), which
/// a terminal or log viewer may obey, are spelt out here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CallerText(Cow<'static, str>);

impl CallerText {
    /// A name of our own, such as a route: nothing to cut or to copy.
    pub const fn fixed(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// A name as the caller sent it.
    pub fn new(text: &str) -> Self {
        let kept = text.get(..text.floor_char_boundary(CAP)).unwrap_or("");
        let cut = kept.len() < text.len();
        if !cut && kept.is_ascii() && !kept.contains('\u{7f}') {
            return Self(Cow::Owned(kept.to_owned()));
        }
        let mut safe = String::with_capacity(kept.len() + 8);
        for character in kept.chars() {
            if misleads(character) {
                safe.extend(character.escape_unicode());
            } else {
                safe.push(character);
            }
        }
        if cut {
            safe.push('…');
        }
        Self(Cow::Owned(safe))
    }

    /// The text, where it is a name of our own.
    pub(crate) const fn as_fixed(&self) -> Option<&'static str> {
        match self.0 {
            Cow::Borrowed(text) => Some(text),
            Cow::Owned(_) => None,
        }
    }

    /// The text as it is recorded.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const fn misleads(character: char) -> bool {
    matches!(
        character,
        '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_name_of_a_megabyte_is_cut_at_a_character() {
        let text = CallerText::new(&"ä".repeat(500_000));
        assert_eq!(text.as_str(), format!("{}…", "ä".repeat(128)));
    }

    #[test]
    fn characters_that_rewrite_a_terminal_line_are_spelt_out() {
        let text = CallerText::new("rm\u{9b}2K\u{202e}x\u{2028}");
        assert_eq!(text.as_str(), "rm\\u{9b}2K\\u{202e}x\\u{2028}");
    }

    #[test]
    fn an_ordinary_name_stays_as_it_is() {
        assert_eq!(
            CallerText::new("github-create_issue").as_str(),
            "github-create_issue"
        );
        assert_eq!(CallerText::new("größe").as_str(), "größe");
    }
}
