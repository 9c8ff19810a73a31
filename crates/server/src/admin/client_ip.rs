//! `GET /v1/mcp/network/client-ip`: where the gateway sees its caller come from.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::admit;
use super::problem::done;
use crate::state::ServerState;

/// An address.
#[derive(Debug, Serialize, ToSchema)]
struct ClientIp {
    /// `null`: it cannot be told, which is outside.
    ip: Option<String>,
}

/// The caller's address, by its connection and what believed proxies say.
#[utoipa::path(
    get, path = "/v1/mcp/network/client-ip", tag = "servers",
    responses((status = 200, description = "The address.", body = ClientIp)),
)]
pub(crate) async fn tell(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let call = match admit(&state, &parts, "v1/mcp/network/client-ip").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let ip = call.admission.address.map(|address| address.to_string());
    done(call, &ClientIp { ip }).await
}
