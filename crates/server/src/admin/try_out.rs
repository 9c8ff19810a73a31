//! `/mcp-rest/test/connection` and `/mcp-rest/test/tools/list`: whether a server that is not defined yet answers.
//! Nothing of it is kept, and no program is started.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_core::ErrorKind;
use portcullis_engine::audit::Target;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::admit;
use super::body::read;
use super::problem::{done, problem, refuse_body, rule};
use super::server_bodies::nameless;
use super::servers::{failed, seen_through};
use super::strict::StrictObject;
use crate::openapi::Problem;
use crate::state::ServerState;

/// The same for every server that is not there, does not answer, or may not be asked: an address inside is not
/// found out by asking for it.
const NO_ANSWER: &str = "the server could not be reached, or did not answer as an MCP server does";

/// Whether a server answered.
#[derive(Debug, Serialize, ToSchema)]
struct TriedConnection {
    /// `ok` or `error`.
    status: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    error: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

/// What a server listed.
#[derive(Debug, Serialize, ToSchema)]
struct TriedTools {
    /// As the server wrote them.
    tools: Vec<Value>,
    /// `null`, or a code.
    error: Option<&'static str>,
    message: &'static str,
}

/// Ask a server once, with the keys of an entry or in LiteLLM's shape.
#[utoipa::path(
    post, path = "/mcp-rest/test/connection", tag = "servers", request_body = Object,
    responses(
        (status = 200, description = "Whether it answered.", body = TriedConnection),
        (status = 409, description = "This gateway keeps no servers beside its file.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn connection(
    State(state): State<ServerState>,
    request: Request,
) -> Response<Body> {
    let (call, tools) = match tried(&state, request, "mcp-rest/test/connection").await {
        Ok(tried) => tried,
        Err(refusal) => return *refusal,
    };
    let answer = match tools {
        Some(_) => TriedConnection {
            status: "ok",
            error: false,
            message: None,
        },
        None => TriedConnection {
            status: "error",
            error: true,
            message: Some(NO_ANSWER),
        },
    };
    done(call, &answer).await
}

/// The tools that a server would have.
#[utoipa::path(
    post, path = "/mcp-rest/test/tools/list", tag = "servers", request_body = Object,
    responses(
        (status = 200, description = "What it lists.", body = TriedTools),
        (status = 409, description = "This gateway keeps no servers beside its file.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn tools(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (call, tools) = match tried(&state, request, "mcp-rest/test/tools/list").await {
        Ok(tried) => tried,
        Err(refusal) => return *refusal,
    };
    let answer = match tools {
        Some(tools) => TriedTools {
            tools,
            error: None,
            message: "Successfully retrieved tools",
        },
        None => TriedTools {
            tools: Vec::new(),
            error: Some("unexpected_error"),
            message: NO_ANSWER,
        },
    };
    done(call, &answer).await
}

type Tried = (portcullis_engine::Call, Option<Vec<Value>>);

async fn tried(
    state: &ServerState,
    request: Request,
    method: &'static str,
) -> Result<Tried, Box<Response<Body>>> {
    let (parts, body) = request.into_parts();
    let mut call = admit(state, &parts, method).await?;
    let body = match read::<StrictObject>(state, &mut call, &parts, body).await {
        Ok(body) => body.0,
        Err(refused) => return Err(Box::new(refuse_body(state, call, &parts, &refused).await)),
    };
    let entry = match nameless(body) {
        Ok(entry) => entry,
        Err(detail) => return Err(Box::new(problem(call, ErrorKind::Invalid, &detail).await)),
    };
    // Where we were sent: without user name and query, where secrets may be.
    let address = ["url", "spec_path"].map(|name| entry.get(name).and_then(Value::as_str));
    if let Some(address) = address.into_iter().flatten().next() {
        call.audit.target(Target::resource(address));
    }
    call.audit.allowed(rule(call.principal.role));
    let Some(book) = state.servers.clone() else {
        let detail = "this gateway keeps no servers beside its file";
        return Err(Box::new(problem(call, ErrorKind::Conflict, detail).await));
    };
    match seen_through(state, async move { book.try_out(entry).await }).await {
        Ok(tools) => Ok((call, tools)),
        Err(error) => Err(Box::new(failed(call, &error).await)),
    }
}
