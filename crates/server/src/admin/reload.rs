//! `POST /v1/config/reload`: read the configuration file again, now.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use portcullis_core::{ErrorKind, Role};
use portcullis_engine::audit::{CallerText, Surface};
use serde_json::json;

use super::problem::{done, problem, problem_with, rule};
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

pub(crate) async fn reload(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match state.admit(&parts, Surface::Admin).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    call.audit.method(CallerText::new("v1/config/reload"));
    if call.principal.role < Role::Admin {
        let detail = "the configuration is for administrators";
        return problem(call, ErrorKind::Forbidden, detail).await;
    }
    call.audit.allowed(rule(call.principal.role));
    let Some(reload) = &state.reload else {
        let detail = "this gateway has no configuration file";
        return problem(call, ErrorKind::Conflict, detail).await;
    };
    match reload.reload().await {
        Ok(generation) => done(call, &json!({"generation": generation})).await,
        Err(NotReloaded::Refused(findings)) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            problem_with(call, status, ErrorKind::Invalid, &findings).await
        }
        Err(NotReloaded::Unavailable) => {
            problem(call, ErrorKind::Unavailable, "the gateway is stopping").await
        }
    }
}
