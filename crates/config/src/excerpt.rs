//! One line of the file, fit to be shown.
//!
//! Nothing is shown because it looks harmless: only keys, and values of keys that we know and that
//! hold no secret, are; every other value becomes `***`. A misspelt `client_secrt` therefore shows
//! its key and not its value, and so does the neighbour on the same line of a JSON file.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::tree::{Node, Span, Value};

/// A masked line with a caret under what is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Excerpt {
    /// The line.
    pub text: String,
    /// Characters before the caret.
    pub caret: usize,
    /// How many carets.
    pub carets: usize,
}

/// Wider lines are cut: a caret nobody can see helps nobody.
const MAX_WIDTH: usize = 160;

const MASK: &str = "***";

/// The file's text and what of it may be shown.
#[derive(Debug, Default)]
pub(crate) struct Showable {
    shown: Vec<(usize, usize)>,
    hidden: Vec<(usize, usize)>,
    parsed: bool,
}

impl Showable {
    /// Nothing is known about the text: only what stands before a colon is shown.
    pub(crate) fn unparsed() -> Self {
        Self::default()
    }

    /// Keys are shown; scalars are hidden unless their span is in `harmless`.
    pub(crate) fn of(root: &Node, harmless: &[Span]) -> Self {
        let mut showable = Self {
            parsed: true,
            ..Self::default()
        };
        let starts = harmless.iter().map(|span| (span.start, span.end)).collect();
        showable.walk(root, &starts);
        showable
            .shown
            .extend(harmless.iter().map(|span| (span.start, span.end)));
        showable
    }

    fn walk(&mut self, node: &Node, harmless: &BTreeSet<(usize, usize)>) {
        match &node.value {
            Value::Null => self.shown.push((node.span.start, node.span.end)),
            Value::Scalar { .. } => {
                let range = (node.span.start, node.span.end);
                if harmless.contains(&range) {
                    self.shown.push(range);
                } else {
                    self.hidden.push(range);
                }
            }
            Value::List(items) => items.iter().for_each(|item| self.walk(item, harmless)),
            Value::Map(entries) => {
                for entry in entries {
                    self.shown.push((entry.key_span.start, entry.key_span.end));
                    self.walk(&entry.node, harmless);
                }
            }
        }
    }

    /// The line that `span` begins on.
    pub(crate) fn line(&self, text: &str, span: Span) -> Option<Excerpt> {
        if span.line == 0 {
            return None;
        }
        let line = text.lines().nth(span.line - 1)?;
        let line_start = (line.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        let line_end = line_start + line.len();
        let here = |ranges: &[(usize, usize)]| -> Vec<(usize, usize)> {
            let on_line = |range: &&(usize, usize)| range.0 <= line_end && range.1 >= line_start;
            ranges.iter().filter(on_line).copied().collect()
        };
        let ranges = OnLine {
            shown: here(&self.shown),
            hidden: here(&self.hidden),
        };
        let mut out = Masked::default();
        for (offset, char) in line.char_indices() {
            let at = line_start + offset;
            if at == span.start {
                out.caret = Some(out.text.chars().count());
            }
            if at == span.end && span.end > span.start {
                out.caret_end = Some(out.text.chars().count());
            }
            match self.class(&ranges, line, offset, at, char) {
                Class::Show => out.show(char),
                Class::Hide => out.hide(),
                Class::Cut => break,
            }
        }
        let width = out.text.chars().count();
        let caret = out
            .caret
            .unwrap_or_else(|| span.column.saturating_sub(1).min(width));
        let end = out.caret_end.unwrap_or(width).max(caret + 1);
        if caret >= MAX_WIDTH {
            return None;
        }
        Some(Excerpt {
            text: out
                .text
                .trim_end()
                .chars()
                .take(MAX_WIDTH)
                .collect::<String>(),
            caret,
            carets: if span.end > span.start {
                end.min(MAX_WIDTH) - caret
            } else {
                1
            },
        })
    }

    fn class(&self, ranges: &OnLine, line: &str, offset: usize, at: usize, char: char) -> Class {
        if !self.parsed {
            let colon = line.find(':').unwrap_or(0);
            return match offset {
                offset if offset <= colon || char.is_whitespace() => Class::Show,
                _ => Class::Hide,
            };
        }
        let within = |ranges: &[(usize, usize)]| {
            ranges
                .iter()
                .any(|(start, end)| (*start..*end).contains(&at))
        };
        // A block scalar's span reaches into the next line's indentation.
        let indentation = line
            .get(..offset)
            .is_some_and(|before| before.trim().is_empty());
        if indentation && char.is_whitespace() {
            Class::Show
        } else if within(&ranges.hidden) {
            Class::Hide
        } else if within(&ranges.shown) {
            Class::Show
        } else if char == '#' {
            Class::Cut
        } else if char.is_whitespace() || "-:,{}[]'\"?".contains(char) {
            Class::Show
        } else {
            Class::Hide
        }
    }
}

/// The ranges that touch one line.
struct OnLine {
    shown: Vec<(usize, usize)>,
    hidden: Vec<(usize, usize)>,
}

enum Class {
    Show,
    Hide,
    /// A comment: the rest of the line is nobody's business.
    Cut,
}

#[derive(Default)]
struct Masked {
    text: String,
    hiding: bool,
    caret: Option<usize>,
    caret_end: Option<usize>,
}

impl Masked {
    fn show(&mut self, char: char) {
        self.hiding = false;
        self.text.push(if char.is_control() { ' ' } else { char });
    }

    fn hide(&mut self) {
        if !self.hiding {
            self.text.push_str(MASK);
        }
        self.hiding = true;
    }
}
