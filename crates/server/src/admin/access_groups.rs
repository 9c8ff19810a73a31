//! `GET /v1/mcp/access_groups`: the access groups of the servers that the caller can see.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use serde_json::json;

use super::admit;
use super::problem::done;
use crate::state::ServerState;

/// The access groups of the servers in view.
#[utoipa::path(
    get, path = "/v1/mcp/access_groups", tag = "servers",
    responses((status = 200, description = "Their names.", body = Object)),
)]
pub(crate) async fn list(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let call = match admit(&state, &parts, "v1/mcp/access_groups").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let snapshot = state.gateway.snapshot();
    let servers = snapshot.servers().iter();
    let seen = servers.filter(|server| call.sees(server));
    let groups: BTreeSet<&str> = seen
        .flat_map(|server| server.policy.access_groups.iter().map(String::as_str))
        .collect();
    let document = json!({"access_groups": groups});
    done(call, &document).await
}
