//! `POST /mcp-rest/tools/call`.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use portcullis_core::{ApprovalId, ErrorKind};
use portcullis_engine::audit::Surface;
use portcullis_engine::{Call, ToolListing};
use portcullis_mcp::Members;

use super::list::view;
use super::refusal::{failed, refuse};
use crate::challenge::challenged;
use crate::debug::Debugging;
use crate::delegation::Behind;
use crate::reply::{json as reply, text_error};
use crate::state::ServerState;

pub(crate) async fn call(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match state
        .admit_to(&parts, Surface::Rest, Behind::Servers(None))
        .await
    {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let debugging = Debugging::of(&state, &parts.headers, &mut call);
    let mut response = admitted(&state, call, &parts, body).await;
    if let Some(debugging) = debugging {
        debugging.tell(&state, &mut response);
    }
    response
}

async fn admitted(
    state: &ServerState,
    mut call: Call,
    parts: &Parts,
    body: Body,
) -> Response<Body> {
    let bytes = match state.read_body(&call, &parts.headers, body).await {
        Ok(bytes) => bytes,
        Err(refusal) => {
            let kind = refusal.kind();
            let error = match kind {
                ErrorKind::Unauthenticated => kind.as_str(),
                _ => "invalid_body",
            };
            let refused = refuse(call, kind, refusal.status(), error, refusal.text()).await;
            return challenged(state, parts, Surface::Rest, refused);
        }
    };
    call.audit.request_bytes(bytes.len() as u64);
    let wish = match Wish::read(&bytes) {
        Ok(wish) => wish,
        Err((error, message)) => {
            return refuse(
                call,
                ErrorKind::Invalid,
                StatusCode::BAD_REQUEST,
                error,
                &message,
            )
            .await;
        }
    };
    let (mut call, view) = match view(state, call, wish.server.as_deref(), &parts.headers).await {
        Ok(seen) => seen,
        Err(refusal) => return *refusal,
    };
    call.approval = wish.approval;
    match state
        .gateway
        .call_tool(&mut call, &view, &wish.name, wish.arguments, &parts.headers)
        .await
    {
        Ok(result) => {
            call.audit.add_response_bytes(result.len() as u64);
            if call.close(ToolListing::outcome_of_call(&result)).await {
                reply(StatusCode::OK, result)
            } else {
                text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
            }
        }
        Err(error) => failed(state, parts, call, &error).await,
    }
}

/// What is to be called. Members that LiteLLM's clients send beside these (`jsonrpc`, `method`,
/// `id`) are ignored, as there.
struct Wish<'a> {
    server: Option<String>,
    name: String,
    arguments: &'a str,
    /// The approval that it was given, if its caller says so.
    approval: Option<ApprovalId>,
}

impl<'a> Wish<'a> {
    fn read(body: &'a [u8]) -> Result<Self, (&'static str, String)> {
        let invalid = |what: &str| ("invalid_request", what.to_owned());
        let text = std::str::from_utf8(body).map_err(|_| invalid("the body is not UTF-8"))?;
        let members =
            Members::parse(text).map_err(|error| ("invalid_request", error.to_string()))?;
        let name = members.string("name").ok_or_else(|| {
            (
                "missing_parameter",
                "name is required in request body".to_owned(),
            )
        })?;
        let text = |name: &str| match members.get(name).filter(|raw| raw.get() != "null") {
            None => Ok(None),
            Some(raw) => match portcullis_mcp::string_of(raw) {
                Some(text) => Ok(Some(text.into_owned())),
                None => Err(invalid(&format!("{name} must be a string"))),
            },
        };
        let server = text("server_id")?;
        let approval = text("approval_id")?.map(ApprovalId::from);
        let arguments = match members
            .get("arguments")
            .map(serde_json::value::RawValue::get)
        {
            None | Some("null") => "{}",
            Some(object) if object.starts_with('{') => object,
            Some(_) => return Err(invalid("arguments must be an object")),
        };
        Ok(Self {
            server,
            name: name.into_owned(),
            arguments,
            approval,
        })
    }
}
