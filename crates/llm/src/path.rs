//! Where in a body something stands, without an allocation until it has to be said.

use std::fmt;

use crate::error::LlmError;

/// A place in a JSON text: `messages[2].content[0].cache_control`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Path<'a> {
    /// The body itself.
    Root,
    /// A member of an object.
    Member(&'a Path<'a>, &'a str),
    /// An element of an array.
    Index(&'a Path<'a>, usize),
}

impl<'a> Path<'a> {
    pub(crate) const fn member<'b>(&'b self, name: &'b str) -> Path<'b>
    where
        'a: 'b,
    {
        Path::Member(self, name)
    }

    pub(crate) const fn index<'b>(&'b self, index: usize) -> Path<'b>
    where
        'a: 'b,
    {
        Path::Index(self, index)
    }

    pub(crate) const fn is_root(&self) -> bool {
        matches!(self, Self::Root)
    }

    pub(crate) fn invalid(&self, expected: &'static str) -> LlmError {
        LlmError::Invalid {
            path: self.to_string(),
            expected,
        }
    }

    pub(crate) fn unsupported(&self, reason: &'static str) -> LlmError {
        LlmError::Unsupported {
            path: self.to_string(),
            reason,
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(Self::Root, name) => f.write_str(name),
            Self::Member(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}
