//! The MCP endpoints: Streamable HTTP of 2025-03-26 to 2025-11-25 and of 2026-07-28 on one path, and
//! HTTP+SSE of 2024-11-05 below it.

mod accept;
mod post;
mod refusal;
mod session;
mod sse;

pub(crate) use post::unknown_session;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, Request, State};
use axum::http::header::{ALLOW, HeaderMap, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, Response, StatusCode};
use portcullis_core::{ErrorKind, ServerId};
use portcullis_engine::audit::Surface;
use portcullis_engine::{Call, Target, UnknownTarget, View};

use crate::debug::Debugging;
use crate::delegation::Behind;
use crate::handover::HandedOver;
use crate::headers::{ACCESS_GROUPS, SERVERS};
use crate::reply::{answer, json, text_error};
use crate::state::ServerState;

/// `/mcp`: everything the caller may see, or what `x-mcp-servers` and `x-mcp-access-groups` select.
pub(crate) async fn aggregate(
    State(state): State<ServerState>,
    request: Request,
) -> Response<Body> {
    serve(&state, Named::All, Door::Streamable, request).await
}

/// `/mcp/{name}` and `/{name}/mcp`.
pub(crate) async fn named(
    State(state): State<ServerState>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response<Body> {
    serve(
        &state,
        Named::Path(&named_in(name)),
        Door::Streamable,
        request,
    )
    .await
}

/// `/toolset/{name}/mcp`.
pub(crate) async fn toolset(
    State(state): State<ServerState>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response<Body> {
    serve(
        &state,
        Named::Toolset(&named_in(name)),
        Door::Streamable,
        request,
    )
    .await
}

/// `/mcp/sse`.
pub(crate) async fn aggregate_sse(
    State(state): State<ServerState>,
    request: Request,
) -> Response<Body> {
    serve(&state, Named::All, Door::Sse, request).await
}

/// `/mcp/sse/messages`.
pub(crate) async fn aggregate_messages(
    State(state): State<ServerState>,
    request: Request,
) -> Response<Body> {
    serve(&state, Named::All, Door::Messages, request).await
}

/// `/mcp/{name}/sse`, `/{name}/mcp/sse` and `/{name}/sse`.
pub(crate) async fn named_sse(
    State(state): State<ServerState>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response<Body> {
    serve(&state, Named::Path(&named_in(name)), Door::Sse, request).await
}

/// The same with `/messages`.
pub(crate) async fn named_messages(
    State(state): State<ServerState>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response<Body> {
    serve(
        &state,
        Named::Path(&named_in(name)),
        Door::Messages,
        request,
    )
    .await
}

/// What is not UTF-8 is no name, and neither is the empty text; who asks comes before that.
fn named_in(name: Result<Path<String>, PathRejection>) -> String {
    name.map(|Path(name)| name).unwrap_or_default()
}

/// What a path names.
#[derive(Clone, Copy, Debug)]
enum Named<'r> {
    /// Nothing: whatever the caller may see.
    All,
    /// A server, several, an access group or a toolset.
    Path(&'r str),
    /// A toolset and nothing else.
    Toolset(&'r str),
}

impl<'r> Named<'r> {
    /// Whom a stranger's request could lead to: a toolset is for callers whom we know.
    const fn behind(self) -> Behind<'r> {
        match self {
            Self::All => Behind::Servers(None),
            Self::Path(name) => Behind::Servers(Some(name)),
            Self::Toolset(_) => Behind::Us,
        }
    }
}

/// Through which of an endpoint's doors a request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// Streamable HTTP.
    Streamable,
    /// The stream of HTTP+SSE.
    Sse,
    /// The messages to such a stream.
    Messages,
}

impl Door {
    /// The methods that it knows.
    const fn allow(self) -> &'static str {
        match self {
            Self::Streamable => "GET, POST, DELETE",
            Self::Sse => "GET",
            Self::Messages => "POST",
        }
    }

    fn knows(self, method: &Method) -> bool {
        self.allow()
            .split(", ")
            .any(|known| known == method.as_str())
    }
}

/// `/mcp` where there is one server and no other: its names untouched.
pub(crate) async fn sole_server(
    State(state): State<ServerState>,
    Extension(Sole(name)): Extension<Sole>,
    request: Request,
) -> Response<Body> {
    serve(
        &state,
        Named::Path(name.as_str()),
        Door::Streamable,
        request,
    )
    .await
}

/// The one server.
#[derive(Clone, Debug)]
pub(crate) struct Sole(pub(crate) ServerId);

async fn serve(
    state: &ServerState,
    name: Named<'_>,
    door: Door,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match state.admit_to(&parts, Surface::Mcp, name.behind()).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let debugging = Debugging::of(state, &parts.headers, &mut call);
    let mut response = admitted(state, call, name, door, &parts, body).await;
    // Whoever answered has told already.
    if let Some(debugging) = debugging
        && response.extensions().get::<HandedOver>().is_none()
    {
        debugging.tell(state, &mut response);
    }
    response
}

async fn admitted(
    state: &ServerState,
    call: Call,
    name: Named<'_>,
    door: Door,
    parts: &Parts,
    body: Body,
) -> Response<Body> {
    if !door.knows(&parts.method) {
        return if call.close(ErrorKind::Invalid.into()).await {
            not_allowed(door.allow())
        } else {
            text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        };
    }
    let (call, view) = match view(state, call, name, parts).await {
        Ok(seen) => seen,
        Err(refusal) => return *refusal,
    };
    match parts.method {
        Method::POST if door == Door::Messages => {
            Box::pin(sse::message(state, call, &view, parts, body)).await
        }
        Method::POST => post::post(state, call, &view, parts, body).await,
        _ => Box::pin(without_body(state, call, &view, door, parts)).await,
    }
}

async fn without_body(
    state: &ServerState,
    call: Call,
    view: &View,
    door: Door,
    parts: &Parts,
) -> Response<Body> {
    match view.barred() {
        Some(denied) => answer(
            state,
            parts,
            state.gateway.refuse_barred(call, None, denied).await,
        ),
        None if door == Door::Sse => sse::stream(state, call, view, parts).await,
        None if parts.method == Method::GET => session::get(state, call, view, parts).await,
        None => session::delete(state, call, view, parts).await,
    }
}

/// Resolves what the request addresses. What does not exist and what the caller may not see answer
/// with the same bytes.
async fn view(
    state: &ServerState,
    mut call: Call,
    name: Named<'_>,
    parts: &Parts,
) -> Result<(Call, View), Box<Response<Body>>> {
    let selectors = (
        sole(&parts.headers, &SERVERS),
        sole(&parts.headers, &ACCESS_GROUPS),
    );
    let (Ok(servers), Ok(groups)) = selectors else {
        return Err(Box::new(
            end(
                call,
                ErrorKind::Invalid,
                StatusCode::BAD_REQUEST,
                "invalid_selector",
            )
            .await,
        ));
    };
    let target = match name {
        // A path says exactly what is meant; selectors beside it add nothing.
        Named::Path(name) => Target::Path(name),
        Named::Toolset(name) => Target::Toolset(name),
        Named::All => Target::Aggregate { servers, groups },
    };
    match View::of(&state.gateway.snapshot(), &call, target) {
        Ok(view) => Ok((call, view)),
        Err(UnknownTarget::NotFound) => {
            call.audit.denied("not_visible");
            Err(Box::new(
                end(
                    call,
                    ErrorKind::NotFound,
                    StatusCode::NOT_FOUND,
                    "not_found",
                )
                .await,
            ))
        }
        Err(UnknownTarget::Malformed) => Err(Box::new(
            end(
                call,
                ErrorKind::Invalid,
                StatusCode::BAD_REQUEST,
                "invalid_selector",
            )
            .await,
        )),
    }
}

/// Ends a call with a refusal that has no JSON-RPC form.
pub(super) async fn end(
    call: Call,
    kind: ErrorKind,
    status: StatusCode,
    error: &'static str,
) -> Response<Body> {
    if call.close(kind.into()).await {
        text_error(status, error)
    } else {
        text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    }
}

pub(super) fn not_allowed(allow: &'static str) -> Response<Body> {
    let mut response = json(
        StatusCode::METHOD_NOT_ALLOWED,
        r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Method Not Allowed"}}"#,
    );
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// The one value of a header; `Err` when it stands twice or is not text.
pub(crate) fn sole<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(|text| Some(text.trim())).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}
