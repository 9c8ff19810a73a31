//! `POST /v1/config/reload`: read the configuration file again, now.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use portcullis_core::ErrorKind;
use portcullis_engine::audit::Change;
use serde::Serialize;
use utoipa::ToSchema;

use super::admit;
use super::problem::{done, problem, problem_with, rule};
use crate::openapi::Problem;
use crate::state::ServerState;

/// Whoever can put a new configuration in force.
#[async_trait]
pub trait Reload: Send + Sync + std::fmt::Debug {
    /// Reads the file again; the generation that is then in force.
    async fn reload(&self) -> Result<u64, NotReloaded>;
}

/// The former configuration stays in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotReloaded {
    /// What is wrong with the file; names keys and lines, never secrets.
    Refused(String),
    /// The process is going down.
    Unavailable,
}

/// What is in force now.
#[derive(Serialize, ToSchema)]
struct Reloaded {
    /// Rises with every configuration.
    generation: u64,
}

/// Read the configuration file again.
#[utoipa::path(
    post, path = "/v1/config/reload", tag = "configuration",
    responses(
        (status = 200, description = "It is in force.", body = Reloaded),
        (status = 409, description = "There is no file.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The file is wrong; the former configuration stays in force.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn reload(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match admit(&state, &parts, "v1/config/reload").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    call.audit.allowed(rule(call.principal.role));
    let Some(reload) = &state.reload else {
        let detail = "this gateway has no configuration file";
        return problem(call, ErrorKind::Conflict, detail).await;
    };
    let before = state.gateway.snapshot().generation();
    // What differs is told by its names; a file that cannot be read is refused below.
    let differing = match &state.servers {
        Some(book) => book.configuration_diff().await.unwrap_or_default().changes,
        None => Vec::new(),
    };
    match reload.reload().await {
        Ok(generation) => {
            let told = Change::of("configuration", "file")
                .was(before)
                .now(generation);
            let names = differing.iter().map(|key| key.path.as_str());
            call.audit.changed(told.fields(names));
            done(call, &Reloaded { generation }).await
        }
        Err(NotReloaded::Refused(findings)) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            problem_with(call, status, ErrorKind::Invalid, &findings).await
        }
        Err(NotReloaded::Unavailable) => {
            problem(call, ErrorKind::Unavailable, "the gateway is stopping").await
        }
    }
}
