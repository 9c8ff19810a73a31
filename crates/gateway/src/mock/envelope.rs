//! JSON-RPC envelopes.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Map, Value, json};

/// A message that arrived.
#[derive(Debug)]
pub(super) struct Incoming {
    /// Absent on notifications.
    pub(super) id: Option<Value>,
    pub(super) method: String,
    pub(super) params: Map<String, Value>,
}

/// What a client may send.
#[derive(Debug)]
pub(super) enum Parsed {
    /// A request or a notification.
    Call(Incoming),
    /// An answer to something: only ever acknowledged.
    Answer,
}

/// The error codes that the mock uses (JSON-RPC 2.0 §5.1, MCP 2026-07-28).
pub(super) mod code {
    pub(in super::super) const PARSE: i64 = -32700;
    pub(in super::super) const INVALID_REQUEST: i64 = -32600;
    pub(in super::super) const METHOD_NOT_FOUND: i64 = -32601;
    pub(in super::super) const INVALID_PARAMS: i64 = -32602;
    pub(in super::super) const INTERNAL: i64 = -32603;
    pub(in super::super) const HEADER_MISMATCH: i64 = -32020;
    pub(in super::super) const UNSUPPORTED_VERSION: i64 = -32022;
}

/// A failed request.
#[derive(Debug)]
pub(super) struct RpcError {
    pub(super) code: i64,
    pub(super) message: String,
    pub(super) data: Option<Value>,
}

impl RpcError {
    pub(super) fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    pub(super) fn into_envelope(self, id: Option<&Value>) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let (Some(data), Some(error)) = (self.data, error.as_object_mut()) {
            error.insert("data".to_owned(), data);
        }
        json!({ "jsonrpc": "2.0", "id": id, "error": error })
    }

    pub(super) fn respond(self, status: StatusCode, id: Option<&Value>) -> Response {
        (status, Json(self.into_envelope(id))).into_response()
    }
}

pub(super) fn result(id: &Value, result: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

pub(super) fn parse(message: Value) -> Result<Parsed, RpcError> {
    let invalid = |what: &str| RpcError::new(code::INVALID_REQUEST, what);
    let Value::Object(mut members) = message else {
        return Err(invalid("a message is an object"));
    };
    if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(invalid("jsonrpc must be \"2.0\""));
    }
    let id = match members.remove("id") {
        None => None,
        Some(id @ (Value::String(_) | Value::Number(_))) => Some(id),
        Some(_) => return Err(invalid("an id is a string or a number")),
    };
    let method = match members.remove("method") {
        Some(Value::String(method)) => method,
        Some(_) => return Err(invalid("a method is a string")),
        None if members.contains_key("result") || members.contains_key("error") => {
            return Ok(Parsed::Answer);
        }
        None => return Err(invalid("neither a request nor an answer")),
    };
    let params = match members.remove("params") {
        None => Map::new(),
        Some(Value::Object(params)) => params,
        Some(_) => return Err(invalid("params is an object")),
    };
    Ok(Parsed::Call(Incoming { id, method, params }))
}
