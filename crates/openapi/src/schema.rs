//! Schemas of OpenAPI 3.0, 3.1 and Swagger 2 as JSON Schema 2020-12. What a reference leads to becomes
//! a definition, once, so that circles stay circles and nothing multiplies; only keywords that mean
//! something to a client are taken over.

mod keywords;
pub(crate) mod shapes;

use std::collections::HashMap;

use crate::limits::{MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, MAX_VISITS};
use crate::name::{Names, of_argument};
use crate::node::{Node, Value, object, quote};
use crate::pointer::{Target, resolve, step};

/// Which way a value goes: what may only be read is not sent, and the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Input,
    Output,
}

/// Members of a schema, whose values are JSON.
pub(crate) type Members = Vec<(String, String)>;

/// Accepts anything.
const ANYTHING: &str = "{}";

/// Writes the schemas of one tool in one direction.
pub(crate) struct Writer<'d> {
    root: &'d Node,
    direction: Direction,
    /// 3.1 is JSON Schema already: what stands beside `$ref` counts.
    siblings: bool,
    /// Bytes are parts of their own.
    pub(crate) files: bool,
    names: Names,
    /// Definitions by the node that they are of.
    named: HashMap<*const Node, String>,
    definitions: Vec<(String, &'d Node)>,
    /// Lines of references that lead out of the document or nowhere.
    pub(crate) lost: Vec<(usize, String)>,
}

impl<'d> Writer<'d> {
    pub(crate) fn new(root: &'d Node, direction: Direction) -> Self {
        let version = root
            .get("openapi")
            .and_then(Node::words)
            .unwrap_or_default();
        Self {
            root,
            direction,
            siblings: !version.is_empty() && !version.starts_with("3.0"),
            files: false,
            names: Names::new(crate::limits::MAX_ARGUMENT_NAME),
            named: HashMap::new(),
            definitions: Vec::new(),
            lost: Vec::new(),
        }
    }

    /// A schema as an object: TypeScript clients take no `true` for a property.
    pub(crate) fn schema(&mut self, node: &'d Node, depth: usize) -> String {
        object(&self.members(node, depth))
    }

    /// The members of a schema; none where anything is accepted.
    pub(crate) fn members(&mut self, node: &'d Node, depth: usize) -> Members {
        if depth > MAX_SCHEMA_DEPTH {
            return Vec::new();
        }
        if node.flag() == Some(false) {
            return vec![("not".to_owned(), ANYTHING.to_owned())];
        }
        let Some(reference) = node.text_of("$ref") else {
            return self.keywords(node, depth);
        };
        let mut members = Vec::new();
        if let Some(name) = self.define(node, reference) {
            let pointer = format!("#/$defs/{name}");
            members.push(("$ref".to_owned(), quote(&pointer)));
        }
        if self.siblings {
            members.extend(self.keywords(node, depth));
        }
        members
    }

    /// The members of what a schema is in the end, without a reference in front.
    pub(crate) fn resolved(&mut self, node: &'d Node) -> Members {
        match resolve(self.root, node) {
            Target::Here(node, _) => self.keywords(node, 0),
            Target::Outside | Target::Nowhere => Vec::new(),
        }
    }

    /// The name of the definition behind a reference.
    fn define(&mut self, node: &'d Node, reference: &str) -> Option<String> {
        // A circle of nothing but references would say nothing.
        if !matches!(resolve(self.root, node), Target::Here(..)) {
            let why = format!("{reference:?} leads out of the document, in a circle or nowhere");
            self.lost.push((node.line, why));
            return None;
        }
        let Target::Here(target, last) = step(self.root, reference) else {
            return None;
        };
        let key = std::ptr::from_ref(target);
        if let Some(name) = self.named.get(&key) {
            return Some(name.clone());
        }
        let name = self.names.claim(&of_argument(&last));
        self.named.insert(key, name.clone());
        self.definitions.push((name.clone(), target));
        Some(name)
    }

    /// The `$defs` of everything written so far, within `most` bytes; what is beyond accepts anything.
    pub(crate) fn definitions(&mut self, most: usize) -> Option<String> {
        let most = most.min(MAX_SCHEMA_BYTES);
        let mut out: Members = Vec::new();
        let mut bytes = 0_usize;
        let mut at = 0;
        while let Some((name, node)) = self.definitions.get(at).cloned() {
            at += 1;
            let schema = if bytes < most {
                self.schema(node, 0)
            } else {
                ANYTHING.to_owned()
            };
            let schema = if bytes.saturating_add(schema.len()) > most {
                ANYTHING.to_owned()
            } else {
                schema
            };
            bytes = bytes.saturating_add(schema.len());
            out.push((name, schema));
        }
        (!out.is_empty()).then(|| object(&out))
    }

    fn keywords(&mut self, node: &'d Node, depth: usize) -> Members {
        let Value::Map(map) = &node.value else {
            return Vec::new();
        };
        keywords::of(self, node, map, depth)
    }
}

/// Whether everything that a schema accepts is an object.
pub(crate) fn is_object<'d>(root: &'d Node, node: &'d Node, levels: usize) -> bool {
    let mut visits = MAX_VISITS;
    accepts_objects(root, node, levels, &mut visits)
}

fn accepts_objects<'d>(root: &'d Node, node: &'d Node, levels: usize, visits: &mut usize) -> bool {
    let Some(left) = visits.checked_sub(1) else {
        return false;
    };
    *visits = left;
    let Target::Here(node, _) = resolve(root, node) else {
        return false;
    };
    if levels == 0 || node.is_set("nullable") || node.is_set("x-nullable") {
        return false;
    }
    match node.get("type") {
        Some(kind) => kind.text() == Some("object"),
        None if node.get("properties").is_some() => true,
        None => node
            .get("allOf")
            .into_iter()
            .flat_map(Node::items)
            .any(|part| accepts_objects(root, part, levels - 1, visits)),
    }
}

/// Whether a value is bytes and no text: OpenAPI 3.0's `binary`, Swagger 2's `file`, and since 3.1 a
/// media type without an encoding.
pub(crate) fn is_file(node: &Node) -> bool {
    match node.text_of("type") {
        Some("file") => true,
        Some("string") => {
            node.text_of("format") == Some("binary")
                || (node.text_of("contentEncoding").is_none()
                    && node
                        .text_of("contentMediaType")
                        .is_some_and(|kind| !kind.starts_with("text/") && !kind.contains("json")))
        }
        _ => false,
    }
}

/// Whether a property is only for the other direction.
pub(crate) fn is_withheld(node: &Node, direction: Direction) -> bool {
    match direction {
        Direction::Input => node.is_set("readOnly"),
        Direction::Output => node.is_set("writeOnly"),
    }
}

#[cfg(test)]
mod tests;
