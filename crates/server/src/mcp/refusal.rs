//! Refusals in JSON-RPC's form, on record before they are given.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use portcullis_core::ErrorKind;
use portcullis_engine::Call;
use portcullis_mcp::RpcError;

use crate::reply::{json, text_error};

/// Ends a call with a JSON-RPC error.
pub(super) async fn refuse(
    mut call: Call,
    status: StatusCode,
    error: &RpcError,
    id: Option<&str>,
) -> Response<Body> {
    let body = error.response(id);
    call.audit.add_response_bytes(body.len() as u64);
    let kind = match status {
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::UNAUTHORIZED => ErrorKind::Unauthenticated,
        _ => ErrorKind::Invalid,
    };
    if call.close(kind.into()).await {
        json(status, body)
    } else {
        text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    }
}
