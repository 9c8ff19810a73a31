//! `POST /v1/policy/explain`: why, or why not, a caller may do something, by the very decision that
//! calls go through. For those who may read everything. Nothing is called.

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use portcullis_core::{ErrorKind, Side};
use portcullis_engine::Question;
use portcullis_engine::audit::Target;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::admit;
use super::body::read;
use super::problem::{done, problem, refuse_body};
use crate::openapi::Problem;
use crate::state::ServerState;

/// What is asked.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ExplainQuestion)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// The id of a caller's key, or its alias.
    #[serde(rename = "as")]
    key: String,
    /// A tool, as its server spells it.
    tool: String,
    /// On this server only; left out: on each.
    #[serde(default)]
    server: Option<String>,
    /// The arguments of the call, as they would be written.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    arguments: Option<Box<RawValue>>,
    /// From which address; left out: from where nobody can tell, which is outside.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    address: Option<IpAddr>,
}

impl From<Asked> for Question {
    fn from(asked: Asked) -> Self {
        let Asked {
            key,
            tool,
            server,
            arguments,
            address,
        } = asked;
        Self {
            key,
            tool,
            server,
            arguments,
            address,
        }
    }
}

/// Why, or why not, a caller may call a tool.
#[utoipa::path(
    post, path = "/v1/policy/explain", tag = "policy", request_body = Asked,
    responses(
        (status = 200, description = "The decision, step by step.", body = Object),
        (status = 404, description = "No caller comes with this key, or no server is called so.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn explain(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match admit(&state, &parts, "v1/policy/explain").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let question = match read::<Asked>(&state, &mut call, &parts, body).await {
        Ok(asked) => Question::from(asked),
        Err(refusal) => return refuse_body(&state, call, &parts, &refusal).await,
    };
    call.audit.target(Target::tool(&question.tool));
    let authentication = state.authentication.load_full();
    let principal = match authentication.key_named(&question.key).await {
        Ok(principal) => principal,
        Err(error) if error.kind.error_kind() == ErrorKind::Unavailable => {
            let detail = "whose key this is cannot be told now";
            return problem(call, ErrorKind::Unavailable, detail).await;
        }
        Err(error) => {
            let detail = format!("no caller comes with this key: {}", error.kind.as_str());
            return problem(call, ErrorKind::NotFound, &detail).await;
        }
    };
    let side = Side::of(question.address, &state.frontage.load().inside);
    match state.gateway.explain(&principal, side, &question) {
        Some(answer) => done(call, &answer).await,
        None => problem(call, ErrorKind::NotFound, "no server is called so").await,
    }
}
