//! A path with expressions: `/pets/{petId}`.

use crate::serial::encoded;

/// One part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Goes in as it is: nothing in it needs encoding.
    Literal(String),
    /// Takes the parameter of this name.
    Expression(String),
}

/// A path's parts, and the query that some documents write behind it.
pub(crate) fn parts(path: &str) -> (Vec<Part>, Option<String>) {
    let path = path.split('#').next().unwrap_or_default();
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(literal(query, "=&"))),
        None => (path, None),
    };
    let mut parts = Vec::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            break;
        };
        if !before.is_empty() {
            parts.push(Part::Literal(literal(before, "/")));
        }
        parts.push(Part::Expression(name.to_owned()));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(literal(rest, "/")));
    }
    (parts, query)
}

/// A part of the document's own, encoded where a URI demands it; what is encoded already stays.
fn literal(text: &str, also: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric()
            || "-._~!$'()*+,;:@%".contains(letter)
            || also.contains(letter)
        {
            out.push(letter);
        } else {
            out.push_str(&encoded(letter.encode_utf8(&mut [0; 4])));
        }
    }
    out
}

/// Whether a path would be read as leading somewhere else: it has a segment `.` or `..`.
pub(crate) fn climbs(path: &str) -> bool {
    // Some servers take what follows a `;` for parameters of the step.
    path.split(['/', '\\'])
        .any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
}
