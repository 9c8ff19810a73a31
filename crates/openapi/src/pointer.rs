//! References within a document (RFC 6901 in a URI fragment). Those that lead out of it are never
//! followed.

use std::borrow::Cow;

use crate::limits::MAX_REFERENCES;
use crate::node::{Node, Value};

/// Where a reference leads.
pub(crate) enum Target<'d> {
    /// To this node, under this last name of its path.
    Here(&'d Node, String),
    /// Out of the document.
    Outside,
    /// To nothing, or in a circle.
    Nowhere,
}

/// The node behind a `$ref`, one step.
pub(crate) fn step<'d>(root: &'d Node, reference: &str) -> Target<'d> {
    let Some(fragment) = reference.strip_prefix('#') else {
        return Target::Outside;
    };
    let mut node = root;
    let mut last = String::from("document");
    for token in fragment.split('/').skip(1) {
        let token = unescaped(token);
        let below = match &node.value {
            Value::Map(map) => map.get(&token),
            Value::List(items) => token.parse().ok().and_then(|at: usize| items.get(at)),
            _ => None,
        };
        let Some(below) = below else {
            return Target::Nowhere;
        };
        node = below;
        last = token.into_owned();
    }
    Target::Here(node, last)
}

/// The node behind a reference object, or the node itself, however many references lie between.
pub(crate) fn resolve<'d>(root: &'d Node, node: &'d Node) -> Target<'d> {
    let mut node = node;
    let mut last = String::new();
    for _ in 0..MAX_REFERENCES {
        let Some(reference) = node.text_of("$ref") else {
            return Target::Here(node, last);
        };
        match step(root, reference) {
            Target::Here(next, name) => {
                node = next;
                last = name;
            }
            lost => return lost,
        }
    }
    Target::Nowhere
}

fn unescaped(token: &str) -> Cow<'_, str> {
    if !token.contains(['~', '%']) {
        return Cow::Borrowed(token);
    }
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = |byte: &u8| {
            char::from(*byte)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        match (first, after) {
            (b'%', [high, low, after @ ..]) if hex(high).is_some() && hex(low).is_some() => {
                bytes.push(hex(high).unwrap_or_default() * 16 + hex(low).unwrap_or_default());
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Cow::Owned(text.replace("~1", "/").replace("~0", "~"))
}
