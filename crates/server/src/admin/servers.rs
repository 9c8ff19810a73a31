//! `GET /v1/mcp/server`: the servers that the caller can see.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_core::Role;
use portcullis_engine::audit::{CallerText, Surface};
use portcullis_engine::{ServerEntry, Target, View};
use serde_json::{Value, json};

use super::problem::{done, problem};
use crate::debug::address;
use crate::state::ServerState;

pub(crate) async fn list(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match state.admit(&parts, Surface::Admin).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    call.audit.method(CallerText::new("v1/mcp/server"));
    let target = Target::Aggregate {
        servers: None,
        groups: None,
    };
    let Ok(view) = View::of(&state.gateway.snapshot(), &call, target) else {
        return problem(
            call,
            portcullis_core::ErrorKind::Internal,
            "the servers cannot be resolved",
        )
        .await;
    };
    let may_see_address = call.principal.role >= Role::Viewer;
    let rows: Vec<Value> = view
        .servers()
        .map(|entry| row(entry, may_see_address))
        .collect();
    done(call, &Value::Array(rows)).await
}

/// LiteLLM's row. The address is shown to those who may read everything, without userinfo and query.
fn row(entry: &ServerEntry, may_see_address: bool) -> Value {
    let endpoint = &entry.upstream.server().endpoint;
    let address = endpoint.uri().filter(|_| may_see_address).map(address);
    json!({
        "server_id": entry.id.as_str(),
        "server_name": entry.id.as_str(),
        "alias": &*entry.alias,
        "description": entry.info.description,
        "url": address,
        "transport": endpoint.transport(),
        "auth_type": entry.info.auth_type,
        "mcp_access_groups": entry.policy.access_groups,
        "allowed_tools": entry.policy.allowed_tools,
        "era": entry.upstream.reported_modern().map(|modern| if modern { "2026-07-28" } else { "legacy" }),
        "status": status(entry.answers()),
        "tools": entry.tool_count(),
        "sessions": entry.upstream.session_count(),
    })
}

/// LiteLLM's words for whether the server listed its tools when last asked.
const fn status(answers: Option<bool>) -> &'static str {
    match answers {
        Some(true) => "healthy",
        Some(false) => "unhealthy",
        None => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_claimed_of_a_server_that_was_not_asked_yet() {
        assert_eq!(status(None), "unknown");
    }
}
