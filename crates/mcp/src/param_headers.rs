//! `Mcp-Param-*`: tool arguments mirrored into HTTP headers (SEP-2243, MCP 2026-07-28).
//!
//! A tool's `inputSchema` may mark a property with `x-mcp-header: "Region"`. Whoever calls the
//! tool over Streamable HTTP then also sends the argument as `Mcp-Param-Region`, and whoever
//! reads the body compares the two: something on the way may have routed by the header.

mod annotations;
mod argument;
#[cfg(test)]
mod tests;

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::ErrorKind;
use serde_json::Value;
use serde_json::value::RawValue;

use self::argument::Arguments;
use crate::header_value::{self, HeaderValueError};
pub use annotations::InvalidAnnotation;

/// The headers that one tool asks for, taken from its schema once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParamHeaders {
    params: Vec<ParamHeader>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ParamHeader {
    name: HeaderName,
    /// Property names from the arguments object down to the value.
    path: Vec<String>,
}

/// How the headers of a call contradict its body: HTTP 400 and JSON-RPC -32020.
///
/// Names headers, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderMismatch {
    /// The argument is there, its header is not.
    #[error("header `{0}` is missing although its argument is present")]
    Missing(HeaderName),
    /// The header is there, its argument is not.
    #[error("header `{0}` is present although its argument is absent or null")]
    Unexpected(HeaderName),
    /// Both are there, with different values.
    #[error("header `{0}` differs from its argument")]
    Differs(HeaderName),
    /// The argument stands twice, so that two readers may see two values.
    #[error("no member may stand twice where the argument of header `{0}` is looked for")]
    Ambiguous(HeaderName),
    /// The header has no meaning.
    #[error("header `{name}` is invalid: {source}")]
    Unreadable {
        /// The header.
        name: HeaderName,
        /// What is wrong with its value.
        source: HeaderValueError,
    },
}

impl HeaderMismatch {
    /// Always the sender's fault.
    pub const fn error_kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

impl ParamHeaders {
    /// Reads the annotations of an `inputSchema`. A tool whose schema breaks a rule MUST NOT be
    /// offered to anyone.
    ///
    /// The schema is hostile: nothing is dereferenced, and the walk has a depth and a size limit.
    pub fn from_schema(input_schema: &Value) -> Result<Self, InvalidAnnotation> {
        annotations::collect(input_schema).map(|params| Self { params })
    }

    /// Whether the tool asks for no headers.
    pub fn is_empty(&self) -> bool {
        self.params.is_empty()
    }

    /// The headers to send with a call with these arguments.
    ///
    /// There is none for an argument that is absent or null, nor for one that has no header form
    /// (an object, an array, a fraction, an integer beyond ±(2^53−1), a member that stands twice):
    /// it contradicts the schema, and refusing it is for the server.
    pub fn headers_for(&self, arguments: Option<&RawValue>) -> Vec<(HeaderName, HeaderValue)> {
        let mut arguments = Arguments::of(arguments);
        self.params
            .iter()
            .filter_map(|param| {
                let argument = arguments.at(&param.path).ok()??;
                let text = argument.header_text()?;
                Some((param.name.clone(), header_value::encode(&text)))
            })
            .collect()
    }

    /// Whether the headers of a received call say what its arguments say, in both directions.
    /// `Mcp-Param-*` headers that the schema does not know are none of its business.
    pub fn check(
        &self,
        headers: &HeaderMap,
        arguments: Option<&RawValue>,
    ) -> Result<(), HeaderMismatch> {
        let mut arguments = Arguments::of(arguments);
        self.params
            .iter()
            .try_for_each(|param| param.check(headers, &mut arguments))
    }
}

impl ParamHeader {
    fn check(
        &self,
        headers: &HeaderMap,
        arguments: &mut Arguments<'_>,
    ) -> Result<(), HeaderMismatch> {
        let unreadable = |source| HeaderMismatch::Unreadable {
            name: self.name.clone(),
            source,
        };
        let header = header_value::sole(headers, &self.name).map_err(unreadable)?;
        let argument = arguments
            .at(&self.path)
            .map_err(|_| HeaderMismatch::Ambiguous(self.name.clone()))?;
        match (header, argument) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(HeaderMismatch::Missing(self.name.clone())),
            (Some(_), None) => Err(HeaderMismatch::Unexpected(self.name.clone())),
            (Some(header), Some(argument)) => {
                let text = header_value::decode(header).map_err(unreadable)?;
                if argument.is_said_by(&text) {
                    Ok(())
                } else {
                    Err(HeaderMismatch::Differs(self.name.clone()))
                }
            }
        }
    }
}
