//! The file as a tree whose every node knows where it stands.
//!
//! Deserializers stop at the first mistake and forget the places of the rest. This tree is built
//! from the YAML parser's events (JSON is read as the YAML subset that it is), so that everything
//! above can point at what it complains about and complain about everything at once.

use std::collections::{BTreeMap, HashMap, HashSet};

use granit_parser::{Event, Options, Parser, ScalarStyle, Span as EventSpan, Tag};

/// Files beyond this are refused unread.
pub const MAX_FILE_BYTES: usize = 10 * 1024 * 1024;

/// Nodes after aliases and merge keys are expanded: what an anchor bomb runs into.
const MAX_NODES: usize = 200_000;

/// Collections within collections.
const MAX_DEPTH: usize = 64;

/// A range of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// First byte.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
    /// Line, from 1; 0 when the value did not come from the file.
    pub(crate) line: usize,
    /// Column in characters, from 1.
    pub(crate) column: usize,
}

/// One value of the file.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) span: Span,
    /// The `PORTCULLIS__…` variable that supplied the value instead of the file.
    pub(crate) variable: Option<String>,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    /// Text as written, escapes processed; `plain` when it stood without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) node: Node,
}

impl Value {
    /// What the operator would call this.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar { .. } => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl Node {
    /// A map without entries, for a file without text.
    pub(crate) fn empty_map() -> Self {
        Self {
            value: Value::Map(Vec::new()),
            span: Span::default(),
            variable: None,
        }
    }

    /// The text of a single value, as it is written.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    fn count(&self) -> usize {
        match &self.value {
            Value::Null | Value::Scalar { .. } => 1,
            Value::List(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Value::Map(entries) => 1 + entries.iter().map(|e| e.node.count()).sum::<usize>(),
        }
    }
}

/// Something the YAML itself does not allow.
#[derive(Debug)]
pub(crate) struct Flaw {
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// The place is a key, which excerpts may show.
    pub(crate) on_key: bool,
}

/// The tree of a text, with every flaw that did not prevent building it.
pub(crate) fn parse(text: &str) -> (Option<Node>, Vec<Flaw>) {
    let mut builder = Builder {
        text,
        events: Parser::new_from_str_with_options(text, options()),
        anchors: BTreeMap::new(),
        nodes: 0,
        flaws: Vec::new(),
    };
    let root = builder.document();
    (root, builder.flaws)
}

fn options() -> Options {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    options
}

struct Builder<'t> {
    text: &'t str,
    events: Parser<'t, granit_parser::StrInput<'t>>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    flaws: Vec<Flaw>,
}

/// Building stopped; the reason is among the flaws.
struct Stopped;

impl<'t> Builder<'t> {
    fn document(&mut self) -> Option<Node> {
        let mut root = None;
        loop {
            let (event, span) = self.next().ok()?;
            match event {
                Event::StreamEnd => return Some(root.unwrap_or_else(Node::empty_map)),
                Event::DocumentStart(..) if root.is_some() => {
                    let span = self.span(&span);
                    self.flaw(
                        span,
                        "a second YAML document begins here",
                        Some("put everything into one document: remove the `---`"),
                    );
                    return root;
                }
                Event::StreamStart | Event::DocumentEnd | Event::DocumentStart(..) => {}
                event => root = Some(self.node(event, span, 0).ok()?),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, EventSpan), Stopped> {
        match self.events.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let marker = error.marker();
                let start = marker.byte_offset().unwrap_or(self.text.len());
                let span = Span {
                    start,
                    end: start,
                    line: marker.line(),
                    column: marker.col() + 1,
                };
                // The parser's words quote one character of the text at most, never a value; tabs
                // are the one mistake worth its own remedy.
                let tab = self
                    .text
                    .get(..start)
                    .and_then(|before| before.rsplit('\n').next())
                    .is_some_and(|line| line.contains('\t'))
                    || self.text.get(start..).is_some_and(|t| t.starts_with('\t'));
                let help = tab.then_some("indent with spaces: YAML forbids tabs there");
                self.flaw(span, format!("not valid YAML: {}", error.info()), help);
                Err(Stopped)
            }
            None => Err(Stopped),
        }
    }

    fn node(&mut self, event: Event<'t>, span: EventSpan, depth: usize) -> Result<Node, Stopped> {
        let place = self.span(&span);
        self.spend(1, place)?;
        let (value, anchor, end) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), place);
                let plain = style == ScalarStyle::Plain && tag.is_none();
                (scalar(text.into_owned(), plain), anchor, None)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), place);
                let mut items = Vec::new();
                let end = loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        break span;
                    }
                    items.push(self.node(event, span, depth + 1)?);
                };
                (Value::List(items), anchor, Some(end))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), place);
                let (entries, end) = self.entries(depth)?;
                (Value::Map(entries), anchor, Some(end))
            }
            Event::Alias(id) => {
                let Some(target) = self.anchors.get(&id).cloned() else {
                    self.flaw(place, "an alias to a value that contains it", None);
                    return Err(Stopped);
                };
                self.spend(target.count(), place)?;
                return Ok(Node {
                    span: place,
                    ..target
                });
            }
            _ => {
                self.flaw(place, "not valid YAML: a value is missing", None);
                return Err(Stopped);
            }
        };
        let node = Node {
            value,
            span: end.map_or(place, |end| Span {
                end: end.end.byte_offset().unwrap_or(place.end).max(place.end),
                ..place
            }),
            variable: None,
        };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn entries(&mut self, depth: usize) -> Result<(Vec<Entry>, EventSpan), Stopped> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        let mut merged: Vec<(Node, Span)> = Vec::new();
        let end = loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break span;
            }
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let node = self.node(event, span, depth + 1)?;
            let Value::Scalar { text, plain } = key.value else {
                self.flaw(
                    key.span,
                    "a key must be plain text",
                    Some("a `{{…}}` template in a value must stand in quotes"),
                );
                continue;
            };
            if text.contains(char::is_control) || text.len() > 256 {
                self.flaw(key.span, "a key must be short and on one line", None);
            } else if plain && text == "<<" {
                merged.push((node, key.span));
            } else if let Some(line) = lines.get(&text) {
                self.flaws.push(Flaw {
                    span: key.span,
                    message: format!("the key `{text}` is written twice"),
                    help: Some(format!("it already stands on line {line}: keep one")),
                    on_key: true,
                });
            } else {
                lines.insert(text.clone(), key.span.line);
                entries.push(Entry {
                    key: text,
                    key_span: key.span,
                    node,
                });
            }
        };
        for (node, span) in merged {
            self.merge(&mut entries, node, span)?;
        }
        Ok((entries, end))
    }

    /// YAML 1.1 merge key: what is written here wins over what is merged in.
    fn merge(&mut self, into: &mut Vec<Entry>, from: Node, at: Span) -> Result<(), Stopped> {
        let sources = match from.value {
            Value::List(items) => items,
            value => vec![Node { value, ..from }],
        };
        let mut present: HashSet<String> = into.iter().map(|entry| entry.key.clone()).collect();
        for source in sources {
            let Value::Map(entries) = source.value else {
                self.flaw(at, "`<<` merges maps, and this is none", None);
                continue;
            };
            for entry in entries {
                self.spend(entry.node.count(), at)?;
                if present.insert(entry.key.clone()) {
                    into.push(entry);
                }
            }
        }
        Ok(())
    }

    /// Only the core schema's tags say what we would read anyway.
    fn refuse_tag(&mut self, tag: Option<&Tag>, at: Span) {
        if tag.is_some_and(|tag| !tag.is_yaml_core_schema()) {
            self.flaw(
                at,
                "YAML tags have no meaning here",
                Some("remove the `!…`"),
            );
        }
    }

    fn spend(&mut self, nodes: usize, at: Span) -> Result<(), Stopped> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            self.flaw(
                at,
                format!("more than {MAX_NODES} values after aliases are expanded"),
                Some("write the file without nested aliases"),
            );
            return Err(Stopped);
        }
        Ok(())
    }

    fn flaw(&mut self, span: Span, message: impl Into<String>, help: Option<&str>) {
        self.flaws.push(Flaw {
            span,
            message: message.into(),
            help: help.map(str::to_owned),
            on_key: false,
        });
    }

    fn span(&self, span: &EventSpan) -> Span {
        let start = span.start.byte_offset().unwrap_or(self.text.len());
        Span {
            start,
            end: span.end.byte_offset().unwrap_or(start).max(start),
            line: span.start.line(),
            column: span.start.col() + 1,
        }
    }
}

fn scalar(text: String, plain: bool) -> Value {
    if plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        Value::Null
    } else {
        Value::Scalar { text, plain }
    }
}
