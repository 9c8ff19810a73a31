//! `GET /v1/health`: what the probes leave out, for those who may read everything.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::admit;
use super::problem::done;
use crate::state::ServerState;

/// How this process fares. Nobody is asked anything for it.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// `ready` or `not_ready`, as the probe says.
    status: &'static str,
    /// Which configuration is in force.
    generation: u64,
    /// Why a newer one was refused; names keys and lines, never values.
    config_error: Option<String>,
    /// `ok`, or `unavailable`: events cannot be stored.
    audit: &'static str,
    /// `ok`, or `stale`: the list was not read for too long.
    revocations: &'static str,
    servers: ServersHealth,
}

/// How many servers listed their tools when asked last.
#[derive(Debug, Default, Serialize, ToSchema)]
struct ServersHealth {
    healthy: usize,
    unhealthy: usize,
    unknown: usize,
}

/// How this process fares.
#[utoipa::path(
    get, path = "/v1/health", tag = "health",
    responses((status = 200, description = "Also where the probe would be 503.", body = Health)),
)]
pub(crate) async fn tell(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let call = match admit(&state, &parts, "v1/health").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let report = state.readiness.report();
    let audit = state.gateway.audit();
    let revocations = state.revocations.is_fresh();
    let ready = report.ready && revocations && (!audit.required() || audit.is_available());
    let mut servers = ServersHealth::default();
    for entry in state.gateway.snapshot().servers() {
        *match entry.answers() {
            Some(true) => &mut servers.healthy,
            Some(false) => &mut servers.unhealthy,
            None => &mut servers.unknown,
        } += 1;
    }
    let health = Health {
        status: if ready { "ready" } else { "not_ready" },
        generation: report.generation,
        config_error: report.config_error,
        audit: if audit.is_available() {
            "ok"
        } else {
            "unavailable"
        },
        revocations: if revocations { "ok" } else { "stale" },
        servers,
    };
    done(call, &health).await
}
