//! A span that is over, as a collector is told of it.

use std::borrow::Cow;

/// Which side of an exchange it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// A request to us.
    Server,
    /// A request of ours to a server.
    Client,
}

/// What an attribute holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// A word.
    Text(Cow<'static, str>),
    /// A number.
    Number(u64),
}

impl From<&'static str> for AttributeValue {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<u64> for AttributeValue {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its trace.
    pub trace_id: [u8; 16],
    /// Itself.
    pub span_id: [u8; 8],
    /// What it is part of.
    pub parent: Option<[u8; 8]>,
    /// Whether that is somebody else's.
    pub remote_parent: bool,
    /// What the caller's system says of the trace.
    pub state: Option<Box<str>>,
    /// Which side.
    pub kind: SpanKind,
    /// Few different ones: a method, and a tool or prompt that a server was found for.
    pub name: String,
    /// Nanoseconds since 1970.
    pub started: u64,
    /// The same.
    pub ended: u64,
    /// No caller's identity, no session, no argument, no result, no URI.
    pub attributes: Vec<(&'static str, AttributeValue)>,
    /// It failed, for a reason that is not its caller's; the attribute `error.type` says how it ended.
    pub failed: bool,
}
