//! A document as a tree in the order written, whose nodes know where they stand. Numbers stay text, so
//! that none is rounded on its way to a client.

use std::fmt::Write as _;

/// One value of a document.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    /// The line, from 1.
    pub(crate) line: usize,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// A JSON number.
    Number(Box<str>),
    Text(Box<str>),
    List(Vec<Node>),
    Map(Map),
}

/// Members in the order written, each name once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Map {
    entries: Vec<(Box<str>, Node)>,
    /// Positions by name.
    sorted: Vec<usize>,
}

impl Map {
    /// `Err` names what stands twice.
    pub(crate) fn new(entries: Vec<(Box<str>, Node)>) -> Result<Self, (Box<str>, usize)> {
        let name = |at: usize| entries.get(at).map(|(name, _)| name);
        let mut sorted: Vec<usize> = (0..entries.len()).collect();
        sorted.sort_by(|a, b| name(*a).cmp(&name(*b)).then(a.cmp(b)));
        let twice = sorted.windows(2).find_map(|pair| match pair {
            [a, b] if name(*a) == name(*b) => entries.get(*b),
            _ => None,
        });
        if let Some((name, node)) = twice {
            return Err((name.clone(), node.line));
        }
        Ok(Self { entries, sorted })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        let named = |at: usize| self.entries.get(at).map(|(name, _)| &**name);
        let found = self
            .sorted
            .binary_search_by(|at| named(*at).cmp(&Some(name)))
            .ok()?;
        let at = *self.sorted.get(found)?;
        self.entries.get(at).map(|(_, node)| node)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.entries.iter().map(|(name, node)| (&**name, node))
    }
}

impl Node {
    pub(crate) const fn map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The member of a map.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.map()?.get(name)
    }

    /// The members of a map; none of anything else.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &Self)> {
        self.map().into_iter().flat_map(Map::iter)
    }

    /// The items of a list; none of anything else.
    pub(crate) fn items(&self) -> impl Iterator<Item = &Self> {
        match &self.value {
            Value::List(items) => items.iter(),
            _ => [].iter(),
        }
    }

    pub(crate) const fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a text or a number: `openapi: 3.1` is meant as a text.
    pub(crate) const fn words(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Number(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) const fn flag(&self) -> Option<bool> {
        match self.value {
            Value::Bool(flag) => Some(flag),
            _ => None,
        }
    }

    /// A text member.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.get(name)?.text()
    }

    /// Whether a member is `true`.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.get(name).and_then(Self::flag) == Some(true)
    }

    /// The value as JSON.
    pub(crate) fn json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match &self.value {
            Value::Null => out.push_str("null"),
            Value::Bool(flag) => {
                let _ = write!(out, "{flag}");
            }
            Value::Number(text) => out.push_str(text),
            Value::Text(text) => out.push_str(&quote(text)),
            Value::List(items) => {
                out.push('[');
                for (position, item) in items.iter().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Value::Map(map) => {
                out.push('{');
                for (position, (name, node)) in map.iter().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    out.push_str(&quote(name));
                    out.push(':');
                    node.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// A JSON string literal.
pub(crate) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Members, whose values are JSON already, as an object.
pub(crate) fn object<N: AsRef<str>>(members: &[(N, String)]) -> String {
    let mut out = String::from("{");
    for (name, value) in members {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&quote(name.as_ref()));
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
    out
}
