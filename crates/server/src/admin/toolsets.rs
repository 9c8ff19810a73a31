//! `/v1/mcp/toolset`: tools of several servers under one name. Administrators define them; whoever has a
//! key is shown those that lead to something, and of those what they see.
#![expect(
    clippy::option_option,
    reason = "absent, null and a value are three things to a change"
)]

use std::collections::BTreeSet;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{Response, StatusCode};
use portcullis_core::{ErrorKind, Role};
use portcullis_engine::Call;
use portcullis_engine::audit::{Change, Target};
use portcullis_identity::{DirectoryError, EntryKind, Listed, PageRequest, Shown, Toolset};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::admit;
use super::body::read;
use super::differing::differing;
use super::levels::failed;
use super::permission::{given, tools_by_server};
use super::preconditions::seen;
use super::problem::{done, done_with, problem, refuse_body};
use crate::openapi::Problem;
use crate::state::ServerState;

const KIND: EntryKind = EntryKind::Toolset;

/// One tool of a body.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = ToolOfToolset)]
#[serde(deny_unknown_fields)]
struct Tool {
    server_id: String,
    tool_name: String,
}

/// What is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = Toolset)]
#[serde(default, deny_unknown_fields)]
struct Wish {
    toolset_id: Option<String>,
    version: Option<u64>,
    toolset_name: Option<String>,
    #[schema(value_type = Option<String>)]
    #[serde(deserialize_with = "given")]
    description: Option<Option<String>>,
    tools: Option<Vec<Tool>>,
}

impl Wish {
    /// Takes over what is said.
    fn apply(
        self,
        toolset: &mut Toolset,
        name: &mut Option<String>,
        state: &ServerState,
    ) -> Result<(), DirectoryError> {
        if let Some(wished) = self.toolset_name {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            if !(1..=64).contains(&wished.len()) || !wished.bytes().all(plain) {
                let detail = "toolset_name is 1 to 64 letters, digits, `_`, `.` or `-`";
                return Err(DirectoryError::Invalid(detail.to_owned()));
            }
            *name = Some(wished);
        }
        if let Some(description) = self.description {
            toolset.description = description;
        }
        if let Some(tools) = self.tools {
            let pairs = tools
                .into_iter()
                .map(|tool| (tool.server_id, tool.tool_name));
            toolset.tools = tools_by_server(pairs, &state.gateway.snapshot())
                .map_err(DirectoryError::Invalid)?;
        }
        Ok(())
    }
}

/// Define a toolset.
#[utoipa::path(
    post, path = "/v1/mcp/toolset", tag = "toolsets", request_body = Wish,
    responses(
        (status = 201, description = "As it is defined.", body = Object),
        (status = 409, description = "The id or the name is taken.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn make(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match admit(&state, &parts, "v1/mcp/toolset/new").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let mut wish: Wish = match read(&state, &mut call, &parts, body).await {
        Ok(wish) => wish,
        Err(refused) => return refuse_body(&state, call, &parts, &refused).await,
    };
    if wish.toolset_name.is_none() {
        return problem(call, ErrorKind::Invalid, "say toolset_name").await;
    }
    let id = wish.toolset_id.take();
    let (mut toolset, mut name) = (Toolset::default(), None);
    if let Err(error) = wish.apply(&mut toolset, &mut name, &state) {
        return failed(call, false, &error).await;
    }
    call.audit.target(Target::entry(
        "toolset",
        name.as_deref().unwrap_or_default(),
    ));
    let by = &call.principal;
    match state.defining.define(KIND, id, name, toolset, by).await {
        Ok(entry) => {
            call.audit.target(Target::entry("toolset", &entry.id));
            let (nothing, row): (Option<&Value>, _) = (None, whole(&entry));
            let made = Change::of("toolset", &entry.id).now(entry.version);
            call.audit.changed(made.fields(differing(nothing, &row)));
            done_with(call, StatusCode::CREATED, &row).await
        }
        Err(error) => failed(call, false, &error).await,
    }
}

/// Change a toolset.
#[utoipa::path(
    put, path = "/v1/mcp/toolset", tag = "toolsets", request_body = Wish,
    responses(
        (status = 200, description = "As it is now.", body = Object),
        (status = 404, description = "There is none with this id.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It was changed meanwhile, or the name is taken.", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not as `If-Match` says.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn change(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match admit(&state, &parts, "v1/mcp/toolset/update").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let mut wish: Wish = match read(&state, &mut call, &parts, body).await {
        Ok(wish) => wish,
        Err(refused) => return refuse_body(&state, call, &parts, &refused).await,
    };
    let Some(id) = wish.toolset_id.take() else {
        return problem(call, ErrorKind::Invalid, "say toolset_id").await;
    };
    call.audit.target(Target::entry("toolset", &id));
    let seen = match seen(&parts.headers, wish.version) {
        Ok(seen) => seen,
        Err(detail) => return problem(call, ErrorKind::Invalid, detail).await,
    };
    let applied =
        |toolset: &mut Toolset, name: &mut Option<String>| wish.apply(toolset, name, &state);
    let by = &call.principal;
    let changed = state
        .defining
        .change(KIND, &id, seen.version, by, applied)
        .await;
    match changed {
        Ok(changed) => {
            let (before, after) = (&changed.before, &changed.after);
            let row = whole(after);
            let told = Change::of("toolset", &after.id).was(before.version);
            let names = differing(Some(&whole(before)), &row);
            call.audit.changed(told.now(after.version).fields(names));
            done(call, &row).await
        }
        Err(error) => failed(call, seen.by_header, &error).await,
    }
}

/// Delete a toolset.
#[utoipa::path(
    delete, path = "/v1/mcp/toolset/{id}", tag = "toolsets", params(("id" = String, Path)),
    responses(
        (status = 202, description = "It is deleted.", body = Object),
        (status = 404, description = "There is none with this id.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is the configuration file's.", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not as `If-Match` says.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn remove(
    State(state): State<ServerState>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match admit(&state, &parts, "v1/mcp/toolset/delete").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let Ok(Path(id)) = id else {
        return problem(call, ErrorKind::NotFound, "there is none with this id").await;
    };
    call.audit.target(Target::entry("toolset", &id));
    let seen = match seen(&parts.headers, None) {
        Ok(seen) => seen,
        Err(detail) => return problem(call, ErrorKind::Invalid, detail).await,
    };
    let by = &call.principal;
    match state.defining.delete(KIND, &id, seen.version, by).await {
        Ok(version) => {
            call.audit.changed(Change::of("toolset", &id).was(version));
            done_with(call, StatusCode::ACCEPTED, &json!({"toolset_id": id})).await
        }
        Err(error) => failed(call, seen.by_header, &error).await,
    }
}

/// Toolsets: for those who may read everything as they are, for others as far as they see them.
#[utoipa::path(
    get, path = "/v1/mcp/toolset", tag = "toolsets",
    responses((status = 200, description = "All that lead the caller somewhere.", body = Vec<Object>)),
)]
pub(crate) async fn list(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let call = match admit(&state, &parts, "v1/mcp/toolset/list").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let rows = match readable(&state, &call).await {
        Ok(rows) => rows,
        Err(error) => return failed(call, false, &error).await,
    };
    done(call, &Value::Array(rows)).await
}

/// One toolset, as far as the caller sees it.
#[utoipa::path(
    get, path = "/v1/mcp/toolset/{id}", tag = "toolsets", params(("id" = String, Path)),
    responses(
        (status = 200, description = "The toolset.", body = Object),
        (status = 404, description = "There is none with this id.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn info(
    State(state): State<ServerState>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match admit(&state, &parts, "v1/mcp/toolset/info").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let wanted = id.map(|Path(id)| id).unwrap_or_default();
    call.audit.target(Target::entry("toolset", &wanted));
    match readable(&state, &call).await {
        Ok(rows) => {
            let mut rows = rows.into_iter();
            match rows.find(|row| row["toolset_id"] == wanted.as_str()) {
                Some(row) => done(call, &row).await,
                None => failed(call, false, &DirectoryError::NotFound).await,
            }
        }
        Err(error) => failed(call, false, &error).await,
    }
}

/// What a caller may read of the toolsets.
async fn readable(state: &ServerState, call: &Call) -> Result<Vec<Value>, DirectoryError> {
    if call.principal.role < Role::Viewer {
        return Ok(seen_by(state, call));
    }
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let page = PageRequest { after, limit: 1000 };
        let by = &call.principal;
        let page = state.defining.list::<Toolset>(KIND, &page, by).await?;
        rows.extend(page.items.iter().map(|listed| match listed {
            Listed::Sound(entry) => whole(entry),
            Listed::Damaged(id) => json!({"toolset_id": id, "damaged": true}),
        }));
        after = page.next;
        if after.is_none() {
            return Ok(rows);
        }
    }
}

/// The toolsets that lead this caller somewhere, by name and without what they do not see.
fn seen_by(state: &ServerState, call: &Call) -> Vec<Value> {
    let snapshot = state.gateway.snapshot();
    let named = call.toolsets.iter();
    let named = named.filter_map(|(name, servers)| {
        let visible = servers.iter().filter_map(|(id, tools)| {
            let (_, server) = snapshot.named(id.as_str())?;
            call.sees(server).then_some((id, server, tools))
        });
        let tools: Vec<Value> = visible
            .flat_map(|(id, server, tools)| {
                let shown = |tool: &&String| call.shows(server, tool);
                let tools: BTreeSet<String> = tools.iter().filter(shown).cloned().collect();
                pairs(id.as_str(), &tools)
            })
            .collect();
        (!tools.is_empty())
            .then(|| json!({"toolset_id": name, "toolset_name": name, "tools": tools}))
    });
    named.collect()
}

fn whole(entry: &Shown<Toolset>) -> Value {
    let tools = entry.body.tools.iter();
    let tools: Vec<Value> = tools
        .flat_map(|(server, tools)| pairs(server.as_str(), tools))
        .collect();
    json!({
        "toolset_id": entry.id,
        "toolset_name": entry.name,
        "description": entry.body.description,
        "tools": tools,
        "version": entry.version,
        "updated_at": entry.changed_at.to_string(),
        "updated_by": entry.changed_by,
    })
}

fn pairs(server: &str, tools: &BTreeSet<String>) -> Vec<Value> {
    let tools = tools.iter();
    tools
        .map(|tool| json!({"server_id": server, "tool_name": tool}))
        .collect()
}
