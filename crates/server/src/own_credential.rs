//! `/v1/mcp/server/{id}/oauth-user-credential` and `…/status`: the caller's own connection to a server
//! in LiteLLM's shapes. Nobody's but the caller's is told, kept or ended here, an administrator's
//! neither, and no token ever comes back.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{Response, StatusCode};
use axum::routing::get;
use portcullis_core::ErrorKind;
use portcullis_credentials::{CredentialError, NotKept};
use portcullis_engine::audit::{CallerText, Outcome, Surface};
use portcullis_engine::{Call, ServerEntry};
use serde_json::{Value, json};

use crate::challenge::challenged;
use crate::reply::{json as reply, text_error};
use crate::state::ServerState;

pub(crate) fn routes() -> Router<ServerState> {
    let path = "/v1/mcp/server/{id}/oauth-user-credential";
    Router::new()
        .route(path, get(tell).post(keep).delete(end))
        .route(&format!("{path}/status"), get(tell))
}

/// What a request comes to that is not answered with the credential's state.
struct Refused {
    status: StatusCode,
    kind: ErrorKind,
    rule: &'static str,
    /// LiteLLM's `detail`.
    detail: Value,
}

impl Refused {
    const fn new(status: StatusCode, kind: ErrorKind, rule: &'static str, detail: Value) -> Self {
        Self {
            status,
            kind,
            rule,
            detail,
        }
    }

    /// What does not exist, and what the caller may not see, are the same.
    fn unknown() -> Self {
        let detail = json!({"error": "MCP server not found"});
        Self::new(
            StatusCode::NOT_FOUND,
            ErrorKind::NotFound,
            "not_visible",
            detail,
        )
    }
}

impl From<CredentialError> for Refused {
    fn from(error: CredentialError) -> Self {
        tracing::warn!(
            mcp.server.id = %error.server,
            error = &error as &dyn std::error::Error,
            "a connection can neither be told nor changed"
        );
        let kind = error.error_kind();
        let (status, text) = match kind {
            ErrorKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "try again later"),
            _ => (
                StatusCode::BAD_GATEWAY,
                "the authorization server of this server gives no usable answer",
            ),
        };
        Self::new(
            status,
            kind,
            "credential",
            json!({"error": kind.as_str(), "message": text}),
        )
    }
}

async fn tell(
    State(state): State<ServerState>,
    Path(id): Path<String>,
    request: Request,
) -> Response<Body> {
    let (mut call, entry) = match begun(&state, request, &id, "oauth-user-credential/status").await
    {
        Ok((call, entry, _)) => (call, entry),
        Err(refusal) => return *refusal,
    };
    let said = status(&state, &mut call, &entry).await;
    ended(call, said).await
}

async fn keep(
    State(state): State<ServerState>,
    Path(id): Path<String>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let headers = Request::from_parts(parts.clone(), Body::empty());
    let begun = begun(&state, headers, &id, "oauth-user-credential/keep").await;
    let (mut call, entry) = match begun {
        Ok((call, entry, _)) => (call, entry),
        Err(refusal) => return *refusal,
    };
    let bytes = match state.read_body(&call, &parts.headers, body).await {
        Ok(bytes) => bytes,
        Err(refusal) => {
            let detail = json!({"error": "invalid_body", "message": refusal.text()});
            let refused = Refused::new(refusal.status(), refusal.kind(), "body", detail);
            let refused = ended(call, Err(refused)).await;
            return challenged(&state, &parts, Surface::Admin, refused);
        }
    };
    call.audit.request_bytes(bytes.len() as u64);
    let said = kept(&state, &mut call, &entry, &bytes).await;
    ended(call, said).await
}

async fn kept(
    state: &ServerState,
    call: &mut Call,
    entry: &ServerEntry,
    body: &[u8],
) -> Result<Value, Refused> {
    let whose = call.principal.id.clone();
    let kept = state.connections.keep(&entry.auth, &whose, body).await;
    kept.map_err(|not| match not {
        NotKept::Credential(error) => error.into(),
        NotKept::RuleBroken(rule) => {
            // LiteLLM's words without what the grant says, which is nobody's to repeat.
            let detail = json!({
                "error": "token_validation_failed",
                "server_id": entry.id.as_str(),
                "field": rule,
                "message": format!("OAuth token rejected: '{rule}' is not what is expected"),
            });
            Refused::new(
                StatusCode::FORBIDDEN,
                ErrorKind::Forbidden,
                "token_validation_failed",
                detail,
            )
        }
        NotKept::NothingToCheck | NotKept::NotGranted => {
            let text = format!(
                "{not}: send a `refresh_token` that is still good, or connect at /connect/{}",
                entry.id
            );
            let detail = json!({
                "error": "token_validation_failed",
                "server_id": entry.id.as_str(),
                "field": "refresh_token",
                "message": text,
            });
            Refused::new(
                StatusCode::FORBIDDEN,
                ErrorKind::Forbidden,
                "token_validation_failed",
                detail,
            )
        }
        NotKept::Malformed(error) => {
            let detail = json!({"error": "invalid_request", "message": error.to_string()});
            Refused::new(StatusCode::BAD_REQUEST, ErrorKind::Invalid, "body", detail)
        }
        NotKept::NoClientOfOurs => {
            let text = format!(
                "this server has no client_id in the configuration, so a token is none of its client's: connect at /connect/{}",
                entry.id
            );
            let detail = json!({"error": "oauth_identity_binding_enforced", "message": text});
            Refused::new(
                StatusCode::FORBIDDEN,
                ErrorKind::Forbidden,
                "oauth_identity_binding_enforced",
                detail,
            )
        }
    })?;
    state.connection_changed(&whose, &entry.id);
    status(state, call, entry).await
}

async fn end(
    State(state): State<ServerState>,
    Path(id): Path<String>,
    request: Request,
) -> Response<Body> {
    let (mut call, entry) = match begun(&state, request, &id, "oauth-user-credential/end").await {
        Ok((call, entry, _)) => (call, entry),
        Err(refusal) => return *refusal,
    };
    let said = disconnected(&state, &mut call, &entry).await;
    ended(call, said).await
}

async fn disconnected(
    state: &ServerState,
    call: &mut Call,
    entry: &ServerEntry,
) -> Result<Value, Refused> {
    let whose = call.principal.id.clone();
    state.connections.disconnect(&entry.auth, &whose).await?;
    state.connection_changed(&whose, &entry.id);
    status(state, call, entry).await
}

/// Lets the caller in, and finds the server as far as the caller sees it.
async fn begun(
    state: &ServerState,
    request: Request,
    id: &str,
    method: &'static str,
) -> Result<(Call, Arc<ServerEntry>, Body), Box<Response<Body>>> {
    let (parts, body) = request.into_parts();
    let mut call = state.admit(&parts, Surface::Admin).await?;
    call.audit.method(CallerText::new(method));
    let snapshot = state.gateway.snapshot();
    let side = call.admission.side;
    let Some(entry) = snapshot.connectable(&call.principal, side, id).cloned() else {
        return Err(Box::new(ended(call, Err(Refused::unknown())).await));
    };
    call.audit.server(&entry.id);
    Ok((call, entry, body))
}

/// LiteLLM's row.
async fn status(
    state: &ServerState,
    call: &mut Call,
    entry: &ServerEntry,
) -> Result<Value, Refused> {
    let whose = &call.principal.id;
    let connection = state.connections.status(&entry.id, whose).await?;
    call.audit.allowed("own_credential");
    let now = state.clock.now();
    Ok(match connection {
        None => json!({
            "server_id": entry.id.as_str(),
            "has_credential": false,
            "expires_at": null,
            "is_expired": false,
            "connected_at": null,
        }),
        Some(connection) => json!({
            "server_id": entry.id.as_str(),
            "has_credential": true,
            "expires_at": connection.expires_at.map(|at| at.to_string()),
            "is_expired": connection.is_over
                || connection.expires_at.is_some_and(|ends| ends <= now),
            "connected_at": connection.connected_at.to_string(),
        }),
    })
}

async fn ended(mut call: Call, said: Result<Value, Refused>) -> Response<Body> {
    let (status, outcome, body) = match said {
        Ok(body) => (StatusCode::OK, Outcome::Ok, body),
        Err(refused) => {
            call.audit.denied(refused.rule);
            let body = json!({"detail": refused.detail});
            (refused.status, refused.kind.into(), body)
        }
    };
    if call.close(outcome).await {
        reply(status, body.to_string())
    } else {
        text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    }
}
