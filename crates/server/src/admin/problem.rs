//! Admin errors: RFC 9457 problem details, closed with their audit event.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use portcullis_core::{ErrorKind, Role};
use portcullis_engine::Call;
use portcullis_engine::audit::{Outcome, Surface};
use serde::Serialize;
use serde_json::json;

use super::body::Refused;
use crate::challenge::challenged;
use crate::openapi::Problem;
use crate::reply::{json as reply, text_error};
use crate::state::ServerState;

/// Ends an admin call with a problem.
pub(crate) async fn problem(call: Call, kind: ErrorKind, detail: &str) -> Response<Body> {
    let status = match kind {
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    problem_with(call, status, kind, detail).await
}

/// The same with a status that says more than the kind does.
pub(super) async fn problem_with(
    mut call: Call,
    status: StatusCode,
    kind: ErrorKind,
    detail: &str,
) -> Response<Body> {
    if kind == ErrorKind::Forbidden {
        call.audit.denied(rule(call.principal.role));
    }
    let body = json!(Problem {
        kind: format!("urn:portcullis:problem:{kind}"),
        title: status.canonical_reason().unwrap_or("error").to_owned(),
        status: status.as_u16(),
        detail: detail.to_owned(),
        request_id: call.id.to_string(),
    });
    if !call.close(kind.into()).await {
        return text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    }
    let mut response = reply(status, body.to_string());
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    response
}

/// The same for a body that is not taken, by what was wrong with it: also that its sender was
/// revoked while it came.
pub(super) async fn refuse_body(
    state: &ServerState,
    call: Call,
    parts: &Parts,
    refused: &Refused,
) -> Response<Body> {
    let answer = problem(call, refused.kind, &refused.detail).await;
    challenged(state, parts, Surface::Admin, answer)
}

/// Ends an admin call with a document.
pub(super) async fn done(call: Call, document: &impl Serialize) -> Response<Body> {
    done_with(call, StatusCode::OK, document).await
}

/// The same with a status that says more.
pub(super) async fn done_with(
    mut call: Call,
    status: StatusCode,
    document: &impl Serialize,
) -> Response<Body> {
    let Ok(body) = serde_json::to_string(document) else {
        return problem(call, ErrorKind::Internal, "the answer cannot be written").await;
    };
    call.audit.allowed(rule(call.principal.role));
    call.audit.add_response_bytes(body.len() as u64);
    if call.close(Outcome::Ok).await {
        reply(status, body)
    } else {
        text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    }
}

/// What decided about an admin request: the caller's role.
pub(crate) const fn rule(role: Role) -> &'static str {
    match role {
        Role::User => "role:user",
        Role::Approver => "role:approver",
        Role::Viewer => "role:viewer",
        Role::Admin => "role:admin",
    }
}
