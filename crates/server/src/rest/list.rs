//! `GET /mcp-rest/tools/list`.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use portcullis_core::ErrorKind;
use portcullis_engine::audit::{Outcome, Surface};
use portcullis_engine::{Call, ListedTool, Target, ToolListing, View};
use portcullis_mcp::{Edits, Members};
use serde::Deserialize;
use serde_json::json;

use super::refusal::{failed, refuse};
use crate::debug::Debugging;
use crate::delegation::Behind;
use crate::headers::{ACCESS_GROUPS, SERVERS};
use crate::openapi::Refusal;
use crate::query::query;
use crate::reply::{json as reply, text_error};
use crate::state::ServerState;

/// LiteLLM's query. Members that we do not know are ignored, as there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ListQuery {
    server_id: Option<String>,
    mcp_server_name: Option<String>,
}

pub(crate) async fn list(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match state
        .admit_to(&parts, Surface::Rest, Behind::Servers(None))
        .await
    {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let debugging = Debugging::of(&state, &parts.headers, &mut call);
    let mut response = admitted(&state, call, &parts).await;
    if let Some(debugging) = debugging {
        debugging.tell(&state, &mut response);
    }
    response
}

/// The same under LiteLLM's other name, without selectors: the tools of all servers in view.
#[utoipa::path(
    get, path = "/v1/mcp/tools", tag = "servers",
    responses(
        (status = 200, description = "The tools, with how each server fared.", body = Object),
        (status = 429, description = "Too many requests of callers without a key, from one network.", body = Refusal),
        (status = 502, description = "No server answered.", body = Refusal),
        (status = 504, description = "No server answered in time.", body = Refusal),
    ),
)]
pub(crate) async fn tools(State(state): State<ServerState>, request: Request) -> Response<Body> {
    list(State(state), request).await
}

async fn admitted(state: &ServerState, mut call: Call, parts: &Parts) -> Response<Body> {
    let wish: ListQuery = match query(&parts.uri) {
        Ok(wish) => wish,
        Err(message) => {
            return refuse(
                call,
                ErrorKind::Invalid,
                StatusCode::BAD_REQUEST,
                "invalid_query",
                &message,
            )
            .await;
        }
    };
    let named = wish
        .server_id
        .as_deref()
        .or(wish.mcp_server_name.as_deref());
    let (call_, view) = match view(state, call, named, &parts.headers).await {
        Ok(seen) => seen,
        Err(refusal) => return *refusal,
    };
    call = call_;
    match state.gateway.list_tools(&mut call, &view).await {
        Ok(listing) => {
            let body = render(&listing);
            call.audit.add_response_bytes(body.len() as u64);
            if call.close(Outcome::Ok).await {
                reply(StatusCode::OK, body)
            } else {
                text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
            }
        }
        Err(error) => failed(state, parts, call, &error).await,
    }
}

/// Resolves what a REST request addresses.
pub(super) async fn view(
    state: &ServerState,
    mut call: Call,
    named: Option<&str>,
    headers: &axum::http::HeaderMap,
) -> Result<(Call, View), Box<Response<Body>>> {
    let header = |name| crate::mcp::sole(headers, name);
    let (Ok(servers), Ok(groups)) = (header(&SERVERS), header(&ACCESS_GROUPS)) else {
        let refusal = refuse(
            call,
            ErrorKind::Invalid,
            StatusCode::BAD_REQUEST,
            "invalid_selector",
            "a selector header stands twice",
        );
        return Err(Box::new(refusal.await));
    };
    let target = match named {
        Some(name) => Target::Path(name),
        None => Target::Aggregate { servers, groups },
    };
    match View::of(&state.gateway.snapshot(), &call, target) {
        Ok(view) => Ok((call, view)),
        Err(error) => {
            call.audit.denied("not_visible");
            let text = error.to_string();
            let refusal = refuse(
                call,
                ErrorKind::NotFound,
                StatusCode::NOT_FOUND,
                "server_not_found",
                &text,
            );
            Err(Box::new(refusal.await))
        }
    }
}

fn render(listing: &ToolListing) -> String {
    let tools: Vec<String> = listing.tools.iter().map(render_tool).collect();
    let (error, message) = if listing.complete {
        ("null", "Successfully retrieved tools")
    } else {
        (
            "\"partial_failure\"",
            "Some servers did not answer; server_outcomes says which",
        )
    };
    format!(
        r#"{{"tools":[{}],"error":{error},"message":"{message}","server_outcomes":{}}}"#,
        tools.join(","),
        listing.outcomes,
    )
}

/// The tool as its server wrote it, with LiteLLM's `mcp_info` added.
fn render_tool(tool: &ListedTool) -> String {
    let server = &tool.server;
    let extra: serde_json::Map<String, serde_json::Value> = server
        .info
        .mcp_info
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let mut info = extra;
    info.insert("server_name".to_owned(), json!(server.id.as_str()));
    info.insert("server_id".to_owned(), json!(server.id.as_str()));
    info.insert("alias".to_owned(), json!(&*server.alias));
    let raw = tool.raw.get();
    let taken = Members::parse(raw).is_ok_and(|members| members.get("mcp_info").is_some());
    if taken {
        return raw.to_owned();
    }
    let mut edits = Edits::of(raw);
    edits.insert_top("mcp_info", &serde_json::Value::Object(info).to_string());
    edits.finish()
}
