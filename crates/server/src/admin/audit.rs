//! `GET /v1/audit`: events as they were recorded, oldest first.

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::Response;
use portcullis_core::{ErrorKind, Role, Timestamp};
use portcullis_engine::audit::{CallerText, Surface};
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::{done, problem};
use crate::state::ServerState;

/// `after` is `next` of the page before; `since` is in milliseconds since the epoch.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AuditQuery {
    after: Option<String>,
    limit: Option<usize>,
    since: Option<i64>,
    request_id: Option<String>,
}

pub(crate) async fn list(
    State(state): State<ServerState>,
    Query(query): Query<AuditQuery>,
    request: Request,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match state.admit(&parts, Surface::Admin).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    call.audit.method(CallerText::new("v1/audit"));
    if call.principal.role < Role::Viewer {
        return problem(
            call,
            ErrorKind::Forbidden,
            "the audit trail is for viewers and administrators",
        )
        .await;
    }
    let since = query.since.map(Timestamp::from_millis);
    let limit = query.limit.unwrap_or(100).min(1000);
    match state
        .trail
        .page(since, query.request_id, query.after, limit)
        .await
    {
        Ok((events, next)) => {
            let events: Vec<Value> = events
                .iter()
                .map(|event| serde_json::from_str(event).unwrap_or_default())
                .collect();
            done(call, &json!({"events": events, "next": next})).await
        }
        Err(error) => {
            tracing::error!(request.id = %call.id, error = %error, "audit trail not read");
            problem(
                call,
                ErrorKind::Unavailable,
                "the audit trail cannot be read",
            )
            .await
        }
    }
}
