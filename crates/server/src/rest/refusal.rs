//! REST errors: `{"error", "message", "request_id"}`.

use axum::body::Body;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use portcullis_core::ErrorKind;
use portcullis_engine::audit::Surface;
use portcullis_engine::{Call, EngineError};
use serde_json::json;

use crate::challenge::{Flaw, challenge, told};
use crate::reply::{json as reply, text_error};
use crate::state::ServerState;

/// Ends a call with an error that the surface itself found.
pub(super) async fn refuse(
    call: Call,
    kind: ErrorKind,
    status: StatusCode,
    error: &str,
    message: &str,
) -> Response<Body> {
    let body =
        json!({"error": error, "message": message, "request_id": call.id.to_string()}).to_string();
    if call.close(kind.into()).await {
        reply(status, body)
    } else {
        text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    }
}

/// Ends a call with an error of the engine.
pub(super) async fn failed(
    state: &ServerState,
    parts: &Parts,
    mut call: Call,
    error: &EngineError,
) -> Response<Body> {
    let challenged = error.challenge();
    if let Some(whose) = &challenged {
        whose.record(&mut call.audit);
    }
    error.log(call.id);
    let reported = error.report(call.id);
    let status = match reported.kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::UpstreamRefused | ErrorKind::UpstreamUnreachable => StatusCode::BAD_GATEWAY,
        _ => reported.status,
    };
    let code = match error {
        EngineError::Unknown { what: "tool", .. } => "tool_not_found",
        _ if error.required_scopes().is_some() => "insufficient_scope",
        _ => reported.kind.as_str(),
    };
    let mut response = refuse(call, reported.kind, status, code, &reported.rpc.message).await;
    let value = match (error.required_scopes(), challenged) {
        (Some(required), _) => {
            let flaw = Flaw::InsufficientScope(required);
            challenge(state, parts, Surface::Rest, &flaw)
        }
        (None, Some(whose)) => told(state, parts, Surface::Rest, whose),
        (None, None) => return response,
    };
    // Without its event on record, the answer is another.
    if response.status() == status {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    response
}
