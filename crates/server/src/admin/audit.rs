//! `GET /v1/audit`: events as they were recorded, oldest first unless `order=desc`.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_core::{ErrorKind, Role, Timestamp};
use portcullis_engine::audit::{CallerText, Surface};
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::{done, problem};
use crate::query::query;
use crate::state::ServerState;

/// How long to wait for events that are on their way into the store.
const FLUSH: Duration = Duration::from_secs(1);

/// `after` is `next` of the page before; `since` is an RFC 3339 moment. What is not here is refused:
/// a filter that was ignored would answer with more than was asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuditQuery {
    after: Option<String>,
    limit: Option<usize>,
    since: Option<String>,
    request_id: Option<String>,
    /// `asc` (pages from the beginning) or `desc` (only the newest).
    order: Option<String>,
}

pub(crate) async fn list(State(state): State<ServerState>, request: Request) -> Response<Body> {
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
    let query: AuditQuery = match query(&parts.uri) {
        Ok(query) => query,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    let since = match query
        .since
        .as_deref()
        .map(str::parse::<Timestamp>)
        .transpose()
    {
        Ok(since) => since,
        Err(error) => return problem(call, ErrorKind::Invalid, &format!("since: {error}")).await,
    };
    // Whoever looks right after a call shall find it; a store that is down is told below.
    let _ = tokio::time::timeout(FLUSH, state.gateway.audit().flush()).await;
    let limit = query.limit.unwrap_or(100).min(1000);
    let found = match query.order.as_deref() {
        None | Some("asc") => {
            state
                .trail
                .page(since, query.request_id, query.after, limit)
                .await
        }
        Some("desc") => state
            .trail
            .latest(since, query.request_id, limit)
            .await
            .map(|events| (events, None)),
        Some(_) => return problem(call, ErrorKind::Invalid, "order is asc or desc").await,
    };
    match found {
        Ok((events, next)) => {
            let events: Vec<Value> = events
                .iter()
                .map(|event| serde_json::from_str(event).unwrap_or_default())
                .collect();
            done(call, &json!({"events": events, "next": next})).await
        }
        Err(error) if error.error_kind() == ErrorKind::Invalid => {
            problem(call, ErrorKind::Invalid, "after is not `next` of a page").await
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
