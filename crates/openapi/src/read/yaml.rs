//! YAML 1.2, with the core schema's scalars. Aliases are expanded within the bound on values.

use std::collections::{BTreeMap, HashSet};

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StrInput};

use super::{Count, map, too_deep};
use crate::error::DocumentError;
use crate::limits::MAX_DEPTH;
use crate::node::{Node, Value};

pub(super) fn read(text: &str) -> Result<Node, DocumentError> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(text, options),
        anchors: BTreeMap::new(),
        count: Count::default(),
    };
    let mut root = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => {
                return root.ok_or_else(|| DocumentError::new(None, "the document is empty"));
            }
            Event::DocumentStart(..) if root.is_some() => {
                let message = "a second YAML document begins here: one file holds one document";
                return Err(DocumentError::new(Some(span.start.line()), message));
            }
            Event::StreamStart | Event::DocumentEnd | Event::DocumentStart(..) => {}
            event => root = Some(reader.node(event, &span, 0)?),
        }
    }
}

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    /// What aliases may name, with how many values it is, and how much text.
    anchors: BTreeMap<usize, (Node, usize, usize)>,
    count: Count,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), DocumentError> {
        match self.events.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let line = error.marker().line();
                let message = format!("not valid YAML: {}", error.info());
                Err(DocumentError::new(Some(line), message))
            }
            None => Err(DocumentError::new(None, "not valid YAML: it breaks off")),
        }
    }

    fn node(&mut self, event: Event<'t>, span: &Span, depth: usize) -> Result<Node, DocumentError> {
        let line = span.start.line();
        let before = self.count.nodes;
        self.count.spend(1, line)?;
        if depth > MAX_DEPTH {
            return Err(too_deep(line));
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let value = if plain {
                    scalar(&text)
                } else {
                    Value::Text(text.into())
                };
                (value, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        break;
                    }
                    items.push(self.node(event, &span, depth + 1)?);
                }
                (Value::List(items), anchor)
            }
            Event::MappingStart(_, anchor, _) => (self.mapping(depth)?, anchor),
            Event::Alias(id) => {
                let Some((target, nodes, bytes)) = self.anchors.get(&id) else {
                    let message = "an alias to a value that contains it";
                    return Err(DocumentError::new(Some(line), message));
                };
                // Counted before it is copied.
                self.count.copy(*nodes, *bytes, line)?;
                let copy = target.clone();
                if depth + levels(&copy) > MAX_DEPTH {
                    return Err(too_deep(line));
                }
                return Ok(copy);
            }
            _ => {
                let message = "not valid YAML: a value is missing";
                return Err(DocumentError::new(Some(line), message));
            }
        };
        let node = Node { value, line };
        if anchor > 0 {
            let nodes = self.count.nodes.saturating_sub(before);
            let bytes = bytes(&node);
            self.count.copy(nodes, bytes, line)?;
            self.anchors.insert(anchor, (node.clone(), nodes, bytes));
        }
        Ok(node)
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, DocumentError> {
        let mut entries: Vec<(Box<str>, Node)> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let line = span.start.line();
            let (key, style) = match event {
                Event::MappingEnd => break,
                // As written: `200` and `on` are names like any other.
                Event::Scalar(text, style, ..) => (text, style),
                _ => return Err(DocumentError::new(Some(line), "a key must be plain text")),
            };
            let (event, span) = self.next()?;
            let node = self.node(event, &span, depth + 1)?;
            if style == ScalarStyle::Plain && key == "<<" {
                merged.push(node);
            } else {
                entries.push((key.into(), node));
            }
        }
        // YAML 1.1's merge key, which documents by hand still use: what is written here wins.
        let mut known: HashSet<Box<str>> = HashSet::new();
        if !merged.is_empty() {
            known.extend(entries.iter().map(|(name, _)| name.clone()));
        }
        for node in merged {
            let sources = match node.value {
                Value::List(items) => items,
                _ => vec![node],
            };
            for source in sources {
                for (name, value) in source.entries() {
                    if known.insert(name.into()) {
                        let bytes = name.len() + bytes(value);
                        self.count.copy(size(value), bytes, value.line)?;
                        entries.push((name.into(), value.clone()));
                    }
                }
            }
        }
        map(entries).map(Value::Map)
    }
}

fn size(node: &Node) -> usize {
    1 + node.items().map(size).sum::<usize>()
        + node.entries().map(|(_, node)| size(node)).sum::<usize>()
}

/// Text in a value, names of members among it.
fn bytes(node: &Node) -> usize {
    let own = node.words().map_or(0, str::len);
    let members = node.entries().map(|(name, node)| name.len() + bytes(node));
    own + node.items().map(bytes).sum::<usize>() + members.sum::<usize>()
}

fn levels(node: &Node) -> usize {
    let below = match &node.value {
        Value::List(items) => items.iter().map(levels).max(),
        Value::Map(map) => map.iter().map(|(_, node)| levels(node)).max(),
        _ => return 0,
    };
    1 + below.unwrap_or_default()
}

/// What a plain scalar stands for (YAML 1.2, core schema).
fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::Text(text.into()), Value::Number),
    }
}

/// A number as JSON writes it, if it is one.
fn number(text: &str) -> Option<Box<str>> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    if serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok() {
        return Some(text.into());
    }
    let radix = |prefix: &str, radix: u32| {
        let digits = text.strip_prefix(prefix)?;
        u64::from_str_radix(digits, radix).ok()
    };
    if let Some(number) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Some(number.to_string().into());
    }
    let plain =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'-' | b'+');
    if !text.bytes().all(plain) {
        return None;
    }
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.to_string().into());
    }
    let number: f64 = text.parse().ok()?;
    serde_json::Number::from_f64(number).map(|number| number.to_string().into())
}
