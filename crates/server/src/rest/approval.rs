//! `GET /mcp-rest/approvals/{id}`: what became of an approval that a call was answered with.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{Response, StatusCode};
use portcullis_core::{ApprovalId, ErrorKind};
use portcullis_engine::audit::{CallerText, Outcome, Surface};
use portcullis_engine::{ApprovalError, ShownApproval};
use serde_json::{Value, json};

use super::refusal::refuse;
use crate::reply::{json as reply, text_error};
use crate::state::ServerState;

pub(crate) async fn approval(
    State(state): State<ServerState>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match state.admit(&parts, Surface::Rest).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    call.audit.method(CallerText::fixed("mcp-rest/approvals"));
    let id = ApprovalId::from(id.map(|Path(id)| id).unwrap_or_default());
    match state.gateway.approval(&call.principal, &id).await {
        Ok(shown) => {
            call.audit.approval(shown.id.as_str());
            call.audit.allowed("own_approval");
            let body = told(&shown).to_string();
            call.audit.add_response_bytes(body.len() as u64);
            if call.close(Outcome::Ok).await {
                reply(StatusCode::OK, body)
            } else {
                text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
            }
        }
        Err(ApprovalError::Unknown) => {
            let (kind, status) = (ErrorKind::NotFound, StatusCode::NOT_FOUND);
            refuse(call, kind, status, "approval_not_found", "no such approval").await
        }
        Err(error) => {
            tracing::error!(
                request.id = %call.id,
                error = &error as &dyn std::error::Error,
                "an approval cannot be told about"
            );
            let (kind, status) = (ErrorKind::Unavailable, StatusCode::SERVICE_UNAVAILABLE);
            let text = "what became of the approval cannot be told now";
            refuse(call, kind, status, "unavailable", text).await
        }
    }
}

/// As whoever asked may know it: not who decided.
fn told(shown: &ShownApproval) -> Value {
    json!({
        "approval_id": shown.id.as_str(),
        "status": shown.state.as_str(),
        "expires_at": shown.expires_at.to_string(),
        "reason": shown.decision.as_ref().and_then(|decision| decision.reason.as_ref()),
    })
}
