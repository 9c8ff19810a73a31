//! `GET /v1/config` and `POST /v1/config/diff`: what is in force, and what a reload of the file would change.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_core::ErrorKind;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::admit;
use super::problem::{done, problem, rule};
use super::servers::{failed, seen_through};
use crate::openapi::Problem;
use crate::server_book::ConfigurationDiff;
use crate::state::ServerState;

/// What is in force.
#[derive(Debug, Serialize, ToSchema)]
struct Effective {
    /// Rises with every configuration.
    generation: u64,
    /// The keys of the file as they were read, with `{"is_set": true}` in the place of each secret; servers of the
    /// admin API are at `/v1/mcp/server`.
    #[schema(value_type = Object)]
    configuration: Value,
}

/// The configuration in force, without its secrets.
#[utoipa::path(
    get, path = "/v1/config", tag = "configuration",
    responses(
        (status = 200, description = "What the file said when it was read last and was good.", body = Effective),
        (status = 409, description = "There is no file.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let call = match admit(&state, &parts, "v1/config").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let Some(book) = state.servers.clone() else {
        return problem(call, ErrorKind::Conflict, NO_FILE).await;
    };
    let generation = state.gateway.snapshot().generation();
    match book.configuration().await {
        Ok(configuration) => {
            let effective = Effective {
                generation,
                configuration,
            };
            done(call, &effective).await
        }
        Err(error) => failed(call, &error).await,
    }
}

const NO_FILE: &str = "this gateway has no configuration file";

/// What a reload of the file would change. Nothing is put in force.
#[utoipa::path(
    post, path = "/v1/config/diff", tag = "configuration",
    responses(
        (status = 200, description = "Key by key.", body = ConfigurationDiff),
        (status = 409, description = "There is no file.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn diff(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match admit(&state, &parts, "v1/config/diff").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    call.audit.allowed(rule(call.principal.role));
    let (Some(book), true) = (state.servers.clone(), state.reload.is_some()) else {
        return problem(call, ErrorKind::Conflict, NO_FILE).await;
    };
    match seen_through(&state, async move { book.configuration_diff().await }).await {
        Ok(diff) => done(call, &diff).await,
        Err(error) => failed(call, &error).await,
    }
}
