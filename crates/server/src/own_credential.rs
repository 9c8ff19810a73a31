//! `/v1/mcp/server/{id}/oauth-user-credential` and `…/status`: the caller's own connection to a server
//! in LiteLLM's shapes. Nobody's but the caller's is told, kept or ended here, an administrator's
//! neither, and no token ever comes back.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{Response, StatusCode};
use portcullis_core::ErrorKind;
use portcullis_credentials::{Connection, CredentialError, NotKept};
use portcullis_engine::audit::{CallerText, Change, Outcome, Surface};
use portcullis_engine::{Call, ServerEntry};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::challenge::challenged;
use crate::openapi;
use crate::reply::{json as reply, text_error};
use crate::state::ServerState;

pub(crate) fn routes() -> OpenApiRouter<ServerState> {
    OpenApiRouter::with_openapi(openapi::beginning())
        .routes(routes!(tell, keep, end))
        .routes(routes!(tell_status))
}

/// A caller's connection, in LiteLLM's shape: never the tokens.
#[derive(Serialize, ToSchema)]
struct OwnCredential {
    server_id: String,
    has_credential: bool,
    /// RFC 3339.
    expires_at: Option<String>,
    is_expired: bool,
    connected_at: Option<String>,
}

/// LiteLLM's refusal.
#[derive(Serialize, ToSchema)]
struct CredentialRefusal {
    #[schema(value_type = Object)]
    detail: Value,
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

/// The caller's own connection to a server.
#[utoipa::path(
    get, path = "/v1/mcp/server/{id}/oauth-user-credential", tag = "own credentials",
    params(("id" = String, Path, description = "The server.")),
    responses(
        (status = 200, description = "Whether there is one.", body = OwnCredential),
        (status = 404, description = "No such server that takes accounts of people is in view.", body = CredentialRefusal),
    ),
)]
async fn tell(
    State(state): State<ServerState>,
    Path(id): Path<String>,
    request: Request,
) -> Response<Body> {
    told(&state, request, &id).await
}

/// The same, where LiteLLM has it too.
#[utoipa::path(
    get, path = "/v1/mcp/server/{id}/oauth-user-credential/status", tag = "own credentials",
    params(("id" = String, Path, description = "The server.")),
    responses(
        (status = 200, description = "Whether there is one.", body = OwnCredential),
        (status = 404, description = "No such server that takes accounts of people is in view.", body = CredentialRefusal),
    ),
)]
async fn tell_status(
    State(state): State<ServerState>,
    Path(id): Path<String>,
    request: Request,
) -> Response<Body> {
    told(&state, request, &id).await
}

async fn told(state: &ServerState, request: Request, id: &str) -> Response<Body> {
    let (mut call, entry) = match begun(state, request, id, "oauth-user-credential/status").await {
        Ok((call, entry, _)) => (call, entry),
        Err(refusal) => return *refusal,
    };
    let said = status(state, &mut call, &entry).await;
    ended(call, said).await
}

/// Keep a grant that was given to the server's `client_id`: `access_token`, and `refresh_token`, `expires_in`
/// (seconds) and `scopes` where there are some.
#[utoipa::path(
    post, path = "/v1/mcp/server/{id}/oauth-user-credential", tag = "own credentials",
    params(("id" = String, Path, description = "The server.")), request_body = Object,
    responses(
        (status = 200, description = "It is kept.", body = OwnCredential),
        (status = 404, description = "No such server that takes accounts of people is in view.", body = CredentialRefusal),
        (status = 408, description = "The body took too long to arrive.", body = CredentialRefusal),
        (status = 413, description = "The body is too large.", body = CredentialRefusal),
        (status = 415, description = "The body is no JSON.", body = CredentialRefusal),
        (status = 502, description = "The server's authorization server gives no usable answer.", body = CredentialRefusal),
    ),
)]
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
    let kept = Change::of("connection", entry.id.as_str()).now("connected");
    call.audit.changed(kept);
    state.connection_changed(&whose, &entry.id);
    status(state, call, entry).await
}

/// Disconnect, and revoke upstream.
#[utoipa::path(
    delete, path = "/v1/mcp/server/{id}/oauth-user-credential", tag = "own credentials",
    params(("id" = String, Path, description = "The server.")),
    responses(
        (status = 200, description = "There is none any more.", body = OwnCredential),
        (status = 404, description = "No such server that takes accounts of people is in view.", body = CredentialRefusal),
        (status = 502, description = "The server's authorization server gives no usable answer.", body = CredentialRefusal),
    ),
)]
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
    let ended = Change::of("connection", entry.id.as_str()).now("disconnected");
    call.audit.changed(ended);
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
    let is_over = |one: &Connection| one.is_over || one.expires_at.is_some_and(|ends| ends <= now);
    Ok(json!(OwnCredential {
        server_id: entry.id.to_string(),
        has_credential: connection.is_some(),
        is_expired: connection.as_ref().is_some_and(is_over),
        expires_at: connection
            .as_ref()
            .and_then(|one| one.expires_at.map(|at| at.to_string())),
        connected_at: connection.map(|one| one.connected_at.to_string()),
    }))
}

async fn ended(mut call: Call, said: Result<Value, Refused>) -> Response<Body> {
    let (status, outcome, body) = match said {
        Ok(body) => (StatusCode::OK, Outcome::Ok, body),
        Err(refused) => {
            call.audit.denied(refused.rule);
            let body = json!(CredentialRefusal {
                detail: refused.detail
            });
            (refused.status, refused.kind.into(), body)
        }
    };
    if call.close(outcome).await {
        reply(status, body.to_string())
    } else {
        text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    }
}
