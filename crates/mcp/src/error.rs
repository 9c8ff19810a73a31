//! JSON-RPC errors that we answer ourselves.

use std::fmt::Write as _;

use crate::json::quote;

/// The codes of JSON-RPC 2.0 and of MCP's revisions.
pub mod code {
    /// Not JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// Not a request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// No such method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// Bad parameters, unknown tool, bad cursor, unknown resource.
    pub const INVALID_PARAMS: i64 = -32602;
    /// Something broke on our side or behind us.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// Resource not found, revisions up to 2025-11-25.
    pub const RESOURCE_NOT_FOUND: i64 = -32002;
    /// A person has to open an address first (2025-11-25 only).
    pub const URL_ELICITATION_REQUIRED: i64 = -32042;
    /// Header and body disagree (2026-07-28).
    pub const HEADER_MISMATCH: i64 = -32020;
    /// A capability that the client did not declare is needed (2026-07-28).
    pub const MISSING_CAPABILITY: i64 = -32021;
    /// The revision is not spoken here (2026-07-28).
    pub const UNSUPPORTED_VERSION: i64 = -32022;
}

/// An error to answer with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcError {
    /// The JSON-RPC code.
    pub code: i64,
    /// For the caller's eyes.
    pub message: String,
    /// `data`, as JSON text.
    pub data: Option<String>,
}

impl RpcError {
    /// An error without data.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    /// The same with data.
    #[must_use]
    pub fn with_data(mut self, data: &serde_json::Value) -> Self {
        self.data = Some(data.to_string());
        self
    }

    /// The whole response; without an id when the request's could not be read.
    pub fn response(&self, id: Option<&str>) -> String {
        let mut out = String::from(r#"{"jsonrpc":"2.0""#);
        if let Some(id) = id {
            let _ = write!(out, r#","id":{id}"#);
        }
        let _ = write!(
            out,
            r#","error":{{"code":{},"message":{}"#,
            self.code,
            quote(&self.message)
        );
        if let Some(data) = &self.data {
            let _ = write!(out, r#","data":{data}"#);
        }
        out.push_str("}}");
        out
    }
}
