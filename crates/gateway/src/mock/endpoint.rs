//! The MCP endpoint: who may speak, and which era they speak.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use super::bearer::{self, Caller};
use super::envelope::{Parsed, RpcError, code, parse};
use super::{Mock, legacy, modern};

pub(super) const PROTOCOL_VERSION: &str = "mcp-protocol-version";
pub(super) const SESSION_ID: &str = "mcp-session-id";

pub(super) async fn post(
    State(mock): State<Arc<Mock>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let caller = match admit(&mock, &headers) {
        Ok(caller) => caller,
        Err(refusal) => return *refusal,
    };
    if !mentions(&headers, header::CONTENT_TYPE, "application/json") {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let accepts = |media| mentions(&headers, header::ACCEPT, media);
    let json_and_events = accepts("application/json") && accepts("text/event-stream");
    if !json_and_events && !accepts("*/*") {
        return StatusCode::NOT_ACCEPTABLE.into_response();
    }
    let message: Value = match serde_json::from_slice(&body) {
        Ok(message) => message,
        Err(_) => {
            return RpcError::new(code::PARSE, "the body is not JSON")
                .respond(StatusCode::BAD_REQUEST, None);
        }
    };
    if message.is_array() {
        return legacy::batch(&mock, &caller, &headers, message);
    }
    let parsed = match parse(message) {
        Ok(parsed) => parsed,
        Err(error) => return error.respond(StatusCode::BAD_REQUEST, None),
    };
    match parsed {
        Parsed::Call(call) if modern::opens(&headers, &call) => {
            modern::answer(&mock, &caller, &headers, &call)
        }
        parsed => legacy::answer(&mock, &caller, &headers, parsed),
    }
}

/// There is nothing to say unasked, so there is no stream to listen to.
pub(super) async fn get(State(mock): State<Arc<Mock>>, headers: HeaderMap) -> Response {
    match admit(&mock, &headers) {
        Ok(_) => not_allowed(),
        Err(refusal) => *refusal,
    }
}

pub(super) async fn delete(State(mock): State<Arc<Mock>>, headers: HeaderMap) -> Response {
    let caller = match admit(&mock, &headers) {
        Ok(caller) => caller,
        Err(refusal) => return *refusal,
    };
    match text(&headers, SESSION_ID) {
        None => not_allowed(),
        Some(id) if mock.sessions.end(id, &caller.client) => StatusCode::OK.into_response(),
        Some(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A browser's foreign page first, then the token: nothing else is looked at before.
fn admit(mock: &Mock, headers: &HeaderMap) -> Result<Caller, Box<Response>> {
    if headers.contains_key(header::ORIGIN)
        && !text(headers, header::ORIGIN.as_str()).is_some_and(|origin| mock.names.is_ours(origin))
    {
        return Err(Box::new(StatusCode::FORBIDDEN.into_response()));
    }
    bearer::verify(mock, headers)
}

fn not_allowed() -> Response {
    let allow = [(header::ALLOW, "POST, DELETE")];
    (StatusCode::METHOD_NOT_ALLOWED, allow).into_response()
}

/// The value of a header that must not be repeated.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut all = headers.get_all(name).iter();
    let only = all.next()?.to_str().ok()?.trim();
    all.next().is_none().then_some(only)
}

fn mentions(headers: &HeaderMap, name: header::HeaderName, media: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|part| part.split(';').next())
        .any(|part| part.trim().eq_ignore_ascii_case(media))
}
