//! `/v1/mcp/server`: the servers that the caller can see, and those that administrators define.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{ETAG, HeaderMap, HeaderValue, IF_MATCH};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use portcullis_core::{ErrorKind, Role, ServerId};
use portcullis_engine::audit::{Change, Target as OnRecord};
use portcullis_engine::{Call, ServerEntry, Target, View};
use serde::Serialize;
use utoipa::ToSchema;

use super::admit;
use super::body::read;
use super::problem::{done, done_with, problem, problem_with, refuse_body, rule};
use super::server_bodies::{changes, new_server};
use super::server_rows::{ServerRow, version_text};
use super::strict::StrictObject;
use crate::openapi::Problem;
use crate::server_book::{BookError, ChangedServer, DefinedServer, ServerBook};
use crate::state::ServerState;

/// The servers that the caller can see; for those who may read everything, also those that are not served.
#[utoipa::path(
    get, path = "/v1/mcp/server", tag = "servers",
    responses((status = 200, description = "The servers in view.", body = Vec<ServerRow>)),
)]
pub(crate) async fn list(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let call = match admit(&state, &parts, "v1/mcp/server").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let seen = match in_view(&state, &call) {
        Ok(seen) => seen,
        Err(detail) => return problem(call, ErrorKind::Internal, detail).await,
    };
    let role = call.principal.role;
    let defined = match defined_for(&state, role).await {
        Ok(defined) => defined,
        Err(error) => return failed(call, &error).await,
    };
    let of = |entry: &ServerEntry| defined.iter().find(|one| is_of(one, entry));
    let mut rows: Vec<ServerRow> = seen
        .iter()
        .map(|entry| match of(entry) {
            Some(defined) => ServerRow::defined(defined, Some(entry)),
            None => ServerRow::of(entry, role),
        })
        .collect();
    let served = |one: &&DefinedServer| seen.iter().any(|entry| is_of(one, entry));
    let others = defined.iter().filter(|one| !served(one));
    rows.extend(others.map(|one| ServerRow::defined(one, None)));
    done(call, &rows).await
}

/// One server.
#[utoipa::path(
    get, path = "/v1/mcp/server/{id}", tag = "servers",
    params(("id" = String, Path, description = "Its name.")),
    responses(
        (status = 200, description = "The server; `ETag` is its state, if it was defined here.", body = ServerRow),
        (status = 404, description = "No such server is in view.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn get(
    State(state): State<ServerState>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match admit(&state, &parts, "v1/mcp/server/get").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let id = named(&mut call, id);
    let seen = match in_view(&state, &call) {
        Ok(seen) => seen,
        Err(detail) => return problem(call, ErrorKind::Internal, detail).await,
    };
    let entry = seen.iter().find(|entry| entry.id == id);
    let role = call.principal.role;
    let defined = match (&state.servers, role >= Role::Viewer) {
        (Some(book), true) => match book.get(&id).await {
            Ok(found) => found,
            Err(error) => return failed(call, &error).await,
        },
        _ => None,
    };
    match (defined, entry) {
        (Some(defined), entry) => {
            let entry = entry.filter(|entry| is_of(&defined, entry));
            let row = ServerRow::defined(&defined, entry.map(|entry| &**entry));
            let answer = done(call, &row).await;
            with_version(answer, defined.version)
        }
        (None, Some(entry)) => done(call, &ServerRow::of(entry, role)).await,
        (None, None) => problem(call, ErrorKind::NotFound, "MCP server not found").await,
    }
}

/// Define a server, with the keys of an entry of `mcp_servers` or in LiteLLM's shape. It is served when this answers.
#[utoipa::path(
    post, path = "/v1/mcp/server", tag = "servers", request_body = Object,
    responses(
        (status = 201, description = "The server.", body = ServerRow),
        (status = 409, description = "There is no room for another, or no store for them.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn add(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match admit(&state, &parts, "v1/mcp/server:add").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let body = match read::<StrictObject>(&state, &mut call, &parts, body).await {
        Ok(body) => body.0,
        Err(refused) => return refuse_body(&state, call, &parts, &refused).await,
    };
    let wish = match new_server(body, false) {
        Ok(wish) => wish,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    let book = match begun(&state, &mut call, &wish.id) {
        Ok(book) => book,
        Err(detail) => return problem(call, ErrorKind::Conflict, detail).await,
    };
    let by = Arc::clone(&call.principal);
    let defined = seen_through(&state, async move { book.define(wish, &by).await }).await;
    answered(&state, call, StatusCode::CREATED, defined).await
}

/// Change keys of a server that was defined here: what is not named stays, `null` takes a key away, and what is
/// sent as it was shown stays as it was, secrets too.
#[utoipa::path(
    put, path = "/v1/mcp/server", tag = "servers", request_body = Object,
    params(("If-Match" = Option<String>, Header, description = "The state that was seen; another one is 412.")),
    responses(
        (status = 202, description = "The server.", body = ServerRow),
        (status = 404, description = "No such server was defined here.", body = Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "It was changed meanwhile, or there is no store for servers.", body = Problem,
         content_type = "application/problem+json"),
        (status = 412, description = "It is not in the state of `If-Match`.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn change(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    changed(state, parts, body, None).await
}

/// The same with the server in the path.
#[utoipa::path(
    put, path = "/v1/mcp/server/{id}", tag = "servers", request_body = Object,
    params(
        ("id" = String, Path, description = "Its name."),
        ("If-Match" = Option<String>, Header, description = "The state that was seen; another one is 412."),
    ),
    responses(
        (status = 202, description = "The server.", body = ServerRow),
        (status = 404, description = "No such server was defined here.", body = Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "It was changed meanwhile, or there is no store for servers.", body = Problem,
         content_type = "application/problem+json"),
        (status = 412, description = "It is not in the state of `If-Match`.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn change_named(
    State(state): State<ServerState>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let id = id.map(|Path(id)| id).unwrap_or_default();
    changed(state, parts, body, Some(id)).await
}

async fn changed(
    state: ServerState,
    parts: Parts,
    body: Body,
    named: Option<String>,
) -> Response<Body> {
    let mut call = match admit(&state, &parts, "v1/mcp/server:change").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let mut body = match read::<StrictObject>(&state, &mut call, &parts, body).await {
        Ok(body) => body.0,
        Err(refused) => return refuse_body(&state, call, &parts, &refused).await,
    };
    if let Some(id) = named {
        let known = body.insert("server_id".to_owned(), id.as_str().into());
        if known.is_some_and(|known| known != id) {
            let detail = "the path and `server_id` name two servers";
            return problem(call, ErrorKind::Invalid, detail).await;
        }
    }
    let (id, changes) = match changes(body) {
        Ok(changes) => changes,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    let seen = match if_match(&parts.headers) {
        Ok(seen) => seen,
        Err(detail) => return problem(call, ErrorKind::Invalid, detail).await,
    };
    let book = match begun(&state, &mut call, &id) {
        Ok(book) => book,
        Err(detail) => return problem(call, ErrorKind::Conflict, detail).await,
    };
    let by = Arc::clone(&call.principal);
    let work = async move { book.change(&id, changes, seen, &by).await };
    let changed = seen_through(&state, work).await;
    answered_if(&state, call, StatusCode::ACCEPTED, changed, seen).await
}

/// What was taken away.
#[derive(Serialize, ToSchema)]
struct RemovedServer {
    server_id: String,
}

/// Take away a server that was defined here, with its sessions and with what people connected there.
#[utoipa::path(
    delete, path = "/v1/mcp/server/{id}", tag = "servers",
    params(
        ("id" = String, Path, description = "Its name."),
        ("If-Match" = Option<String>, Header, description = "The state that was seen; another one is 412."),
    ),
    responses(
        (status = 202, description = "It is gone.", body = RemovedServer),
        (status = 404, description = "No such server was defined here.", body = Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "It was changed meanwhile, or there is no store for servers.", body = Problem,
         content_type = "application/problem+json"),
        (status = 412, description = "It is not in the state of `If-Match`.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn remove(
    State(state): State<ServerState>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match admit(&state, &parts, "v1/mcp/server:remove").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let id = named(&mut call, id);
    let seen = match if_match(&parts.headers) {
        Ok(seen) => seen,
        Err(detail) => return problem(call, ErrorKind::Invalid, detail).await,
    };
    let book = match begun(&state, &mut call, &id) {
        Ok(book) => book,
        Err(detail) => return problem(call, ErrorKind::Conflict, detail).await,
    };
    let server_id = id.to_string();
    let removed = seen_through(&state, async move { book.remove(&id, seen).await }).await;
    match removed {
        Ok(version) => {
            let removed = Change::of("server", &server_id).was(version_text(version));
            call.audit.changed(removed);
            done_with(call, StatusCode::ACCEPTED, &RemovedServer { server_id }).await
        }
        Err(BookError::Changed) if seen.is_some() => precondition_failed(call).await,
        Err(error) => failed(call, &error).await,
    }
}

/// The servers in view of a caller.
pub(super) fn in_view(
    state: &ServerState,
    call: &Call,
) -> Result<Vec<Arc<ServerEntry>>, &'static str> {
    let target = Target::Aggregate {
        servers: None,
        groups: None,
    };
    let view = View::of(&state.gateway.snapshot(), call, target);
    let view = view.map_err(|_| "the servers cannot be resolved")?;
    Ok(view.servers().cloned().collect())
}

/// Whether what is served is this one, and not a server of the file that has its name.
fn is_of(defined: &DefinedServer, entry: &ServerEntry) -> bool {
    entry.id == defined.id && !defined.is_behind_file
}

/// What was defined here, for those who may read everything.
async fn defined_for(state: &ServerState, role: Role) -> Result<Vec<DefinedServer>, BookError> {
    match &state.servers {
        Some(book) if role >= Role::Viewer => book.all().await,
        _ => Ok(Vec::new()),
    }
}

/// The server of the path, on record.
pub(super) fn named(call: &mut Call, id: Result<Path<String>, PathRejection>) -> ServerId {
    // What is not UTF-8 is no name, and neither is the empty text.
    let id = ServerId::from(id.map(|Path(id)| id).unwrap_or_default());
    call.audit.target(OnRecord::server(id.as_str()));
    id
}

/// Puts the server and the decision on record, and finds who keeps servers.
pub(super) fn begun(
    state: &ServerState,
    call: &mut Call,
    id: &ServerId,
) -> Result<Arc<dyn ServerBook>, &'static str> {
    call.audit.target(OnRecord::server(id.as_str()));
    call.audit.allowed(rule(call.principal.role));
    let book = state.servers.clone();
    book.ok_or("this gateway keeps no servers beside its file")
}

/// Whoever asked may be gone before it is done.
pub(super) async fn seen_through<T: Send + 'static>(
    state: &ServerState,
    work: impl Future<Output = Result<T, BookError>> + Send + 'static,
) -> Result<T, BookError> {
    let work = state.gateway.see_through(work).await;
    work.unwrap_or(Err(BookError::Unavailable))
}

pub(super) async fn answered(
    state: &ServerState,
    call: Call,
    status: StatusCode,
    outcome: Result<ChangedServer, BookError>,
) -> Response<Body> {
    answered_if(state, call, status, outcome, None).await
}

pub(super) async fn answered_if(
    state: &ServerState,
    mut call: Call,
    status: StatusCode,
    outcome: Result<ChangedServer, BookError>,
    seen: Option<u64>,
) -> Response<Body> {
    match outcome {
        Ok(changed) => {
            call.audit.changed(on_record(&changed));
            let defined = changed.server;
            let snapshot = state.gateway.snapshot();
            let mut entries = snapshot.servers().iter();
            let entry = entries.find(|entry| is_of(&defined, entry));
            let row = ServerRow::defined(&defined, entry.map(|entry| &**entry));
            with_version(done_with(call, status, &row).await, defined.version)
        }
        Err(BookError::Changed) if seen.is_some() => precondition_failed(call).await,
        Err(error) => failed(call, &error).await,
    }
}

/// What became of a server, as the record has it.
pub(super) fn on_record(changed: &ChangedServer) -> Change {
    let ChangedServer {
        server,
        from,
        fields,
    } = changed;
    let told = Change::of("server", server.id.as_str()).now(version_text(server.version));
    let told = told.fields(fields);
    match from {
        Some(from) => told.was(version_text(*from)),
        None => told,
    }
}

async fn precondition_failed(call: Call) -> Response<Body> {
    let status = StatusCode::PRECONDITION_FAILED;
    let detail = "the server is not in the state of `If-Match`: read it again";
    problem_with(call, status, ErrorKind::Conflict, detail).await
}

pub(super) async fn failed(call: Call, error: &BookError) -> Response<Body> {
    let kind = error.error_kind();
    if matches!(kind, ErrorKind::Unavailable | ErrorKind::Internal) {
        tracing::error!(request.id = %call.id, error = %error, "servers not managed");
    }
    problem(call, kind, &error.to_string()).await
}

fn with_version(mut answer: Response<Body>, version: u64) -> Response<Body> {
    let tag = HeaderValue::from_str(&format!("\"{}\"", version_text(version)));
    if let (true, Ok(tag)) = (answer.status().is_success(), tag) {
        answer.headers_mut().insert(ETAG, tag);
    }
    answer
}

/// The one state that `If-Match` names (RFC 9110 §13.1.1); `None`: any.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<u64>, &'static str> {
    const SAY: &str = "`If-Match` is `*` or the one `ETag` that was seen";
    let mut values = headers.get_all(IF_MATCH).iter();
    let (value, None) = (values.next(), values.next()) else {
        return Err(SAY);
    };
    let Some(value) = value else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| SAY)?.trim();
    if text == "*" {
        return Ok(None);
    }
    let tag = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let digits = tag.filter(|tag| tag.len() == 16).ok_or(SAY)?;
    u64::from_str_radix(digits, 16).map(Some).map_err(|_| SAY)
}
