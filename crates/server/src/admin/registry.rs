//! `GET /v1/mcp/registry.json`: the servers in view, as an MCP registry lists them. Only where the operator says so
//! (`general_settings.enable_mcp_registry`), and never to strangers: LiteLLM shows everybody every server.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_core::ErrorKind;
use portcullis_engine::ServerEntry;
use serde::Serialize;
use utoipa::ToSchema;

use super::admit;
use super::problem::{done, problem};
use super::servers::in_view;
use crate::openapi::Problem;
use crate::state::ServerState;

/// A registry's list.
#[derive(Serialize, ToSchema)]
struct RegistryList {
    /// The gateway itself first, then each server in the order of their names.
    servers: Vec<RegistryEntry>,
}

/// One entry of it.
#[derive(Serialize, ToSchema)]
struct RegistryEntry {
    server: RegistryServer,
}

/// A server, as a client finds it.
#[derive(Serialize, ToSchema)]
struct RegistryServer {
    name: String,
    title: String,
    description: String,
    version: String,
    remotes: Vec<RegistryRemote>,
}

/// Where it is reached: through this gateway.
#[derive(Serialize, ToSchema)]
struct RegistryRemote {
    /// `streamable-http`
    #[serde(rename = "type")]
    kind: &'static str,
    url: String,
}

impl RegistryServer {
    fn at(name: &str, description: String, version: &str, url: String) -> Self {
        let kind = "streamable-http";
        Self {
            name: name.to_owned(),
            title: name.to_owned(),
            description,
            version: version.to_owned(),
            remotes: vec![RegistryRemote { kind, url }],
        }
    }

    fn of(entry: &ServerEntry, origin: &str) -> Self {
        let id = entry.id.as_str();
        let described = entry.info.description.clone();
        let described = described.unwrap_or_else(|| format!("{id}, through Portcullis"));
        Self::at(id, described, "1.0.0", format!("{origin}/{id}/mcp"))
    }
}

/// The servers in view as an MCP registry lists them, where `general_settings.enable_mcp_registry` is set.
#[utoipa::path(
    get, path = "/v1/mcp/registry.json", tag = "servers",
    responses(
        (status = 200, description = "The gateway, and the servers in view.", body = RegistryList),
        (status = 404, description = "There is no registry.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let call = match admit(&state, &parts, "v1/mcp/registry.json").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    if !state.frontage.load().registry {
        return problem(call, ErrorKind::NotFound, "MCP registry is not enabled").await;
    }
    let Some(origin) = state.public_origin(&parts) else {
        let detail = "it cannot be told where clients find this gateway: set server.public_url";
        return problem(call, ErrorKind::Unavailable, detail).await;
    };
    let mut seen = match in_view(&state, &call) {
        Ok(seen) => seen,
        Err(detail) => return problem(call, ErrorKind::Internal, detail).await,
    };
    seen.sort_by(|one, other| one.id.cmp(&other.id));
    let all = RegistryServer::at(
        "portcullis",
        "All servers that the caller may see, through one endpoint".to_owned(),
        env!("CARGO_PKG_VERSION"),
        format!("{origin}/mcp"),
    );
    let servers = seen.iter().map(|entry| RegistryServer::of(entry, &origin));
    let servers = std::iter::once(all).chain(servers);
    let servers = servers.map(|server| RegistryEntry { server }).collect();
    done(call, &RegistryList { servers }).await
}
