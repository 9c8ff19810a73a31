//! REST errors: `{"error", "message", "request_id"}`.

use axum::body::Body;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use portcullis_core::ErrorKind;
use portcullis_engine::audit::Surface;
use portcullis_engine::{Call, EngineError, Held, Limited, Wanted};
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
    let body = json!({"error": error, "message": message, "request_id": call.id.to_string()});
    close(call, kind, status, &body).await
}

async fn close(
    call: Call,
    kind: ErrorKind,
    status: StatusCode,
    body: &serde_json::Value,
) -> Response<Body> {
    if call.close(kind.into()).await {
        reply(status, body.to_string())
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
        ErrorKind::ConsentRequired => StatusCode::UNAUTHORIZED,
        ErrorKind::ApprovalRequired => StatusCode::ACCEPTED,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::UpstreamRefused | ErrorKind::UpstreamUnreachable => StatusCode::BAD_GATEWAY,
        _ => reported.status,
    };
    let code = match error {
        EngineError::Unknown { what: "tool", .. } => "tool_not_found",
        EngineError::ToolChanged { .. } => "tool_changed",
        EngineError::ApprovalRequired(held) if held.refused.is_some() => "approval_denied",
        _ if error.required_scopes().is_some() => "insufficient_scope",
        _ => reported.kind.as_str(),
    };
    let mut body = json!({
        "error": code,
        "message": reported.rpc.message,
        "request_id": call.id.to_string(),
    });
    if let Some(held) = error.held() {
        body = waiting(held, &call);
    }
    let wanted = error.wanted();
    if let (false, Some(body)) = (wanted.is_empty(), body.as_object_mut()) {
        let one = |one: &Wanted| json!({"server": one.server.as_str(), "url": one.url});
        body.insert("connect".to_owned(), wanted.iter().map(one).collect());
    }
    let limited = error.limited();
    if let (Some(limited), Some(body)) = (limited, body.as_object_mut()) {
        body.insert("limit".to_owned(), limited.kind.as_str().into());
        body.insert("scope".to_owned(), limited.scope.as_str().into());
    }
    let mut response = close(call, reported.kind, status, &body).await;
    if let Some(secs) = limited.and_then(Limited::retry_after_secs)
        && response.status() == status
    {
        response.headers_mut().insert(RETRY_AFTER, secs.into());
    }
    let value = match (error.required_scopes(), challenged) {
        // RFC 9110 §15.5.2: a 401 has a challenge, although no other credential would help here.
        (None, None) if !wanted.is_empty() => {
            challenge(state, parts, Surface::Rest, &Flaw::Nothing)
        }
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

/// That a call waits for an approval, and where to ask what became of it; or that it was refused.
fn waiting(held: &Held, call: &Call) -> serde_json::Value {
    let mut body = json!({
        "status": "pending",
        "approval_id": held.id.as_str(),
        "poll": format!("/mcp-rest/approvals/{}", held.id),
        "url": held.url,
        "expires_at": held.until.to_string(),
        "message": held.message(),
        "request_id": call.id.to_string(),
    });
    if let (Some(_), Some(body)) = (&held.refused, body.as_object_mut()) {
        body.insert("status".to_owned(), "denied".into());
        body.insert("error".to_owned(), "approval_denied".into());
    }
    body
}
