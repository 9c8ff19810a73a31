//! `/v1/pins`: what servers' tools looked like when they were first seen, and what became of them. Viewers look;
//! administrators approve, for what they approve holds for every caller.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use portcullis_core::{ErrorKind, ServerId, hex};
use portcullis_engine::audit::{Change, Target};
use portcullis_engine::{
    Call, PageRequest, PinError, PinState, ServerEntry, ShownObjects, ShownPin,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::admit;
use super::body::read;
use super::problem::{done, problem, refuse_body, rule};
use crate::openapi::Problem;
use crate::query::query;
use crate::state::ServerState;

/// Most pins of one answer.
const MOST: usize = 1000;

/// The words of the path, as they came.
type Which = Result<Path<(String, String)>, PathRejection>;

/// Query of `GET /v1/pins`: `after` is `next` of the page before.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PinQuery {
    /// Tools of this server only.
    server: Option<String>,
    /// `pinned`, `changed` or `damaged`; left out: all.
    state: Option<String>,
    after: Option<String>,
    /// 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Every tool that was seen, by server and name.
#[utoipa::path(
    get, path = "/v1/pins", tag = "pins", params(PinQuery),
    responses((status = 200, description = "A page of them.", body = PinPage)),
)]
pub(crate) async fn list(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let call = match admit(&state, &parts, "v1/pins").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let wish: PinQuery = match query(&parts.uri) {
        Ok(wish) => wish,
        Err(detail) => return problem(call, ErrorKind::Invalid, &detail).await,
    };
    let wanted = match wish
        .state
        .as_deref()
        .map(|name| (name, PinState::named(name)))
    {
        Some((name, None)) => {
            let known = PinState::ALL.map(PinState::as_str).join(", ");
            let detail = format!("state `{name}` does not exist: use {known}");
            return problem(call, ErrorKind::Invalid, &detail).await;
        }
        Some((_, state)) => state,
        None => None,
    };
    let limit = wish.limit.unwrap_or(100);
    if !(1..=MOST).contains(&limit) {
        let detail = format!("limit is from 1 to {MOST}");
        return problem(call, ErrorKind::Invalid, &detail).await;
    }
    let page = PageRequest {
        after: wish.after,
        limit,
    };
    let pins = state.gateway.pins();
    match pins.list(wish.server.as_deref(), wanted, &page).await {
        Ok(page) => {
            let pins = page.items.iter().map(|pin| row(&state, pin)).collect();
            let next = page.next;
            done(call, &PinPage { pins, next }).await
        }
        Err(error) => failed(call, &error).await,
    }
}

/// One tool: what is pinned, what it became, and where that differs.
#[utoipa::path(
    get, path = "/v1/pins/{server}/{tool}", tag = "pins",
    params(("server" = String, Path), ("tool" = String, Path, description = "As its server spells it.")),
    responses(
        (status = 200, description = "How it stands.", body = WholePin),
        (status = 404, description = "No such tool was seen.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(
    State(state): State<ServerState>,
    which: Which,
    request: Request,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match admit(&state, &parts, "v1/pins:show").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let Some((server, tool)) = noted(&state, &mut call, which) else {
        return failed(call, &PinError::Unknown).await;
    };
    told(&state, call, &server, &tool).await
}

/// What is approved.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PinApproval {
    /// `seen_hash` of what was looked at.
    hash: String,
}

/// Pin what a tool became.
#[utoipa::path(
    post, path = "/v1/pins/{server}/{tool}/approve", tag = "pins", request_body = PinApproval,
    params(("server" = String, Path), ("tool" = String, Path, description = "As its server spells it.")),
    responses(
        (status = 200, description = "It is pinned.", body = WholePin),
        (status = 404, description = "No such tool was seen.", body = Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "What waits is something else by now, or the pin is damaged.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn approve(
    State(state): State<ServerState>,
    which: Which,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match admit(&state, &parts, "v1/pins:approve").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let which = noted(&state, &mut call, which);
    let wish: PinApproval = match read(&state, &mut call, &parts, body).await {
        Ok(wish) => wish,
        Err(refusal) => return refuse_body(&state, call, &parts, &refusal).await,
    };
    let Some((server, tool)) = which else {
        return failed(call, &PinError::Unknown).await;
    };
    let by = call.principal.clone();
    let approved = state
        .gateway
        .pins()
        .approve(&server, &tool, &wish.hash, &by);
    match approved.await {
        Ok(before) => {
            let told_of = changed(&server, &tool, before).now(&wish.hash);
            call.audit.changed(told_of);
            told(&state, call, &server, &tool).await
        }
        Err(error) => failed(call, &error).await,
    }
}

/// Forget what a tool looked like: the next sight of it is the first.
#[utoipa::path(
    delete, path = "/v1/pins/{server}/{tool}", tag = "pins",
    params(("server" = String, Path), ("tool" = String, Path, description = "As its server spells it.")),
    responses(
        (status = 200, description = "It is forgotten.", body = Forgotten),
        (status = 404, description = "No such tool was seen.", body = Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "It was changed at the same time.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn forget(
    State(state): State<ServerState>,
    which: Which,
    request: Request,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match admit(&state, &parts, "v1/pins:forget").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let Some((server, tool)) = noted(&state, &mut call, which) else {
        return failed(call, &PinError::Unknown).await;
    };
    let by = call.principal.clone();
    match state.gateway.pins().forget(&server, &tool, &by).await {
        Ok(before) => {
            call.audit
                .changed(changed(&server, &tool, before).now("forgotten"));
            let server = server.to_string();
            done(call, &Forgotten { server, tool }).await
        }
        Err(error) => failed(call, &error).await,
    }
}

/// What became of a pin, for the record; `None`: its row was damaged.
fn changed(server: &ServerId, tool: &str, before: Option<[u8; 32]>) -> Change {
    let before = before.map_or_else(|| "damaged".to_owned(), |digest| hex(&digest));
    Change::of("pin", &format!("{server}/{tool}")).was(before)
}

/// Server and tool of a path, on record whatever becomes of it. `None`: they are not UTF-8, and no names.
fn noted(state: &ServerState, call: &mut Call, which: Which) -> Option<(ServerId, String)> {
    let Path((server, tool)) = which.ok()?;
    call.audit.target(Target::pin(&tool));
    // What is on record as a server is one.
    if let Some(entry) = entry(state, &server) {
        call.audit.server(&entry.id);
    }
    Some((ServerId::from(server), tool))
}

async fn told(state: &ServerState, call: Call, server: &ServerId, tool: &str) -> Response<Body> {
    match state.gateway.pins().show(server, tool).await {
        Ok((pin, objects)) => done(call, &whole(state, &pin, objects)).await,
        Err(error) => failed(call, &error).await,
    }
}

async fn failed(mut call: Call, error: &PinError) -> Response<Body> {
    let kind = error.error_kind();
    if matches!(kind, ErrorKind::Unavailable | ErrorKind::Internal) {
        tracing::error!(
            request.id = %call.id,
            error = error as &dyn std::error::Error,
            "pins not managed"
        );
        // Whoever asked was allowed to: it may have been done, and the answer is what is missing.
        call.audit.allowed(rule(call.principal.role));
    }
    problem(call, kind, &error.to_string()).await
}

/// A tool, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PinRow {
    server: String,
    /// As its server spells it.
    tool: String,
    /// `pinned`, `changed` or `damaged`.
    state: &'static str,
    /// `allow`, `warn` or `block`; `null`: the server is not there any more.
    on_drift: Option<&'static str>,
    /// The digest of what is pinned.
    hash: Option<String>,
    /// The digest of what it became, which waits for approval.
    seen_hash: Option<String>,
    /// Since when it stands so; RFC 3339.
    changed_at: String,
}

/// A page of pins.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PinPage {
    pins: Vec<PinRow>,
    /// `after` of the next page; `null` on the last.
    next: Option<String>,
}

/// One tool with its objects.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WholePin {
    server: String,
    /// As its server spells it.
    tool: String,
    /// `pinned`, `changed` or `damaged`.
    state: &'static str,
    /// `allow`, `warn` or `block`; `null`: the server is not there any more.
    on_drift: Option<&'static str>,
    /// The digest of what is pinned.
    hash: Option<String>,
    /// The digest of what it became, which waits for approval.
    seen_hash: Option<String>,
    /// Since when it stands so; RFC 3339.
    changed_at: String,
    /// Who approved it; `null`: it was seen.
    changed_by: Option<String>,
    /// What is pinned: the text that its server wrote.
    pinned: String,
    /// What it became: the text that its server wrote. `null`: nothing else was seen, or it is too long to be kept.
    seen: Option<String>,
    /// Where that differs; at most 500 places and a megabyte.
    differences: Vec<PinDifference>,
    /// `differences` leaves some out: `seen` has all of it.
    truncated: bool,
}

/// A place at which two objects differ.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PinDifference {
    /// A JSON pointer (RFC 6901).
    path: String,
    /// `added`, `removed` or `changed`.
    kind: &'static str,
    /// The JSON text that stood there.
    old: Option<String>,
    /// The JSON text that stands there.
    new: Option<String>,
}

/// What was forgotten.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ForgottenPin)]
struct Forgotten {
    server: String,
    tool: String,
}

/// The server of this id, if it is served. An alias is no id.
fn entry(state: &ServerState, id: &str) -> Option<Arc<ServerEntry>> {
    let snapshot = state.gateway.snapshot();
    let (_, entry) = snapshot.named(id)?;
    (entry.id.as_str() == id).then(|| Arc::clone(entry))
}

fn row(state: &ServerState, pin: &ShownPin) -> PinRow {
    let entry = entry(state, pin.server.as_str());
    PinRow {
        server: pin.server.to_string(),
        tool: pin.tool.clone(),
        state: pin.state.as_str(),
        on_drift: entry.map(|entry| entry.on_drift.as_str()),
        hash: pin.pinned.map(|digest| hex(&digest)),
        seen_hash: pin.seen.map(|digest| hex(&digest)),
        changed_at: pin.changed_at.to_string(),
    }
}

fn whole(state: &ServerState, pin: &ShownPin, objects: ShownObjects) -> WholePin {
    let PinRow {
        server,
        tool,
        state,
        on_drift,
        hash,
        seen_hash,
        changed_at,
    } = row(state, pin);
    let text = |raw: Option<Box<serde_json::value::RawValue>>| raw.map(|raw| raw.get().to_owned());
    let truncated = objects.differences.truncated;
    let differences = objects
        .differences
        .told
        .into_iter()
        .map(|one| PinDifference {
            path: one.path,
            kind: one.kind.as_str(),
            old: text(one.old),
            new: text(one.new),
        });
    WholePin {
        server,
        tool,
        state,
        on_drift,
        hash,
        seen_hash,
        changed_at,
        changed_by: objects.changed_by,
        pinned: objects.pinned,
        seen: objects.seen,
        differences: differences.collect(),
        truncated,
    }
}
