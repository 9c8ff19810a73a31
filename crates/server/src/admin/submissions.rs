//! `/v1/mcp/server/register` and `/submissions`: servers that members of a team ask for, and what a reviewer says.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{Response, StatusCode};
use portcullis_core::{ErrorKind, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::admit;
use super::body::read;
use super::problem::{done, problem, refuse_body};
use super::server_bodies::new_server;
use super::server_rows::ServerRow;
use super::servers::{answered, answered_if, begun, failed, if_match, named, seen_through};
use super::strict::StrictObject;
use crate::openapi::Problem;
use crate::server_book::{Approval, Verdict};
use crate::state::ServerState;

/// Submit a server for review, with a key of a team. Nobody sees it until it is approved.
#[utoipa::path(
    post, path = "/v1/mcp/server/register", tag = "submissions", request_body = Object,
    responses(
        (status = 201, description = "It waits for review.", body = ServerRow),
        (status = 409, description = "There is no room for another, or no store for servers.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn register(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match admit(&state, &parts, "v1/mcp/server:register").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    if call.principal.role != Role::User {
        let detail = "an administrator defines servers at POST /v1/mcp/server";
        return problem(call, ErrorKind::Forbidden, detail).await;
    }
    if call.principal.team.is_none() {
        let detail =
            "Registration requires an API key associated with a team. Use a team-scoped key.";
        return problem(call, ErrorKind::Invalid, detail).await;
    }
    let body = match read::<StrictObject>(&state, &mut call, &parts, body).await {
        Ok(body) => body.0,
        Err(refused) => return refuse_body(&state, call, &parts, &refused).await,
    };
    let wish = match new_server(body, true) {
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

/// What was submitted, and what became of it.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Submissions {
    total: usize,
    pending_review: usize,
    active: usize,
    rejected: usize,
    items: Vec<ServerRow>,
}

/// Servers that were submitted.
#[utoipa::path(
    get, path = "/v1/mcp/server/submissions", tag = "submissions",
    responses((status = 200, description = "All that were ever submitted and not taken away.", body = Submissions)),
)]
pub(crate) async fn list(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let call = match admit(&state, &parts, "v1/mcp/server/submissions").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let Some(book) = state.servers.clone() else {
        return done(call, &Submissions::default()).await;
    };
    let defined = match book.all().await {
        Ok(defined) => defined,
        Err(error) => return failed(call, &error).await,
    };
    let snapshot = state.gateway.snapshot();
    let mut submissions = Submissions::default();
    for one in &defined {
        if one.provenance.submitted_at.is_none() {
            continue;
        }
        submissions.total += 1;
        *match one.approval {
            Approval::PendingReview => &mut submissions.pending_review,
            Approval::Active => &mut submissions.active,
            Approval::Rejected => &mut submissions.rejected,
        } += 1;
        let entry = snapshot.servers().iter().find(|entry| entry.id == one.id);
        let row = ServerRow::defined(one, entry.map(|entry| &**entry));
        submissions.items.push(row);
    }
    done(call, &submissions).await
}

/// Serve a server that was submitted, or turned down before.
#[utoipa::path(
    put, path = "/v1/mcp/server/{id}/approve", tag = "submissions",
    params(
        ("id" = String, Path, description = "Its name."),
        ("If-Match" = Option<String>, Header, description = "The state that was reviewed; another one is 412."),
    ),
    responses(
        (status = 200, description = "It is served.", body = ServerRow),
        (status = 404, description = "No such server was defined here.", body = Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "It was changed meanwhile, or there is no store for servers.", body = Problem,
         content_type = "application/problem+json"),
        (status = 412, description = "It is not in the state of `If-Match`.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn approve(
    State(state): State<ServerState>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response<Body> {
    review(state, id, request, "v1/mcp/server:approve").await
}

/// Turn a server down: nobody sees it any more.
#[utoipa::path(
    put, path = "/v1/mcp/server/{id}/reject", tag = "submissions", request_body = Option<Rejection>,
    params(
        ("id" = String, Path, description = "Its name."),
        ("If-Match" = Option<String>, Header, description = "The state that was reviewed; another one is 412."),
    ),
    responses(
        (status = 200, description = "It is not served.", body = ServerRow),
        (status = 404, description = "No such server was defined here.", body = Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "It was changed meanwhile, or there is no store for servers.", body = Problem,
         content_type = "application/problem+json"),
        (status = 412, description = "It is not in the state of `If-Match`.", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn reject(
    State(state): State<ServerState>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response<Body> {
    review(state, id, request, "v1/mcp/server:reject").await
}

/// Why a server is turned down.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rejection {
    /// For whoever submitted it.
    review_notes: Option<String>,
}

/// Longest note of a reviewer, in bytes.
const LONGEST_NOTE: usize = 4096;

async fn review(
    state: ServerState,
    id: Result<Path<String>, PathRejection>,
    request: Request,
    method: &'static str,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = match admit(&state, &parts, method).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let id = named(&mut call, id);
    let approves = method.ends_with(":approve");
    let mut notes = None;
    if !approves && !axum::body::HttpBody::is_end_stream(&body) {
        match read::<Rejection>(&state, &mut call, &parts, body).await {
            Ok(said) => notes = said.review_notes,
            Err(refused) => return refuse_body(&state, call, &parts, &refused).await,
        }
    }
    if notes
        .as_ref()
        .is_some_and(|notes| notes.len() > LONGEST_NOTE)
    {
        let detail = "`review_notes` is longer than 4096 bytes";
        return problem(call, ErrorKind::Invalid, detail).await;
    }
    let seen = match if_match(&parts.headers) {
        Ok(seen) => seen,
        Err(detail) => return problem(call, ErrorKind::Invalid, detail).await,
    };
    let book = match begun(&state, &mut call, &id) {
        Ok(book) => book,
        Err(detail) => return problem(call, ErrorKind::Conflict, detail).await,
    };
    let verdict = if approves {
        Verdict::Approve
    } else {
        Verdict::Reject { notes }
    };
    let by = Arc::clone(&call.principal);
    let work = async move { book.review(&id, verdict, seen, &by).await };
    let reviewed = seen_through(&state, work).await;
    answered_if(&state, call, StatusCode::OK, reviewed, seen).await
}
