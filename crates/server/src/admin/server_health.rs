//! `GET /v1/mcp/server/health`: whether the servers in view answered when they were asked last. Nobody is asked
//! for it.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_core::ErrorKind;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::admit;
use super::problem::{done, problem};
use super::server_rows::status;
use super::servers::in_view;
use crate::query::query;
use crate::state::ServerState;

/// Query of `/v1/mcp/server/health`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct HealthQuery {
    /// Only these, with commas between; left out: all in view.
    server_ids: Option<String>,
}

/// How a server fared.
#[derive(Debug, Serialize, ToSchema)]
struct ServerHealth {
    server_id: String,
    /// `healthy`, `unhealthy` or `unknown`.
    status: &'static str,
}

/// Whether servers answered when asked last.
#[utoipa::path(
    get, path = "/v1/mcp/server/health", tag = "servers", params(HealthQuery),
    responses((status = 200, description = "The servers in view.", body = Vec<ServerHealth>)),
)]
pub(crate) async fn list(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let call = match admit(&state, &parts, "v1/mcp/server/health").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let wish: HealthQuery = match query(&parts.uri) {
        Ok(wish) => wish,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    let seen = match in_view(&state, &call) {
        Ok(seen) => seen,
        Err(detail) => return problem(call, ErrorKind::Internal, detail).await,
    };
    let named = |id: &str| match &wish.server_ids {
        None => true,
        Some(ids) => ids.split(',').any(|one| one.trim() == id),
    };
    let rows: Vec<ServerHealth> = seen
        .iter()
        .filter(|entry| named(entry.id.as_str()))
        .map(|entry| ServerHealth {
            server_id: entry.id.to_string(),
            status: status(entry.answers()),
        })
        .collect();
    done(call, &rows).await
}
